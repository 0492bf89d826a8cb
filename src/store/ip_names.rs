//! The `ip_names` table: what is known of source addresses beside the reports.

use crate::model::{Text, Timestamp};
use crate::store::native::ColumnSpec;
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use std::net::{IpAddr, Ipv6Addr};

/// How far back addresses are looked for that nothing is known of, in days: older reports come by an import, and their
/// senders may be gone.
const SEEN_DAYS: i64 = 35;

/// After how many days a host name is asked for again: addresses change hands in months.
const NAMED_DAYS: i64 = 30;

/// After how many days an address without a host name is asked for again: the name server may just have been down.
const NAMELESS_DAYS: i64 = 3;

const DAY_S: i64 = 86_400;

/// A row of `ip_names`. An empty text is what is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpName {
    pub ip: IpAddr,
    /// The host name that the reverse DNS gives.
    pub host: Text,
    /// The registered domain of the host.
    pub base_domain: Text,
    /// Whose service it is, and of what kind, by the rules.
    pub name: Text,
    pub class: Text,
    /// 0 when not known.
    pub asn: u32,
    pub asn_name: Text,
    /// ISO 3166-1, two letters.
    pub country: Text,
    pub looked_up: Timestamp,
}

const COLUMNS: &[ColumnSpec<IpName>] = &[
    ("ip", "IPv6", |c, r| c.ip(Some(r.ip))),
    ("host", "String", |c, r| c.text(&r.host)),
    ("base_domain", "String", |c, r| c.text(&r.base_domain)),
    ("name", "String", |c, r| c.text(&r.name)),
    ("class", "String", |c, r| c.text(&r.class)),
    ("asn", "UInt32", |c, r| c.u32(r.asn)),
    ("asn_name", "String", |c, r| c.text(&r.asn_name)),
    ("country", "String", |c, r| c.text(&r.country)),
    ("looked_up", "DateTime('UTC')", |c, r| c.u32(u32::try_from(r.looked_up.seconds()).unwrap_or(0))),
];

#[derive(Row, Deserialize)]
struct Unnamed {
    ip: String,
}

impl Store {
    /// The source addresses of newer reports that were not looked up yet, or long ago, at most `limit`: those of the
    /// newest reports first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Query`].
    pub async fn unnamed_ips(&self, now: Timestamp, limit: u32) -> Result<Vec<IpAddr>, StoreError> {
        let before = |days: i64| (now.seconds() - days * DAY_S).max(0);
        let rows: Vec<Unnamed> = self
            .client
            .query_raw(include_str!("unnamed_ips.sql"))
            .param("since_unix", before(SEEN_DAYS))
            .param("named_unix", before(NAMED_DAYS))
            .param("nameless_unix", before(NAMELESS_DAYS))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(|source| StoreError::Query { query: "unnamed_ips", source })?;
        let address = |row: Unnamed| Some(row.ip.parse::<Ipv6Addr>().ok()?.to_canonical());
        Ok(rows.into_iter().filter_map(address).collect())
    }

    /// Writes what was found. An address that was looked up again has its newest row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Insert`].
    pub async fn insert_ip_names(&self, names: &[IpName]) -> Result<(), StoreError> {
        self.insert_rows("ip_names", COLUMNS, names).await
    }
}
