//! What the lists of single things take besides range and filters: events, one message, rejects.

use crate::model::{BounceGroup, BounceReason, EventType, RejectReason, SourceKind};
use crate::store::query::{EventRow, EventSearch, RejectRow};
use crate::web::params::{Extra, Params, ParamsError};

const BOUNCE_TYPES: [&str; 6] = ["none", "hard", "soft", "block", "undetermined", "admin"];

/// The search on `/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MessageSearch(EventSearch);

impl MessageSearch {
    pub(crate) const EXTRAS: &[Extra] = &[
        Extra::One("q"),
        Extra::Many("type"),
        Extra::Many("bounce_type"),
        Extra::Many("group"),
        Extra::Many("reason"),
        Extra::Many("code"),
        Extra::Many("enhanced"),
        Extra::One("tmpl"),
        Extra::One("before"),
    ];

    pub(crate) fn of(params: &Params) -> Result<Self, ParamsError> {
        let tmpl =
            params.extra("tmpl").map(|text| number("tmpl", text, "it is the number of a kind of reply"));
        Ok(Self(EventSearch {
            event_types: known(
                params,
                "type",
                |name| EventType::from_name(name).is_some(),
                EventType::ALL.iter().map(|t| t.name()),
            )?,
            bounce_types: known(
                params,
                "bounce_type",
                |name| BOUNCE_TYPES.contains(&name),
                BOUNCE_TYPES.into_iter(),
            )?,
            bounce_groups: known(
                params,
                "group",
                |name| BounceGroup::from_name(name).is_some(),
                BounceGroup::ALL.iter().map(|g| g.name()),
            )?,
            bounce_reasons: known(
                params,
                "reason",
                |name| BounceReason::from_name(name).is_some(),
                BounceReason::ALL.iter().map(|r| r.name()),
            )?,
            smtp_codes: params
                .extras("code")
                .map(|text| number("code", text, "write an SMTP code such as 421, or 0 for none"))
                .collect::<Result<_, _>>()?,
            enhanced_codes: params.extras("enhanced").map(str::to_owned).collect(),
            response_tmpl: tmpl.transpose()?,
            term: params.extra("q").unwrap_or_default().to_owned(),
            before: params.extra("before").map(cursor).transpose()?,
            limit: 0,
        }))
    }

    pub(crate) fn to_store(&self, limit: u32) -> EventSearch {
        EventSearch { limit, ..self.0.clone() }
    }

    pub(crate) const fn is_first_page(&self) -> bool {
        self.0.before.is_none()
    }

    pub(crate) fn term(&self) -> &str {
        &self.0.term
    }

    /// The `before` of the page after these rows, when there may be one.
    pub(crate) fn next(rows: &[EventRow], limit: u32) -> Option<String> {
        let last = rows.last().filter(|_| rows.len() >= limit as usize)?;
        Some(format!("{}.{}", last.event_time_us, last.event_id))
    }
}

fn known<'a>(
    params: &Params,
    name: &str,
    is_known: impl Fn(&str) -> bool,
    all: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, ParamsError> {
    match params.extras(name).find(|value| !is_known(value)) {
        Some(value) => {
            let all: Vec<_> = all.collect();
            Err(ParamsError::bad_value(name, value, format!("choose from {}", all.join(", "))))
        }
        None => Ok(params.extras(name).map(str::to_owned).collect()),
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str, change: &str) -> Result<T, ParamsError> {
    text.parse().map_err(|_| ParamsError::bad_value(name, text, change))
}

/// Reads `TIME.ID`, with the time in microseconds.
fn cursor(text: &str) -> Result<(i64, String), ParamsError> {
    let bad = || ParamsError::bad_value("before", text, "take it away to see the newest");
    let (time, id) = text.split_once('.').ok_or_else(bad)?;
    uuid::Uuid::parse_str(id).map_err(|_| bad())?;
    Ok((time.parse().map_err(|_| bad())?, id.to_owned()))
}

pub(crate) const TRACE_EXTRAS: &[Extra] =
    &[Extra::One("relay"), Extra::One("queue_id"), Extra::One("message_id")];

/// What names one message: its queue id at a relay, its message id, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceKey {
    pub(crate) relay: String,
    pub(crate) queue_id: String,
    pub(crate) message_id: String,
}

impl TraceKey {
    pub(crate) fn of(params: &Params) -> Result<Self, ParamsError> {
        let text = |name| params.extra(name).unwrap_or_default().to_owned();
        let key = Self { relay: text("relay"), queue_id: text("queue_id"), message_id: text("message_id") };
        if key.queue_id.is_empty() && key.message_id.is_empty() {
            return Err(ParamsError::bad_value(
                "queue_id",
                "",
                "give a `queue_id` with its `relay`, or a `message_id`",
            ));
        }
        Ok(key)
    }
}

/// The search on `/health/rejects`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RejectSearch {
    pub(crate) source_kind: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) before: Option<(i64, String)>,
}

const REJECT_REASONS: [RejectReason; 8] = [
    RejectReason::Syntax,
    RejectReason::Encoding,
    RejectReason::MissingField,
    RejectReason::BadValue,
    RejectReason::UnknownType,
    RejectReason::BadTime,
    RejectReason::TooLarge,
    RejectReason::Unfetched,
];

impl RejectSearch {
    pub(crate) const EXTRAS: &[Extra] =
        &[Extra::One("source_kind"), Extra::One("reason"), Extra::One("before")];

    pub(crate) fn of(params: &Params) -> Result<Self, ParamsError> {
        let kinds = SourceKind::ALL.map(SourceKind::name);
        let reasons = REJECT_REASONS.map(RejectReason::name);
        let one = |name: &str, all: &[&str]| -> Result<Option<String>, ParamsError> {
            Ok(known(params, name, |value| all.contains(&value), all.iter().copied())?.pop())
        };
        Ok(Self {
            source_kind: one("source_kind", &kinds)?,
            reason: one("reason", &reasons)?,
            before: params.extra("before").map(cursor).transpose()?,
        })
    }

    /// The `before` of the page after these rows, when there may be one.
    pub(crate) fn next(rows: &[RejectRow], limit: u32) -> Option<String> {
        let last = rows.last().filter(|_| rows.len() >= limit as usize)?;
        Some(format!("{}.{}", last.received_time_us, last.reject_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(query: &str) -> Result<EventSearch, ParamsError> {
        let params = Params::parse(query, 1_785_585_270, MessageSearch::EXTRAS)?;
        Ok(MessageSearch::of(&params)?.to_store(50))
    }

    #[test]
    fn a_search_is_read_whole() {
        let search =
            search("q=bob@example.net&type=bounced&type=expired&reason=userunknown&code=550&tmpl=17")
                .unwrap();
        assert_eq!(search.term, "bob@example.net");
        assert_eq!(search.event_types, ["bounced", "expired"]);
        assert_eq!((search.smtp_codes, search.response_tmpl, search.limit), (vec![550], Some(17), 50));
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_the_known_ones() {
        let error = search("type=lost").unwrap_err().to_string();
        assert!(error.contains("choose from accepted, rejected"), "{error}");
        assert!(search("code=many").is_err());
        assert!(search("before=1.2").is_err());
    }

    #[test]
    fn the_next_page_begins_after_the_last_row() {
        let id = "00000000-0000-0000-0000-000000000001";
        let row = EventRow { event_time_us: 5, event_id: id.to_owned(), ..EventRow::default() };
        let next = MessageSearch::next(std::slice::from_ref(&row), 1).unwrap();
        assert_eq!(search(&format!("before={next}")).unwrap().before, Some((5, id.to_owned())));
        assert_eq!(MessageSearch::next(&[row], 2), None);
    }

    #[test]
    fn a_trace_needs_a_name() {
        let key = |query: &str| TraceKey::of(&Params::parse(query, 0, TRACE_EXTRAS).unwrap());
        assert!(key("relay=mx1").is_err());
        assert_eq!(key("relay=mx1&queue_id=4Bx").unwrap().queue_id, "4Bx");
    }
}
