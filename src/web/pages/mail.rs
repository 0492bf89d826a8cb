//! `/mails/{id}`: a mail that brought feedback or a report, as it came.

use crate::store::query::{EventRow, MailRow};
use crate::web::SharedSite;
use crate::web::dictionary::reply_key;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::complaints::trust_tone;
use crate::web::params::Link;
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::Path;
use axum::response::Html;

/// Bytes of a mail that the page shows; the whole one is a download.
const SHOWN_BYTES_MAX: usize = 256 << 10;

#[derive(Template)]
#[template(path = "pages/mail.html")]
struct MailPage {
    layout: Layout,
    title: String,
    kind: String,
    facts: Vec<(&'static str, String)>,
    text: String,
    is_cut: bool,
    events: Table,
}

pub(crate) async fn show(site: SharedSite, Path(id): Path<String>) -> Result<Html<String>, PageError> {
    let mail = site.store().mail(&id).await?.ok_or(PageError::NotFound("such mail"))?;
    let layout = Layout::plain(&site, NavPage::Messages, "Mail");
    let events = site.store().mail_events(&mail.mail_id).await?;
    Ok(Html(page(layout, &mail, &events).render()?))
}

fn page(layout: Layout, mail: &MailRow, events: &[EventRow]) -> MailPage {
    let shown = &mail.bytes[..mail.bytes.len().min(SHOWN_BYTES_MAX)];
    let facts = [
        ("Came in", format!("{} UTC", format::instant_us(mail.received_time_us))),
        ("Source", format!("{}:{}", mail.source_kind, mail.source)),
        ("From", mail.from_domain.clone()),
        ("Message-ID", mail.message_id.clone()),
        ("Size", format::bytes(mail.size_bytes)),
    ];
    MailPage {
        layout,
        title: if mail.subject.is_empty() { "(no subject)".to_owned() } else { mail.subject.clone() },
        kind: mail.kind.replace('_', " "),
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        text: format::printable(shown),
        is_cut: shown.len() as u64 != mail.size_bytes,
        events: event_table(events),
    }
}

/// What was read for each recipient, and how far it is believed.
fn event_table(rows: &[EventRow]) -> Table {
    let row = |row: &EventRow| {
        let recipient = if row.recipient.is_empty() { "not named" } else { &row.recipient };
        let recipient = Cell::text(recipient).sub(row.orig_recipient.clone());
        let trace = Link::to("/messages/trace")
            .with("relay", row.relay.clone())
            .with("queue_id", row.queue_id.clone())
            .with("message_id", row.message_id.clone());
        let is_known = row.trust == "verified" || row.trust == "matched";
        let trust = if row.is_repeat { format!("{}, known before", row.trust) } else { row.trust.clone() };
        Row::new(vec![
            if is_known { recipient.link(&trace) } else { recipient },
            Cell::text(row.event_type.replace('_', " "))
                .key(reply_key(&row.event_type, &row.bounce_type))
                .sub(row.feedback_type.clone()),
            Cell::code(format::reply_code(row.smtp_code, &row.enhanced_code)).sub(row.relay_dsn.clone()),
            Cell::text(row.bounce_reason.clone()).sub(row.bounce_type.clone()),
            Cell::reply(row.response_text.clone()),
            Cell::text(trust).tone(trust_tone(&row.trust)).sub(row.evidence.clone()),
        ])
    };
    let columns = vec![
        Column::text("Recipient"),
        Column::text("Event"),
        Column::text("Code"),
        Column::text("Class"),
        Column::text("What the server said"),
        Column::text("Trust"),
    ];
    let empty = "No event was made of this mail.";
    Table::new("What was read from the mail", columns, rows.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_mail_is_shown_and_not_run() {
        let bytes = b"Subject: <script>alert(1)</script>\r\n\r\n<b>".to_vec();
        let mail = MailRow {
            subject: "<script>".to_owned(),
            size_bytes: bytes.len() as u64,
            bytes,
            ..MailRow::default()
        };
        let html = page(Layout::bare("Mail"), &mail, &[]).render().unwrap();
        assert!(!html.contains("<script>a") && html.contains("&#60;b&#62;"), "{html}");
    }
}
