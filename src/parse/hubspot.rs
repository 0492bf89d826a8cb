//! `HubSpot`'s e-mail events, for `relaylens import --format hubspot`: pages of its API, their events a line each, or an
//! export as CSV.
//!
//! Way: `import` brings the file, `webhook::batch` finds the events in it, this module reads each.
//! Source: developers.hubspot.com/docs, "Email Events API" (types, drop reasons, bounce categories). Exports have the
//! same fields under names in words; a column is found by its name without blanks and case, see `COLUMNS`.
//! Not here: asking the API.
//!
//! | type | ours |
//! | --- | --- |
//! | `SENT`, `PROCESSED` | `queued`; `PROCESSED` none: `SENT` of the same message says it |
//! | `DELIVERED`, `DEFERRED`, `BOUNCE` | `delivered`, `deferred`, `bounced` |
//! | `DROPPED`, `SUPPRESSED` | `suppressed` when the reason is an earlier bounce, complaint or wish, else `dropped` |
//! | `OPEN`, `CLICK`, `SPAMREPORT` | `opened`, `clicked`, `complained` |
//! | `STATUSCHANGE` | `unsubscribed`, `resubscribed` |
//! | `PRINT`, `FORWARD`, `UNBOUNCE` | none |
//!
//! An open or click that `HubSpot` itself calls a machine's (`filteredEvent`) is kept with that in `meta`.

use crate::model::{Event, EventType, RejectReason, SmtpReply, Text};
use crate::parse::json::Pairs;
use crate::parse::ndjson::value::{Value, bare_message_id, record_text};
use crate::parse::webhook::draft;
use crate::parse::{EventReader, Item, Reject, csv, labels};
use std::borrow::Cow;

/// Longest item, in bytes: an event has some two kilobytes.
pub const ITEM_BYTES_MAX: usize = 256 * 1024;

const TYPES: &str = "SENT, PROCESSED, DELIVERED, DEFERRED, BOUNCE, DROPPED, SUPPRESSED, OPEN, CLICK, SPAMREPORT, STATUSCHANGE, PRINT, FORWARD, UNBOUNCE";

/// Words in the drop reasons that name a list: `PREVIOUSLY_BOUNCED`, `PREVIOUS_SPAM`, `UNSUBSCRIBED_ADDRESS`,
/// `BLOCKED_ADDRESS`, `GRAYMAIL_SUPPRESSED`.
const LIST_WORDS: [&str; 5] = ["PREVIOUS", "UNSUBSCRIBED", "BLOCKED", "SUPPRESS", "QUARANTINED"];

/// Names of an export's columns, without blanks and case, and the field of the API that they hold.
const COLUMNS: [(&str, &str); 16] = [
    ("eventid", "id"),
    ("eventtype", "type"),
    ("event", "type"),
    ("timestamp", "created"),
    ("eventtimestamp", "created"),
    ("date", "created"),
    ("email", "recipient"),
    ("emailaddress", "recipient"),
    ("recipientemail", "recipient"),
    ("campaignid", "emailCampaignId"),
    ("emailname", "appName"),
    ("bouncecategory", "category"),
    ("bouncereason", "response"),
    ("link", "url"),
    ("clickedurl", "url"),
    ("portalstatus", "portalSubscriptionStatus"),
];

/// Fields of the API, which an export may have as they are.
const FIELDS: [&str; 25] = [
    "id",
    "type",
    "created",
    "recipient",
    "emailCampaignId",
    "emailCampaignGroupId",
    "appId",
    "appName",
    "portalId",
    "from",
    "smtpId",
    "sentBy",
    "hmid",
    "category",
    "response",
    "status",
    "attempt",
    "dropReason",
    "dropMessage",
    "userAgent",
    "url",
    "filteredEvent",
    "ipAddress",
    "portalSubscriptionStatus",
    "bounced",
];

/// The reader. Of a CSV file it keeps what the header says.
#[derive(Debug, Clone, Default)]
pub struct HubspotReader {
    header: Option<Header>,
}

#[derive(Debug, Clone)]
struct Header {
    /// As it stands in the file: what a restarted reader reads again.
    line: String,
    separator: u8,
    /// The field of the API in each column; none for a column that has another name.
    fields: Vec<Option<&'static str>>,
}

impl EventReader for HubspotReader {
    fn read(&mut self, item: &Item<'_>, events: &mut Vec<Event>) -> Result<(), Reject> {
        let text = record_text(item.bytes, ITEM_BYTES_MAX)?;
        if text.starts_with('{') {
            let Pairs(pairs) = draft::wire(text)?;
            return read_event(&pairs, item, events);
        }
        if let Some(header) = Header::of(text) {
            self.header = Some(header);
            return Ok(());
        }
        let header = self.header.as_ref().ok_or_else(|| {
            let message = "the file begins with no header that has columns for type, time and recipient: export with it";
            Reject::new(RejectReason::MissingField, message)
        })?;
        read_event(&header.pairs(text)?, item, events)
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.header.as_ref().map(|header| header.line.clone().into_bytes())
    }
}

impl HubspotReader {
    /// A reader that goes on where another one ended, from its `snapshot`.
    pub fn restore(snapshot: &[u8]) -> Self {
        Self { header: std::str::from_utf8(snapshot).ok().and_then(Header::of) }
    }
}

impl Header {
    /// Reads a header; `None` when the line is none, which its values tell: they name no fields.
    fn of(line: &str) -> Option<Self> {
        let separator = csv::separator_of(line);
        let fields: Vec<_> = csv::fields(line, separator)?.iter().map(|name| field_of(name)).collect();
        let has = |wanted: &str| fields.contains(&Some(wanted));
        (has("type") && has("created") && has("recipient")).then(|| Self {
            line: line.to_owned(),
            separator,
            fields,
        })
    }

    fn pairs<'a>(&self, line: &'a str) -> Result<Vec<(Cow<'a, str>, Value<'a>)>, Reject> {
        let values = csv::fields(line, self.separator).ok_or_else(|| {
            let message = "a quote is not closed on this line: export without line ends in the values";
            Reject::new(RejectReason::Syntax, message)
        })?;
        let named = self.fields.iter().zip(values);
        let known = named.filter_map(|(field, value)| Some(((*field)?, value)));
        Ok(known.map(|(field, value)| (Cow::Borrowed(field), Value::Text(value))).collect())
    }
}

/// The field of the API in a column of that name.
fn field_of(column: &str) -> Option<&'static str> {
    let plain: String =
        column.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let renamed = COLUMNS.iter().find(|(name, _)| *name == plain).map(|(_, field)| *field);
    renamed.or_else(|| FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(&plain)))
}

fn read_event(
    pairs: &[(Cow<'_, str>, Value<'_>)],
    item: &Item<'_>,
    events: &mut Vec<Event>,
) -> Result<(), Reject> {
    let get =
        |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map_or(&Value::Null, |(_, value)| value);
    let Some(event_type) = event_type(get("type"), get("dropReason"), get("portalSubscriptionStatus"))?
    else {
        return Ok(());
    };
    let mut event = draft::begin(item, event_type, draft::time(get("created"), "created", item)?);
    event.campaign = draft::text(get("emailCampaignId"));
    event.tenant = draft::text(get("portalId"));
    event.message_id = bare_message_id(get("smtpId").as_json_or_text());
    event.provider_message_id = sent_by(get("sentBy"), get("id"), event_type);
    event.header_from_domain = labels::from_domain(get("from").as_json_or_text());
    event.user_agent = draft::text(get("userAgent"));
    event.client_ip = draft::ip(get("ipAddress"));
    event.click_url = draft::text(get("url"));
    event.attempt = draft::number(get("attempt")).unwrap_or(0);
    event.relay_dsn = draft::dsn(get("status"));
    event.reply = reply([get("response"), get("dropMessage")]);
    let class = [get("category"), get("dropReason")].into_iter().find(|value| value.is_said());
    event.relay_class = class.map(draft::text).unwrap_or_default();
    if event_type.has_bounce_class() {
        event.bounce_origin = draft::origin(&event.reply);
    }
    for name in ["appName", "emailCampaignGroupId", "hmid", "filteredEvent"] {
        labels::push(&mut event, name, get(name).as_json_or_text());
    }
    let recipient = draft::recipient(get("recipient"), "recipient")?;
    // the two together are what HubSpot calls an event by
    let parts = [get("id"), get("created"), get("type")].map(Value::as_json_or_text);
    let event_id = draft::id(&event, parts.into_iter().chain([recipient.as_str()]));
    draft::append(events, event, recipient, event_id);
    Ok(())
}

fn event_type(kind: &Value<'_>, drop: &Value<'_>, status: &Value<'_>) -> Result<Option<EventType>, Reject> {
    let on_list = || LIST_WORDS.iter().any(|word| drop.as_json_or_text().contains(word));
    let upper = kind.as_text().unwrap_or_default().to_ascii_uppercase();
    Ok(Some(match upper.as_str() {
        "SENT" => EventType::Queued,
        "DELIVERED" => EventType::Delivered,
        "DEFERRED" => EventType::Deferred,
        "BOUNCE" | "BOUNCED" => EventType::Bounced,
        "SUPPRESSED" => EventType::Suppressed,
        "DROPPED" if on_list() => EventType::Suppressed,
        "DROPPED" => EventType::Dropped,
        "OPEN" | "OPENED" => EventType::Opened,
        "CLICK" | "CLICKED" => EventType::Clicked,
        "SPAMREPORT" => EventType::Complained,
        "STATUSCHANGE" => match status.as_text() {
            Some("SUBSCRIBED") => EventType::Resubscribed,
            Some("UNSUBSCRIBED") => EventType::Unsubscribed,
            // of single subscriptions, or of a bounce that has its own event
            _ => return Ok(None),
        },
        "PROCESSED" | "PRINT" | "FORWARD" | "UNBOUNCE" => return Ok(None),
        _ => return Err(draft::unknown(kind, "type", TYPES)),
    }))
}

/// The id of the message's `SENT` event, which all its later events name.
fn sent_by(sent_by: &Value<'_>, own: &Value<'_>, event_type: EventType) -> Text {
    if event_type == EventType::Queued {
        return draft::text(own);
    }
    let Pairs(pairs) = draft::wire(sent_by.as_json_or_text()).unwrap_or_default();
    pairs.iter().find(|(name, _)| name == "id").map(|(_, id)| draft::text(id)).unwrap_or_default()
}

fn reply(words: [&Value<'_>; 2]) -> SmtpReply {
    let said = words.into_iter().find(|words| words.is_said());
    said.map(|words| draft::reply(words.as_json_or_text())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SourceKind, SourceRef, Timestamp};
    use crate::parse::ndjson::to_ndjson;
    use crate::parse::webhook::batch;
    use proptest::prelude::*;

    /// 2025-01-02T00:00:00Z.
    const NOW: Timestamp = Timestamp::from_seconds(1_735_776_000);

    /// Reads a file as `import` does; rejects come as text between the events.
    fn read(reader: &mut HubspotReader, file: &str) -> String {
        let source = SourceRef { kind: SourceKind::Hubspot, name: "crm".into() };
        let mut lines = Vec::new();
        for (offset, bytes) in batch::items(file.as_bytes()) {
            let mut events = Vec::new();
            let item = Item { source: &source, bytes, offset: offset as u64, received: NOW };
            if let Err(reject) = reader.read(&item, &mut events) {
                assert!(events.is_empty(), "a reject appends nothing");
                lines.extend_from_slice(format!("{reject}\n").as_bytes());
            }
            for event in &events {
                to_ndjson(event, &mut lines);
            }
        }
        String::from_utf8(lines).unwrap()
    }

    #[track_caller]
    fn check(file: &str, expect: &str) {
        let got = read(&mut HubspotReader::default(), file);
        assert_eq!(got, expect, "got:\n{got}");
    }

    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hubspot/", $name))
        };
    }

    #[test]
    fn a_page_of_the_api_is_read_event_by_event() {
        check(fixture!("page.json"), fixture!("page.events.jsonl"));
    }

    #[test]
    fn an_export_is_read_by_its_header() {
        check(fixture!("export.csv"), fixture!("export.events.jsonl"));
    }

    #[test]
    fn a_restarted_reader_knows_the_header() {
        let (header, rest) = fixture!("export.csv").split_once('\n').unwrap();
        let mut first = HubspotReader::default();
        assert_eq!(read(&mut first, header), "");
        let mut second = HubspotReader::restore(&first.snapshot().unwrap());
        assert_eq!(read(&mut second, rest), fixture!("export.events.jsonl"));
    }

    #[test]
    fn a_line_without_a_header_before_it_is_rejected() {
        let got = read(&mut HubspotReader::default(), "x,OPEN,1735689600000,a@example.com\n");
        assert!(got.starts_with("missing_field: the file begins with no header"), "{got}");
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(head in prop::bool::ANY, file in ".{0,300}") {
            let head = if head { "id,type,created,recipient\n" } else { "" };
            read(&mut HubspotReader::default(), &format!("{head}{file}"));
        }
    }
}
