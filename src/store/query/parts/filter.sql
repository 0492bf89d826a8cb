-- The filter bar: an empty list takes all values. The engine sees that `empty([])` is constant, so that a list which
-- is not given costs nothing. A text that is no address is in `ip` and not in `ip_parsed`: it takes no row.
    (empty({provider:Array(String)}) OR mailbox_provider IN {provider:Array(String)})
AND (empty({ip:Array(String)}) OR sending_ip IN {ip_parsed:Array(IPv6)})
AND (empty({pool:Array(String)}) OR pool IN {pool:Array(String)})
AND (empty({stream:Array(String)}) OR stream IN {stream:Array(String)})
AND (empty({tenant:Array(String)}) OR tenant IN {tenant:Array(String)})
AND (empty({domain:Array(String)}) OR env_from_domain IN {domain:Array(String)})
AND (empty({campaign:Array(String)}) OR campaign IN {campaign:Array(String)})
