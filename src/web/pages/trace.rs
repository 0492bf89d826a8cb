//! `/messages/trace`: what happened to this message, from the first event to the last?

use crate::store::query::EventRow;
use crate::web::SharedSite;
use crate::web::dictionary::reply_key;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::messages::reply_text;
use crate::web::params::{Link, Params, TRACE_EXTRAS, TraceKey};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;
use std::collections::BTreeMap;

#[derive(Template)]
#[template(path = "pages/trace.html")]
struct TracePage {
    layout: Layout,
    title: String,
    facts: Vec<Fact>,
    recipients: Table,
    steps: Vec<Step>,
}

/// A name and its value.
struct Fact {
    name: &'static str,
    value: String,
}

/// One event of the timeline.
struct Step {
    key: &'static str,
    time: String,
    since: String,
    headline: String,
    recipient: String,
    route: String,
    reply: String,
    class: String,
    facts: Vec<Fact>,
    /// The mail that brought the event.
    mail_href: Option<String>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), TRACE_EXTRAS)?;
    let key = TraceKey::of(&params)?;
    let rows = site.store().trace(&key.relay, &key.queue_id, &key.message_id).await?;
    if rows.is_empty() {
        return Err(PageError::NotFound("event of such a message"));
    }
    let layout = Layout::plain(&site, NavPage::Messages, "Message");
    Ok(Html(page(layout, &rows).render()?))
}

fn page(layout: Layout, rows: &[EventRow]) -> TracePage {
    let begin_us = rows
        .iter()
        .filter_map(|row| row.injected_time_us)
        .chain(rows.iter().map(|row| row.event_time_us))
        .min();
    let begin_us = begin_us.unwrap_or_default();
    let first = |field: fn(&EventRow) -> &String| {
        rows.iter().map(field).find(|value| !value.is_empty()).cloned().unwrap_or_default()
    };
    let title = [first(|row| &row.message_id), first(|row| &row.queue_id)];
    TracePage {
        layout,
        title: title.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        facts: message_facts(rows, begin_us, first),
        recipients: recipient_table(rows),
        steps: rows.iter().map(|row| step(row, begin_us)).collect(),
    }
}

fn message_facts(
    rows: &[EventRow],
    begin_us: i64,
    first: impl Fn(fn(&EventRow) -> &String) -> String,
) -> Vec<Fact> {
    let size = rows.iter().map(|row| row.size_bytes).max().filter(|size| *size > 0);
    let facts = [
        ("Taken in", format!("{} UTC", format::instant_us(begin_us))),
        ("Envelope sender", first(|row| &row.env_from)),
        ("Relay", first(|row| &row.relay)),
        ("Queue id", first(|row| &row.queue_id)),
        ("Message-ID", first(|row| &row.message_id)),
        ("Size", size.map_or_else(String::new, |size| format::bytes(u64::from(size)))),
        ("Stream", first(|row| &row.stream)),
        ("Tenant", first(|row| &row.tenant)),
        ("Campaign", first(|row| &row.campaign)),
        ("Pool", first(|row| &row.pool)),
    ];
    known(facts)
}

fn known(facts: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Fact> {
    let given = facts.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| Fact { name, value }).collect()
}

/// Where each recipient stands: by the last event that is his alone.
fn recipient_table(rows: &[EventRow]) -> Table {
    let mut last: BTreeMap<&str, (&EventRow, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.recipient.is_empty() && !row.is_notification) {
        let is_attempt = matches!(row.event_type.as_str(), "deferred" | "delivered" | "bounced");
        let entry = last.entry(&row.recipient).or_insert((row, 0));
        *entry = (row, entry.1 + u64::from(is_attempt));
    }
    let columns = vec![
        Column::text("Recipient"),
        Column::text("Stands at"),
        Column::text("Provider"),
        Column::number("Attempts"),
        Column::number("Latency"),
    ];
    let row = |(recipient, (row, attempts)): (&str, (&EventRow, u64))| {
        Row::new(vec![
            Cell::text(recipient).link(&Link::to("/messages").with("range", "30d").with("q", recipient)),
            Cell::text(headline(row)).key(reply_key(&row.event_type, &row.bounce_type)),
            Cell::text(row.provider.clone()),
            Cell::count(attempts),
            Cell::figure(format::duration_ms_or_none(row.latency_ms.map(f64::from))),
        ])
    };
    let empty = "No event of this message names a recipient.";
    Table::new("Recipients and where they stand", columns, last.into_iter().map(row).collect(), empty)
}

fn headline(row: &EventRow) -> String {
    let name = row.event_type.replace('_', " ");
    let name = if row.is_notification { format!("{name} (notice of the relay)") } else { name };
    match (row.event_type.as_str(), row.bounce_type.as_str()) {
        ("bounced", kind) if !kind.is_empty() => format!("{name}, {kind}"),
        _ => name,
    }
}

fn step(row: &EventRow, begin_us: i64) -> Step {
    let since_ms = format::float((row.event_time_us - begin_us).max(0).unsigned_abs()) / 1_000.0;
    let class = [row.bounce_group.as_str(), &row.bounce_reason];
    Step {
        key: reply_key(&row.event_type, &row.bounce_type),
        time: format::instant_us(row.event_time_us),
        since: format!("+{}", format::duration_ms(since_ms)),
        headline: headline(row),
        recipient: row.recipient.clone(),
        route: route(row),
        reply: reply_text(row),
        class: class.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" → "),
        facts: step_facts(row),
        mail_href: (!row.mail_id.is_empty()).then(|| format!("/mails/{}", row.mail_id)),
    }
}

/// `192.0.2.1 → mx.example.net [198.51.100.7]`, as far as it is known.
fn route(row: &EventRow) -> String {
    let mx_ip = if row.mx_ip.is_empty() { String::new() } else { format!("[{}]", row.mx_ip) };
    let to = [row.mx_host.as_str(), &mx_ip]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match (row.sending_ip.as_str(), to.as_str()) {
        (from, "") => from.to_owned(),
        ("", to) => format!("→ {to}"),
        (from, to) => format!("{from} → {to}"),
    }
}

/// Every field that the event has, under the names of the dictionary of columns.
fn step_facts(row: &EventRow) -> Vec<Fact> {
    let number = |number: u64| if number == 0 { String::new() } else { format::count(number) };
    let millis = |value: Option<u32>| value.map_or_else(String::new, |ms| format::duration_ms(f64::from(ms)));
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
    };
    let some = |text: &String| if text == "none" || text == "unknown" { String::new() } else { text.clone() };
    known([
        ("event_id", row.event_id.clone()),
        ("received_time", format::instant_us(row.received_time_us)),
        ("injected_time", row.injected_time_us.map_or_else(String::new, format::instant_us)),
        ("source", format!("{}:{}", row.source_kind, row.source)),
        ("relay", row.relay.clone()),
        ("queue_id", row.queue_id.clone()),
        ("ref_queue_id", row.ref_queue_id.clone()),
        ("orig_recipient", row.orig_recipient.clone()),
        ("env_from", row.env_from.clone()),
        ("mailbox_provider", row.provider.clone()),
        ("pool", row.pool.clone()),
        ("egress_source", row.egress_source.clone()),
        ("delivery_agent", row.delivery_agent.clone()),
        ("attempt", number(u64::from(row.attempt))),
        ("latency", millis(row.latency_ms)),
        ("connection", millis(row.conn_ms)),
        ("transfer", millis(row.xfer_ms)),
        ("smtp_stage", some(&row.smtp_stage)),
        ("relay_dsn", row.relay_dsn.clone()),
        ("relay_class", row.relay_class.clone()),
        ("bounce_type", some(&row.bounce_type)),
        ("response_tmpl", if row.response_tmpl == 0 { String::new() } else { row.response_tmpl.to_string() }),
        ("tls", [row.tls_version.as_str(), &row.tls_cipher].join(" ").trim().to_owned()),
        ("size", if row.size_bytes == 0 { String::new() } else { format::bytes(u64::from(row.size_bytes)) }),
        ("trust", some(&row.trust)),
        ("evidence", row.evidence.clone()),
        ("known_before", if row.is_repeat { "yes".to_owned() } else { String::new() }),
        ("feedback_type", row.feedback_type.clone()),
        ("reporting_mta", row.reporting_mta.clone()),
        ("tags", pairs(&row.tags)),
        ("meta", pairs(&row.meta)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_type: &str, event_time_us: i64) -> EventRow {
        EventRow {
            event_type: event_type.to_owned(),
            event_time_us,
            recipient: "bob@example.net".to_owned(),
            message_id: "a@example.com".to_owned(),
            sending_ip: "192.0.2.1".to_owned(),
            mx_host: "mx.example.net".to_owned(),
            ..EventRow::default()
        }
    }

    #[test]
    fn a_timeline_counts_from_the_first_event() {
        let rows =
            [event("accepted", 1_000_000), event("deferred", 3_500_000), event("delivered", 61_000_000)];
        let page = page(Layout::bare("Message"), &rows);
        let since: Vec<_> = page.steps.iter().map(|step| step.since.replace('\u{202f}', " ")).collect();
        assert_eq!(since, ["+0 ms", "+2.5 s", "+1.0 min"]);
        assert_eq!(page.steps[1].route, "192.0.2.1 → mx.example.net");
        assert!(page.render().unwrap().contains("a@example.com"));
    }

    #[test]
    fn a_recipient_stands_at_his_last_event() {
        let rows = [event("deferred", 1), event("delivered", 2)];
        let html = recipient_table(&rows).to_string();
        assert!(html.contains("delivered") && !html.contains("deferred"), "{html}");
    }

    #[test]
    fn fields_that_the_source_does_not_give_are_left_out() {
        assert!(
            step_facts(&event("delivered", 1))
                .iter()
                .all(|fact| fact.name != "tls" && fact.name != "latency")
        );
    }
}
