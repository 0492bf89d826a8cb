//! Settings for mail that comes back: by what it is known as genuine, and what reports may cost.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Signed return paths and references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReturnPath {
    /// Domain of the return paths, such as `bounce.example.com`. Its MX must lead to a door of relaylens or to a mailbox
    /// that it reads. Default none.
    pub domain: Option<String>,
    /// File with the keys, the signing one first: a line `NAME SECRET` each. Default none: nothing is signed or checked.
    pub keys_file: Option<PathBuf>,
    /// Days for which a return path counts. Default 30: a relay retries for 5 days, a complaint may take weeks.
    pub days: u16,
}

impl Default for ReturnPath {
    fn default() -> Self {
        Self { domain: None, keys_file: None, days: crate::model::MARK_DAYS_DEFAULT }
    }
}

/// DMARC and TLS reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reports {
    /// Your domains; their subdomains are meant too. Reports about others are kept apart. Default none: all count.
    pub domains: Vec<String>,
    /// Bytes that one mail or file may unpack to. Default 256 MiB: the largest honest reports have 40 MB.
    pub unpacked_bytes_max: u64,
    /// How many times its packed size a report may unpack to. Default 200: honest ones reach 32.
    pub ratio_max: u32,
    /// Files in one archive. Default 16384: honest ones have one, and each costs a start of the decompressor.
    pub members_max: u32,
    /// Archives within archives. Default 2: a zip of gzip files is seen.
    pub depth_max: u8,
    /// Whether source addresses get their host names from the DNS, beside the reading of reports. Default true.
    pub enrich: bool,
    /// `MaxMind` databases with network (ASN) or country of addresses, such as `GeoLite2-ASN.mmdb`. They are read into
    /// memory. Default none.
    pub mmdb: Vec<PathBuf>,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            unpacked_bytes_max: 256 << 20,
            ratio_max: 200,
            members_max: 16 * 1024,
            depth_max: 2,
            enrich: true,
            mmdb: Vec::new(),
        }
    }
}

/// Whether mail that comes back is from whom it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authentication {
    /// The names under which your own mail servers write `Authentication-Results` (RFC 8601 section 2.5); the topmost
    /// such field is believed. Default none.
    pub authserv_ids: Vec<String>,
    /// Whether DKIM signatures are checked on arrival, which asks the DNS for keys. Default true.
    pub verify_dkim: bool,
    /// Who runs further feedback loops that you take part in, by the address or domain that their reports are from; only
    /// genuine mail counts as theirs. Default none: those of Yahoo, Microsoft and Validity are known.
    pub feedback_loops: Vec<String>,
    /// DNS server to ask, such as `127.0.0.1:53`. Default those of the system.
    pub resolver: Option<SocketAddr>,
}

impl Default for Authentication {
    fn default() -> Self {
        Self { authserv_ids: Vec::new(), verify_dkim: true, feedback_loops: Vec::new(), resolver: None }
    }
}
