//! Where an item came from.

use crate::model::Text;
use serde::{Deserialize, Serialize};

/// The format in which a source speaks, which picks the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// relaylens' own event form, one JSON object a line.
    #[default]
    Ndjson,
    /// KumoMTA log records, one JSON object a line.
    Kumomta,
    /// Lines of a Postfix mail log.
    Postfix,
    /// Mail that came back or was reported: RFC 5322, one message an entry.
    Mail,
    /// DMARC aggregate and TLS reports without a mail around them, packed or not, one file an entry.
    Report,
}

/// What an item of a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each line that is not empty.
    Lines,
    /// The payload as a whole.
    Whole,
}

impl SourceKind {
    pub const ALL: [Self; 5] = [Self::Ndjson, Self::Kumomta, Self::Postfix, Self::Mail, Self::Report];

    pub const fn framing(self) -> Framing {
        match self {
            Self::Ndjson | Self::Kumomta | Self::Postfix => Framing::Lines,
            Self::Mail | Self::Report => Framing::Whole,
        }
    }

    /// The name in settings, URLs and the `source_kind` column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Kumomta => "kumomta",
            Self::Postfix => "postfix",
            Self::Mail => "mail",
            Self::Report => "report",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for SourceKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// One configured source: the ledger, the readers' state and the health page are kept for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceRef {
    pub kind: SourceKind,
    /// The user's name for it, such as `mx1` or `http`; unique within a kind.
    pub name: Text,
}

impl std::fmt::Display for SourceRef {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.kind, self.name)
    }
}

/// How far into a file a source has been read. A file is known by its content (see `ingest::files`), because log
/// rotation renames it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    pub file: Text,
    /// Bytes read, before any compression: the next item begins here.
    pub offset: u64,
}
