values_latency_hour AS one
WHERE one.dimension = {dimension:String}
  AND hour >= toDateTime({from_unix:Int64}) AND hour < toDateTime({to_unix:Int64})
