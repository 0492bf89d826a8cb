//! Network and country of an address, from databases that the user gives.
//!
//! Source: the `MaxMind` DB layout of `GeoLite2` ASN and Country, which DB-IP's lite databases have, too.

use crate::model::Text;
use anyhow::Context;
use maxminddb::Reader;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;

/// Longest name kept of a network, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// The fields that are read, of whichever database has them.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    autonomous_system_number: Option<u32>,
    #[serde(default)]
    autonomous_system_organization: Option<String>,
    #[serde(default)]
    country: Option<Country>,
}

#[derive(Deserialize)]
struct Country {
    #[serde(default)]
    iso_code: Option<String>,
}

/// What the databases know of an address; empty or 0 what they do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Network {
    pub(super) asn: u32,
    pub(super) asn_name: Text,
    pub(super) country: Text,
}

pub(super) struct Networks(Vec<Reader<Vec<u8>>>);

impl Networks {
    /// Reads the databases of `reports.mmdb` into memory.
    pub(super) fn open(files: &[PathBuf]) -> anyhow::Result<Self> {
        let open = |file: &PathBuf| {
            let about = || format!("`reports.mmdb`: {} cannot be read as a MaxMind database", file.display());
            Reader::open_readfile(file).with_context(about)
        };
        Ok(Self(files.iter().map(open).collect::<anyhow::Result<_>>()?))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A damaged entry counts as none.
    pub(super) fn of(&self, ip: IpAddr) -> Network {
        let mut network = Network::default();
        for reader in &self.0 {
            let Ok(Some(entry)) = reader.lookup(ip).and_then(|found| found.decode::<Entry>()) else {
                continue;
            };
            if let Some(asn) = entry.autonomous_system_number {
                network.asn = asn;
            }
            if let Some(name) = entry.autonomous_system_organization {
                network.asn_name = cut(&name).into();
            }
            if let Some(code) = entry.country.and_then(|country| country.iso_code) {
                network.country = cut(&code).into();
            }
        }
        network
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_databases_nothing_is_known() {
        let networks = Networks::open(&[]).unwrap();
        assert!(networks.is_empty());
        assert_eq!(networks.of(IpAddr::from([192, 0, 2, 7])), Network::default());
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error_that_names_the_setting() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("country.mmdb");
        std::fs::write(&file, "no database").unwrap();
        let error = Networks::open(std::slice::from_ref(&file)).err().unwrap();
        assert!(format!("{error:#}").contains("`reports.mmdb`"), "{error:#}");
    }
}
