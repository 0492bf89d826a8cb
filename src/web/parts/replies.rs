//! Replies of receivers, one row a kind: on the overview and on the bounce page.

use crate::store::query::{Dimension, ResponseRow};
use crate::web::dictionary::reply_key;
use crate::web::format;
use crate::web::params::{Link, Params};
use crate::web::parts::{Cell, Column, Row, Table};

/// The address of the messages that got such a reply.
fn drill(params: &Params, row: &ResponseRow) -> Link {
    params
        .link("/messages")
        .only(Dimension::Provider, &row.provider)
        .with("type", row.event_type.clone())
        .with("tmpl", row.response_tmpl.to_string())
}

fn code(row: &ResponseRow) -> String {
    format::reply_code(row.smtp_code, &row.enhanced_code)
}

fn sample(row: &ResponseRow) -> String {
    if row.sample.is_empty() { "(no text)".to_owned() } else { row.sample.clone() }
}

/// A word for what the reply led to.
fn kind(row: &ResponseRow) -> String {
    match row.event_type.as_str() {
        "bounced" => format!("{} bounce", row.bounce_type),
        other => other.to_owned(),
    }
}

/// Reply, provider and count: for a narrow panel.
pub(crate) fn short_reply_table(rows: &[ResponseRow], params: &Params, caption: &str, empty: &str) -> Table {
    let columns = vec![Column::text("Reply"), Column::text("Provider"), Column::number("Times")];
    let largest = rows.iter().map(|row| row.events).max().unwrap_or(0);
    let row = |row: &ResponseRow| {
        let key = reply_key(&row.event_type, &row.bounce_type);
        Row::new(vec![
            Cell::reply(sample(row)).key(key).link(&drill(params, row)).sub(format!(
                "{} · {}",
                code(row),
                kind(row)
            )),
            Cell::text(row.provider.clone()),
            Cell::count(row.events).bar(row.events, largest, key),
        ])
    };
    Table::new(caption, columns, rows.iter().map(row).collect(), empty)
}

/// With class, share and when it was seen. `total` is what the share is of.
pub(crate) fn reply_table(
    rows: &[ResponseRow],
    params: &Params,
    total: u64,
    caption: &str,
    empty: &str,
) -> Table {
    let columns = vec![
        Column::text("Reply, one sample of its kind"),
        Column::text("Code"),
        Column::text("Provider"),
        Column::text("Class"),
        Column::number("Times"),
        Column::number("Share"),
        Column::text("First seen"),
        Column::text("Last seen"),
    ];
    let largest = rows.iter().map(|row| row.events).max().unwrap_or(0);
    let row = |row: &ResponseRow| {
        let key = reply_key(&row.event_type, &row.bounce_type);
        let share = (total > 0).then(|| format::float(row.events) / format::float(total));
        Row::new(vec![
            Cell::reply(sample(row)).key(key).link(&drill(params, row)),
            Cell::code(code(row)),
            Cell::text(row.provider.clone()),
            class_cell(row),
            Cell::count(row.events).bar(row.events, largest, key),
            Cell::figure(format::percent(share, 1)),
            Cell::word(format::short_minute(row.first_hour_unix)),
            Cell::word(format::short_minute(row.last_hour_unix)),
        ])
    };
    Table::new(caption, columns, rows.iter().map(row).collect(), empty)
}

/// The reason, and under it the group and what the reply led to.
fn class_cell(row: &ResponseRow) -> Cell {
    let reason = if row.bounce_reason.is_empty() { "unclassified" } else { &row.bounce_reason };
    let group = if row.bounce_group.is_empty() { "unknown" } else { &row.bounce_group };
    Cell::word(reason).sub(format!("{group} · {}", kind(row)))
}
