-- One row is one list for one kind of subject: its last round, and the questions since the day began.
SELECT
    toString(list) AS list,
    toString(kind) AS kind,
    toString(argMax(title, test_time)) AS title,
    argMax(tier, test_time) AS tier,
    toString(argMax(delist, test_time)) AS delist,
    toString(argMax(expires, test_time)) AS expires,
    toString(argMax(result, test_time)) AS result,
    argMax(detail, test_time) AS detail,
    argMax(subjects, test_time) AS subjects,
    argMax(listed, test_time) AS listed,
    argMax(unknown, test_time) AS unknown,
    sumIf(queries, test_time >= toDateTime({day_unix:Int64})) AS queries_today,
    argMax(budget, test_time) AS budget,
    toInt64(toUnixTimestamp(max(test_time))) AS tested_unix
FROM list_tests
WHERE test_time >= toDateTime({since_unix:Int64})
GROUP BY list, kind
ORDER BY argMax(list_tests.tier, test_time), list, kind
LIMIT {limit:UInt32}
