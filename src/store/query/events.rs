//! A page of events, and what a search looks for.

use crate::model::normalize_address;
use crate::store::query::filter::address_text;
use crate::store::query::question::{Question, Sql};
use crate::store::query::{EVENTS_PAGE_ROWS_MAX, EventRow, EventSearch, Filter};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;

/// What the text in the search field may be. Addresses and ids are found by skip indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    Any,
    Address,
    Domain,
    Id,
}

impl Term {
    fn of(text: &str) -> Self {
        match text {
            "" => Self::Any,
            _ if text.contains('@') => Self::Address,
            _ if is_domain(text) => Self::Domain,
            _ => Self::Id,
        }
    }

    const fn condition(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::Address => Some("(recipient = {address:String} OR message_id = {term:String})"),
            Self::Domain => Some("recipient_domain = {address:String}"),
            Self::Id => Some(
                "(queue_id = {term:String} OR message_id = {term:String} OR provider_message_id = {term:String})",
            ),
        }
    }
}

/// Whether a text has the form of a domain name with a letter-only last label, as all have on the public Internet
/// (RFC 3696 section 2). A queue id or message id without `@` ends in digits far more often than in letters.
fn is_domain(text: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    text.rsplit_once('.').is_some_and(|(rest, last)| {
        rest.split('.').all(is_label)
            && (last.starts_with("xn--") && is_label(last)
                || last.chars().count() > 1 && last.chars().all(char::is_alphabetic))
    })
}

impl EventSearch {
    /// What was typed, without blanks, and without the angle brackets in which message ids and addresses often come.
    fn bare_term(&self) -> &str {
        self.term.trim().trim_start_matches('<').trim_end_matches('>')
    }

    fn conditions(&self) -> Vec<&'static str> {
        let given = |is_given: bool, condition| is_given.then_some(condition);
        [
            given(!self.event_types.is_empty(), "event_type IN {event_types:Array(String)}"),
            given(!self.bounce_types.is_empty(), "bounce_type IN {bounce_types:Array(String)}"),
            given(!self.bounce_groups.is_empty(), "bounce_group IN {bounce_groups:Array(String)}"),
            given(!self.bounce_reasons.is_empty(), "bounce_reason IN {bounce_reasons:Array(String)}"),
            given(!self.smtp_codes.is_empty(), "smtp_code IN {smtp_codes:Array(UInt16)}"),
            given(!self.enhanced_codes.is_empty(), "enhanced_code IN {enhanced_codes:Array(String)}"),
            given(self.response_tmpl.is_some(), "response_tmpl = {response_tmpl:UInt64}"),
            Term::of(self.bare_term()).condition(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[derive(Row, Deserialize)]
struct Found {
    id: String,
    hour_unix: i64,
}

/// The columns of an [`EventRow`].
pub(super) const EVENT_COLUMNS: &str = include_str!("parts/event_columns.sql");

impl Store {
    /// A page of events, newest first.
    ///
    /// It is found in two steps, ids first: the newest events of an hour lie scattered among its rows, and to read all
    /// columns of the hour in order to sort it takes twice as long.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn events(&self, filter: &Filter, search: &EventSearch) -> Result<Vec<EventRow>, StoreError> {
        let found = self.event_ids(filter, search).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let mut hours: Vec<i64> = found.iter().map(|event| event.hour_unix).collect();
        hours.dedup();
        let ids: Vec<&str> = found.iter().map(|event| event.id.as_str()).collect();
        let sql = Sql::of(include_str!("events.sql")).with("@event_columns", EVENT_COLUMNS);
        let rows = self
            .ask("events", &sql)
            .param("hours", hours)
            .param("ids", ids)
            .param("limit", EVENTS_PAGE_ROWS_MAX)
            .rows()
            .await?;
        Ok(as_shown(rows))
    }

    async fn event_ids(&self, filter: &Filter, search: &EventSearch) -> Result<Vec<Found>, StoreError> {
        let newest_us = filter.range.in_calendar().to_unix * 1_000_000;
        let (before_us, before_id) = search.before.clone().unwrap_or((newest_us, String::new()));
        self.ask_search("event_ids", include_str!("event_ids.sql"), filter, search)
            .param("before_us", before_us.clamp(0, newest_us))
            .param("before_id", before_id)
            .param("limit", search.limit.min(EVENTS_PAGE_ROWS_MAX))
            .rows()
            .await
    }

    /// Begins a question about the events that a search finds (`@rows`).
    pub(super) fn ask_search(
        &self,
        name: &'static str,
        sql: &'static str,
        filter: &Filter,
        search: &EventSearch,
    ) -> Question {
        let term = search.bare_term();
        let mut conditions = search.conditions();
        conditions.extend(filter.conditions());
        self.ask(name, &Sql::of(sql).with_rows(include_str!("parts/events.sql"), &conditions))
            .filter(filter)
            .range(filter.range)
            .param("event_types", &search.event_types)
            .param("bounce_types", &search.bounce_types)
            .param("bounce_groups", &search.bounce_groups)
            .param("bounce_reasons", &search.bounce_reasons)
            .param("smtp_codes", &search.smtp_codes)
            .param("enhanced_codes", &search.enhanced_codes)
            .param("response_tmpl", search.response_tmpl.unwrap_or_default())
            .param("term", term)
            .param("address", normalize_address(term).as_str())
    }
}

/// Writes the addresses of the rows as people do.
pub(super) fn as_shown(mut rows: Vec<EventRow>) -> Vec<EventRow> {
    for row in &mut rows {
        row.sending_ip = address_text(&row.sending_ip);
        row.mx_ip = address_text(&row.mx_ip);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_known_by_its_form() {
        for (text, term) in [
            ("", Term::Any),
            ("bob@example.com", Term::Address),
            ("17F9A.c0ffee@mail.example.com", Term::Address),
            ("example.com", Term::Domain),
            ("mx-1.Example.ORG", Term::Domain),
            ("bücher.example", Term::Domain),
            ("bücher.xn--vermgensberatung-pwb", Term::Domain),
            ("4XyZ1c0q2Tz9k", Term::Id),
            ("1tQn5e-00000001abc-0XyZ", Term::Id),
            ("0100018f.2", Term::Id),
            ("192.0.2.1", Term::Id),
            ("two words.example", Term::Id),
            (".example", Term::Id),
            ("a..example", Term::Id),
        ] {
            assert_eq!(Term::of(text), term, "{text}");
        }
    }

    #[test]
    fn brackets_and_blanks_around_a_term_do_not_count() {
        let search = EventSearch { term: " <a@b.example>\n".to_owned(), ..EventSearch::default() };
        assert_eq!(search.bare_term(), "a@b.example");
    }
}
