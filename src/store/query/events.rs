//! A page of events, and what a search looks for.

use crate::model::normalize_address;
use crate::store::query::filter::address_text;
use crate::store::query::question::Question;
use crate::store::query::{EVENTS_PAGE_ROWS_MAX, EventRow, EventSearch, Filter};
use crate::store::{Store, StoreError};

/// What the text in the search field may be; each column has an index that finds it without a scan.
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

    const fn sql(self) -> &'static str {
        match self {
            Self::Any => "1",
            Self::Address => "(recipient = {address:String} OR message_id = {term:String})",
            Self::Domain => "recipient_domain = {address:String}",
            Self::Id => {
                "(queue_id = {term:String} OR message_id = {term:String} OR provider_message_id = {term:String})"
            }
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
}

impl Store {
    /// A page of events, newest first.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn events(&self, filter: &Filter, search: &EventSearch) -> Result<Vec<EventRow>, StoreError> {
        let newest_us = filter.range.in_calendar().to_unix * 1_000_000;
        let (before_us, before_id) = search.before.clone().unwrap_or((newest_us, String::new()));
        let rows = self
            .ask_search("events", include_str!("events.sql"), filter, search)
            .param("before_us", before_us.clamp(0, newest_us))
            .param("before_id", before_id)
            .param("limit", search.limit.min(EVENTS_PAGE_ROWS_MAX))
            .rows()
            .await?;
        Ok(as_shown(rows))
    }

    /// Begins a question about `@search`.
    pub(super) fn ask_search(
        &self,
        name: &'static str,
        sql: &str,
        filter: &Filter,
        search: &EventSearch,
    ) -> Question {
        let term = search.bare_term();
        let sql =
            sql.replace("@search", include_str!("parts/search.sql")).replace("@term", Term::of(term).sql());
        self.ask(name, &sql)
            .filter(filter)
            .range(filter.range)
            .param("event_types", &search.event_types)
            .param("bounce_types", &search.bounce_types)
            .param("bounce_groups", &search.bounce_groups)
            .param("bounce_reasons", &search.bounce_reasons)
            .param("smtp_codes", &search.smtp_codes)
            .param("enhanced_codes", &search.enhanced_codes)
            .param("response_tmpls", search.response_tmpl.as_slice())
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
