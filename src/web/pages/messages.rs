//! `/messages`: which messages are behind the figures?

use crate::model::{BounceReason, EventType};
use crate::store::query::EventRow;
use crate::web::SharedSite;
use crate::web::dictionary::reply_key;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Link, MessageSearch, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Events on one page.
const PAGE_ROWS: u32 = 100;

/// What the form offers for `type`: the events that people look for. The others work by URL.
const TYPES: [EventType; 9] = [
    EventType::Delivered,
    EventType::Deferred,
    EventType::Bounced,
    EventType::Expired,
    EventType::Complained,
    EventType::Suppressed,
    EventType::Rejected,
    EventType::Accepted,
    EventType::Unsubscribed,
];

const BOUNCE_TYPES: [&str; 5] = ["hard", "soft", "block", "undetermined", "admin"];

#[derive(Template)]
#[template(path = "pages/messages.html")]
struct MessagesPage {
    layout: Layout,
    term: String,
    kept: Vec<(String, String)>,
    selects: Vec<Select>,
    chips: Vec<Chip>,
    count: String,
    rows: Table,
    first_href: Option<String>,
    next_href: Option<String>,
}

struct Select {
    key: &'static str,
    label: &'static str,
    options: Vec<&'static str>,
}

/// One part of the search in force, and the address without it.
struct Chip {
    text: String,
    without: String,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), MessageSearch::EXTRAS)?;
    let search = MessageSearch::of(&params)?;
    let asked = search.to_store(PAGE_ROWS);
    let count = async {
        // counting reads far more than one page does; later pages go without
        if search.is_first_page() {
            site.store().event_count(params.filter(), &asked).await.map(Some)
        } else {
            Ok(None)
        }
    };
    let (layout, rows, count) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Messages, "/messages", "Messages"),
        site.store().events(params.filter(), &asked),
        count
    )?;
    Ok(Html(page(layout, &params, &search, &rows, count).render()?))
}

fn page(
    layout: Layout,
    params: &Params,
    search: &MessageSearch,
    rows: &[EventRow],
    count: Option<u64>,
) -> MessagesPage {
    let here = params.here("/messages").without("before");
    let next = MessageSearch::next(rows, PAGE_ROWS);
    MessagesPage {
        layout,
        term: search.term().to_owned(),
        kept: here.clone().without("q").pairs().to_vec(),
        selects: selects(params),
        chips: chips(params, &here),
        count: match count {
            Some(1) => "1 event".to_owned(),
            Some(count) => format!("{} events, newest first", format::count(count)),
            None => "Older events".to_owned(),
        },
        rows: event_table(rows),
        first_href: (!search.is_first_page()).then(|| here.to_string()),
        next_href: next.map(|before| here.with("before", before).to_string()),
    }
}

fn selects(params: &Params) -> Vec<Select> {
    let reasons = BounceReason::ALL.iter().map(|reason| reason.name()).collect();
    let all = [
        ("type", "Event", TYPES.iter().map(|kind| kind.name()).collect()),
        ("bounce_type", "Bounce type", BOUNCE_TYPES.to_vec()),
        ("reason", "Reason", reasons),
    ];
    let left = |key: &str, options: Vec<&'static str>| -> Vec<_> {
        options.into_iter().filter(|option| params.extras(key).all(|chosen| chosen != *option)).collect()
    };
    all.into_iter().map(|(key, label, options)| Select { key, label, options: left(key, options) }).collect()
}

fn chips(params: &Params, here: &Link) -> Vec<Chip> {
    let names = [
        ("type", "Event"),
        ("bounce_type", "Bounce type"),
        ("group", "Group"),
        ("reason", "Reason"),
        ("code", "SMTP code"),
        ("enhanced", "Enhanced code"),
        ("tmpl", "Kind of reply"),
    ];
    let chip = |(key, label): (&'static str, &str)| -> Vec<Chip> {
        let without = |value: &str| {
            let kept = params.extras(key).filter(|other| *other != value);
            kept.fold(here.clone().without(key), |link, other| link.with(key, other)).to_string()
        };
        params
            .extras(key)
            .map(|value| Chip { text: format!("{label}: {value}"), without: without(value) })
            .collect()
    };
    names.into_iter().flat_map(chip).collect()
}

/// The address of the message that an event belongs to.
pub(super) fn trace_link(row: &EventRow) -> Link {
    Link::to("/messages/trace")
        .with("relay", row.relay.clone())
        .with("queue_id", row.queue_id.clone())
        .with("message_id", row.message_id.clone())
}

/// Codes and text of a reply, as one would read them out.
pub(super) fn reply_text(row: &EventRow) -> String {
    let code = if row.smtp_code == 0 { String::new() } else { row.smtp_code.to_string() };
    let parts = [code.as_str(), &row.enhanced_code, &row.response_text];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn event_table(rows: &[EventRow]) -> Table {
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Event"),
        Column::text("Recipient"),
        Column::text("Provider"),
        Column::text("From IP"),
        Column::text("Reply"),
        Column::number("Latency"),
    ];
    let row = |row: &EventRow| {
        let class = [row.bounce_type.as_str(), &row.bounce_reason];
        let class = class
            .into_iter()
            .filter(|word| !word.is_empty() && *word != "none")
            .collect::<Vec<_>>()
            .join(", ");
        let name = if row.recipient.is_empty() { "(all recipients)" } else { &row.recipient };
        let is_traceable = !(row.queue_id.is_empty() && row.message_id.is_empty());
        let time = Cell::word(format::instant_us(row.event_time_us));
        Row::new(vec![
            if is_traceable { time.link(&trace_link(row)) } else { time },
            Cell::word(row.event_type.clone()).key(reply_key(&row.event_type, &row.bounce_type)).sub(class),
            Cell::text(name).sub(row.env_from.clone()),
            Cell::text(row.provider.clone()).sub(row.mx_host.clone()),
            Cell::code(row.sending_ip.clone()),
            Cell::reply(reply_text(row)),
            Cell::figure(format::duration_ms_or_none(row.latency_ms.map(f64::from))),
        ])
    };
    let empty = "No event matches. Take a filter away, choose a longer range, or check the spelling: addresses and \
                 ids are matched whole.";
    Table::new("Events, newest first", columns, rows.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(query: &str, rows: &[EventRow]) -> String {
        let params = Params::parse(query, 1_785_585_270, MessageSearch::EXTRAS).unwrap();
        let search = MessageSearch::of(&params).unwrap();
        page(Layout::bare("Messages"), &params, &search, rows, Some(rows.len() as u64)).render().unwrap()
    }

    #[test]
    fn a_search_without_a_match_says_what_to_change() {
        let html = html("q=bob@example.net&type=bounced", &[]);
        assert!(html.contains("No event matches.") && html.contains("value=\"bob@example.net\""), "{html}");
    }

    #[test]
    fn each_part_of_the_search_can_be_taken_away() {
        let html = html("range=1h&type=bounced&type=expired", &[]);
        assert!(html.contains("href=\"/messages?range=1h&#38;type=expired\""), "{html}");
    }

    #[test]
    fn an_event_leads_to_its_message() {
        let row = EventRow {
            relay: "mx1.example.com".to_owned(),
            queue_id: "4BxY".to_owned(),
            message_id: "a@example.com".to_owned(),
            event_type: "bounced".to_owned(),
            smtp_code: 550,
            response_text: "no such user".to_owned(),
            ..EventRow::default()
        };
        let html = html("", &[row]);
        assert!(html.contains("/messages/trace?relay=mx1.example.com&#38;queue_id=4BxY"), "{html}");
        assert!(html.contains("550 no such user"));
    }
}
