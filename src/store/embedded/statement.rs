//! What a statement's text looks like from outside: first word, `FORMAT` clause, where an insert's rows begin.
//!
//! Way: `request` asks before it runs a text. The judgement of what a statement may do is the engine's own reading
//! (`ffi::Analysis`); this one only has to find clauses that the engine wants handed over apart.
//! Source: lexical rules, ClickHouse `src/Parsers/Lexer.cpp`.
//! Not here: parsing SQL.

use std::ops::Range;

/// Words that end the head of an `INSERT` whose rows stand in the statement itself or come from a query.
const INSERT_SOURCES: [&str; 5] = ["SELECT", "WITH", "VALUES", "FROM", "WATCH"];

/// The outside of one statement.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape<'a> {
    /// Empty for an empty text or one that starts with a symbol.
    pub(super) first_word: &'a str,
    /// The name in the `FORMAT` clause.
    pub(super) format: Option<&'a str>,
    /// For `INSERT … FORMAT name`.
    pub(super) insert: Option<InsertShape>,
    /// `DESCRIBE` of a table function, which the engine opens even when it may only read tables.
    pub(super) describes_function: bool,
}

/// Where the parts of an `INSERT … FORMAT name` stand in its text, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InsertShape {
    /// The statement without its `FORMAT` clause begins at 0 and ends here.
    pub(super) head_end: usize,
    /// First byte of the rows; the length of the text when none follow.
    pub(super) rows_start: usize,
}

impl<'a> Shape<'a> {
    pub(super) fn of(sql: &'a str) -> Self {
        let first = Tokens::new(sql).next().filter(|token| token.kind == Kind::Word);
        let first_word = first.map_or("", |token| &sql[token.range]);
        let mut shape = Shape { first_word, ..Shape::default() };
        if is(first_word, "INSERT") {
            shape.read_insert(sql);
        } else {
            shape.format = last_format(sql);
            shape.describes_function =
                (is(first_word, "DESCRIBE") || is(first_word, "DESC")) && describes_function(sql);
        }
        shape
    }

    fn read_insert(&mut self, sql: &'a str) {
        let mut depth = 0_i64;
        let mut tokens = Tokens::new(sql);
        while let Some(token) = tokens.next() {
            depth += token.depth_change();
            let word = &sql[token.range.clone()];
            if depth != 0 || token.kind != Kind::Word {
                continue;
            }
            if INSERT_SOURCES.iter().any(|source| is(word, source)) {
                return;
            }
            if is(word, "FORMAT")
                && let Some(name) = tokens.next().filter(|name| name.kind == Kind::Word)
            {
                self.format = Some(&sql[name.range.clone()]);
                let rows_start = skip_to_rows(sql, name.range.end);
                self.insert = Some(InsertShape { head_end: token.range.start, rows_start });
                return;
            }
        }
    }
}

/// Rows begin after the line of the `FORMAT` clause, or after one separating space.
fn skip_to_rows(sql: &str, from: usize) -> usize {
    let rest = sql[from..].trim_start_matches([' ', '\t', ';']);
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    sql.len() - rest.len()
}

/// The name after a `FORMAT` that ends the statement, or is followed by its `SETTINGS` only. A column named `format`
/// is not taken for it, since more follows there.
fn last_format(sql: &str) -> Option<&str> {
    let mut depth = 0_i64;
    let mut tokens = Tokens::new(sql).peekable();
    while let Some(token) = tokens.next() {
        depth += token.depth_change();
        if depth != 0 || token.kind != Kind::Word || !is(&sql[token.range], "FORMAT") {
            continue;
        }
        let name = tokens.next_if(|token| token.kind == Kind::Word)?;
        match tokens.peek() {
            None => return Some(&sql[name.range]),
            Some(next) if is(&sql[next.range.clone()], "SETTINGS") || next.kind == Kind::Symbol(b';') => {
                return Some(&sql[name.range]);
            }
            Some(_) => {}
        }
    }
    None
}

/// `DESCRIBE [TABLE] name(…)`.
fn describes_function(sql: &str) -> bool {
    let mut tokens = Tokens::new(sql).skip(1).peekable();
    tokens.next_if(|token| is(&sql[token.range.clone()], "TABLE"));
    let named = tokens.next().is_some_and(|token| !matches!(token.kind, Kind::Symbol(_)));
    named && tokens.next().is_some_and(|token| token.kind == Kind::Symbol(b'('))
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Letters, digits and underscores: keywords, names, numbers.
    Word,
    /// A string, a quoted name or a heredoc.
    Quoted,
    Symbol(u8),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    range: Range<usize>,
}

impl Token {
    fn depth_change(&self) -> i64 {
        match self.kind {
            Kind::Symbol(b'(' | b'[' | b'{') => 1,
            Kind::Symbol(b')' | b']' | b'}') => -1,
            _ => 0,
        }
    }
}

/// The tokens of a text, without spaces and comments. Text that is cut off ends its last token.
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    /// Length of what stands at the front up to and with `end`, or of all that is left.
    fn through(&self, skip: usize, end: &str) -> usize {
        let rest = &self.sql[self.at..];
        rest.get(skip..).and_then(|text| text.find(end)).map_or(rest.len(), |found| skip + found + end.len())
    }

    /// A string or quoted name: a backslash takes the next byte with it. A doubled quote reads as two strings side by
    /// side, which is the same from outside.
    fn quoted_length(&self, quote: u8) -> usize {
        let rest = &self.sql.as_bytes()[self.at..];
        let mut length = 1;
        while let Some(byte) = rest.get(length) {
            match byte {
                b'\\' => length += 2,
                byte if *byte == quote => return length + 1,
                _ => length += 1,
            }
        }
        rest.len()
    }

    /// `$tag$ … $tag$`; a lone `$` is a symbol.
    fn heredoc_length(&self) -> Option<usize> {
        let rest = &self.sql[self.at..];
        let tag_end = 1 + rest.bytes().skip(1).position(|byte| !is_word_byte(byte))?;
        let tag = rest.get(..=tag_end).filter(|tag| tag.ends_with('$'))?;
        Some(self.through(tag.len(), tag))
    }

    /// `--`, `#!` and `# ` to the end of the line, `/* */`.
    fn comment_length(&self) -> Option<usize> {
        let rest = &self.sql[self.at..];
        if ["--", "#!", "# "].iter().any(|start| rest.starts_with(start)) {
            Some(self.through(2, "\n"))
        } else if rest.starts_with("/*") {
            Some(self.through(2, "*/"))
        } else {
            None
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let byte = *self.sql.as_bytes().get(self.at)?;
            if byte.is_ascii_whitespace() {
                self.at += 1;
                continue;
            }
            if let Some(length) = self.comment_length() {
                self.at += length;
                continue;
            }
            let rest = &self.sql.as_bytes()[self.at..];
            let (kind, length) = match byte {
                b'\'' | b'"' | b'`' => (Kind::Quoted, self.quoted_length(byte)),
                byte if is_word_byte(byte) => {
                    (Kind::Word, rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len()))
                }
                b'$' => {
                    self.heredoc_length().map_or((Kind::Symbol(b'$'), 1), |length| (Kind::Quoted, length))
                }
                byte => (Kind::Symbol(byte), 1),
            };
            let start = self.at;
            self.at += length;
            return Some(Token { kind, range: start..self.at });
        }
    }
}

/// Bytes outside of ASCII belong to words, so that a text is never cut inside a character.
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_format(sql: &str, format: Option<&str>) {
        assert_eq!(Shape::of(sql).format, format, "statement was:\n{sql}");
    }

    #[test]
    fn a_format_clause_is_found_at_the_end() {
        check_format("SELECT 1 FORMAT JSON", Some("JSON"));
        check_format("SELECT 1 format JSONEachRow ;\n", Some("JSONEachRow"));
        check_format("SELECT 1 FORMAT Native SETTINGS max_threads = 1 -- last", Some("Native"));
        check_format("SELECT 1 /* FORMAT A */ FORMAT B # FORMAT C", Some("B"));
    }

    #[test]
    fn a_column_named_format_is_no_clause() {
        check_format("SELECT format FROM logs", None);
        check_format("SELECT 1 AS format", None);
        check_format("SELECT format(x, y) FROM (SELECT 1 FORMAT JSON)", None);
        check_format("SELECT 'FORMAT JSON', `FORMAT JSON`, $$FORMAT JSON$$", None);
        check_format("SELECT 'it''s \\' FORMAT JSON'", None);
    }

    #[track_caller]
    fn check_insert(sql: &str, head: &str, format: &str, rows: &str) {
        let shape = Shape::of(sql);
        let insert = shape.insert.unwrap_or_else(|| panic!("no insert: {sql}"));
        assert_eq!(
            (&sql[..insert.head_end], shape.format, &sql[insert.rows_start..]),
            (head, Some(format), rows)
        );
    }

    #[test]
    fn an_insert_is_cut_into_head_format_and_rows() {
        check_insert("INSERT INTO t(a) FORMAT RowBinary", "INSERT INTO t(a) ", "RowBinary", "");
        check_insert("insert into t FORMAT TSV\n\n1\t2\n", "insert into t ", "TSV", "\n1\t2\n");
        check_insert(
            "INSERT INTO t FORMAT JSONEachRow {\"a\":1}",
            "INSERT INTO t ",
            "JSONEachRow",
            "{\"a\":1}",
        );
        check_insert(
            "-- note\nINSERT INTO `x FORMAT y` SETTINGS a='FORMAT' FORMAT CSV\r\n1,2",
            "-- note\nINSERT INTO `x FORMAT y` SETTINGS a='FORMAT' ",
            "CSV",
            "1,2",
        );
    }

    #[test]
    fn an_insert_with_its_own_source_has_no_rows_apart() {
        for sql in [
            "INSERT INTO t VALUES ('FORMAT TSV')",
            "INSERT INTO t (a) SELECT b FROM c FORMAT Null",
            "INSERT INTO t WITH 1 AS x SELECT x FORMAT Null",
        ] {
            assert_eq!(Shape::of(sql).insert, None, "{sql}");
        }
    }

    #[test]
    fn the_first_word_comes_after_comments() {
        for (sql, word) in [
            ("  SELECT 1", "SELECT"),
            ("/* a */ -- b\n kill query", "kill"),
            ("(SELECT 1)", ""),
            ("", ""),
            ("/* open", ""),
            ("'x", ""),
        ] {
            assert_eq!(Shape::of(sql).first_word, word, "{sql}");
        }
    }

    #[test]
    fn describing_a_function_is_told_from_describing_a_table() {
        for (sql, describes) in [
            ("DESCRIBE url('http://x.example/')", true),
            ("DESC TABLE /* */ `file`('/etc/hostname')", true),
            ("describe table file ('x')", true),
            ("DESCRIBE t", false),
            ("DESCRIBE TABLE a.t SETTINGS x = 1", false),
            ("DESCRIBE (SELECT f(1))", false),
            ("SELECT file('x')", false),
        ] {
            assert_eq!(Shape::of(sql).describes_function, describes, "{sql}");
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic() {
        let pieces = [
            "'", "\"", "`", "\\", "$", "$a$", "--", "/*", "*/", "#", "é", "(", ")", "FORMAT", " ", "\n",
            "INSERT", "DESC", "x",
        ];
        let mut state = 7_usize;
        for _ in 0..5000 {
            let text: String = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                pieces[(state >> 33) % pieces.len()]
            })
            .take(12)
            .collect();
            Shape::of(&text);
            Shape::of(&format!("INSERT {text}"));
        }
    }
}
