//! Records and entries as JSON, the same in the change feed, in webhooks and in answers. Times are RFC 3339; a place in
//! the log is text, because it has more digits than numbers of JavaScript keep.

use crate::model::suppression::{Entry, Key, LogRecord, Origin, RunId};
use crate::model::{EventId, Timestamp};
use serde::Serialize;
use uuid::Uuid;

/// What a key says.
#[derive(Debug, Serialize)]
struct KeyFields<'a> {
    address: &'a str,
    scope: &'static str,
    tenant: &'a str,
    /// Of the stream or list.
    name: &'a str,
    r#type: &'static str,
    reason: &'static str,
}

/// Who wrote it: one of the two.
#[derive(Debug, Serialize)]
struct OriginFields<'a> {
    rule: Option<&'a str>,
    actor: Option<&'a str>,
}

/// A record of the log.
#[derive(Debug, Serialize)]
pub struct RecordLine<'a> {
    /// Place in the log.
    seq: String,
    at: String,
    action: &'static str,
    #[serde(flatten)]
    key: KeyFields<'a>,
    observed: Option<String>,
    expires: Option<String>,
    #[serde(flatten)]
    origin: OriginFields<'a>,
    run: Option<Uuid>,
    evidence: Vec<Uuid>,
    note: &'a str,
}

/// A living entry of the list.
#[derive(Debug, Serialize)]
pub struct EntryLine<'a> {
    #[serde(flatten)]
    key: KeyFields<'a>,
    since: String,
    observed: Option<String>,
    expires: Option<String>,
    seq: String,
    #[serde(flatten)]
    origin: OriginFields<'a>,
    run: Option<Uuid>,
    evidence: Vec<Uuid>,
    note: &'a str,
}

impl<'a> From<&'a LogRecord> for RecordLine<'a> {
    fn from(record: &'a LogRecord) -> Self {
        let LogRecord { seq, change } = record;
        Self {
            seq: seq.to_string(),
            at: seq.time().to_string(),
            action: change.action.name(),
            key: key_fields(&change.key),
            observed: known(change.observed),
            expires: change.expires.map(|end| end.to_string()),
            origin: origin_fields(&change.origin),
            run: change.run.map(|RunId(run)| run),
            evidence: ids(&change.evidence),
            note: &change.note,
        }
    }
}

impl<'a> From<&'a Entry> for EntryLine<'a> {
    fn from(entry: &'a Entry) -> Self {
        Self {
            key: key_fields(&entry.key),
            since: entry.since.to_string(),
            observed: known(entry.observed),
            expires: entry.expires.map(|end| end.to_string()),
            seq: entry.seq.to_string(),
            origin: origin_fields(&entry.origin),
            run: entry.run.map(|RunId(run)| run),
            evidence: ids(&entry.evidence),
            note: &entry.note,
        }
    }
}

fn key_fields(key: &Key) -> KeyFields<'_> {
    let (tenant, name) = key.scope.parts();
    KeyFields {
        address: &key.address,
        scope: key.scope.name(),
        tenant,
        name,
        r#type: key.mail_type.name(),
        reason: key.reason.name(),
    }
}

fn origin_fields(origin: &Origin) -> OriginFields<'_> {
    match origin {
        Origin::Rule(name) => OriginFields { rule: Some(name), actor: None },
        Origin::Actor(name) => OriginFields { rule: None, actor: Some(name) },
    }
}

/// 1970 stands for "nobody knows".
fn known(at: Timestamp) -> Option<String> {
    (at.0 > 0).then(|| at.to_string())
}

fn ids(ids: &[EventId]) -> Vec<Uuid> {
    ids.iter().map(|id| Uuid::from_u128(id.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::suppression::{Action, Change, MailType, Reason, Scope, Seq};

    #[test]
    fn a_record_tells_times_as_text_and_who_wrote_it_by_kind() {
        let key = Key {
            address: "ann@b.example".into(),
            scope: Scope::List { tenant: "acme".into(), list: "offers".into() },
            mail_type: MailType::Marketing,
            reason: Reason::Unsubscribe,
        };
        let change = Change {
            action: Action::Add,
            key,
            observed: Timestamp::from_seconds(10),
            expires: None,
            origin: Origin::Rule("unsubscribe".into()),
            run: None,
            evidence: vec![EventId(7)],
            note: "".into(),
        };
        let record = LogRecord { seq: Seq::new(Timestamp::from_seconds(12), 3), change };
        let line = serde_json::to_string(&RecordLine::from(&record)).unwrap();
        assert_eq!(
            line,
            r#"{"seq":"00000002dc6c0003","at":"1970-01-01T00:00:12Z","action":"add","address":"ann@b.example","scope":"list","tenant":"acme","name":"offers","type":"marketing","reason":"unsubscribe","observed":"1970-01-01T00:00:10Z","expires":null,"rule":"unsubscribe","actor":null,"run":null,"evidence":["00000000-0000-0000-0000-000000000007"],"note":""}"#
        );
    }
}
