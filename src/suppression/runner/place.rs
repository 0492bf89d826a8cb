//! How far the rules have come, on disk.

use crate::model::{Text, Timestamp};
use crate::suppression::imports::write_whole;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "suppression.json";

/// Where the rules are in the events of a spool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) node: Text,
    /// All spool records up to this one were looked at.
    pub(super) seq: u64,
    /// Time of the last event.
    pub(super) time: Timestamp,
}

#[derive(Debug)]
pub(super) struct PlaceFile(PathBuf);

impl PlaceFile {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.join(FILE))
    }

    /// The place in the events of a spool: the beginning when there is none, or that of another spool.
    pub(super) fn read(&self, node: &Text) -> io::Result<Place> {
        let beginning = Place { node: node.clone(), ..Place::default() };
        let bytes = match fs::read(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(beginning),
            read => read?,
        };
        let place: Place = serde_json::from_slice(&bytes).map_err(|error| {
            let advice = "delete it: then all stored events are looked at again, which changes nothing";
            io::Error::other(format!("{} is damaged ({error}); {advice}", self.0.display()))
        })?;
        Ok(if place.node == *node { place } else { beginning })
    }

    /// Replaces the file as a whole.
    pub(super) fn write(&self, place: &Place) -> io::Result<()> {
        write_whole(&self.0, &serde_json::to_vec(place)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_that_of_its_spool() {
        let dir = tempfile::tempdir().unwrap();
        let file = PlaceFile::new(dir.path());
        let place = Place { node: "a".into(), seq: 7, time: Timestamp(8) };
        file.write(&place).unwrap();
        assert_eq!(file.read(&"a".into()).unwrap(), place);
        assert_eq!(file.read(&"b".into()).unwrap(), Place { node: "b".into(), ..Place::default() });
    }

    #[test]
    fn a_damaged_place_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        let error = PlaceFile::new(dir.path()).read(&"a".into()).unwrap_err().to_string();
        assert!(error.contains("delete it"), "{error}");
    }
}
