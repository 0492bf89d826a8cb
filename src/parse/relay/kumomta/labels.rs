//! Whose message a record is about: tenant, campaign, stream and message id, from wherever a policy script puts them.
//!
//! Way: `meta` is what the policy itself says and counts first, then the message's headers, then the name of the queue
//! (`campaign:tenant@domain`), which KumoMTA makes of the two. Names of `meta` and headers are those that the logger is
//! configured to log. All others are kept in the event's `meta`, headers under their name in lower case.

use crate::model::Event;
use crate::parse::Reject;
use crate::parse::json::Pairs;
use crate::parse::labels::{fill, from_domain, push};
use crate::parse::ndjson::value::{Value, bare_message_id};
use crate::parse::relay::kumomta::record::Record;

/// Takes what the policy script noted.
pub(super) fn take_meta(meta: &Pairs<'_>, event: &mut Event) {
    for (name, value) in &meta.0 {
        let text = value.as_json_or_text();
        match &**name {
            "tenant" => fill(&mut event.tenant, text),
            "campaign" => fill(&mut event.campaign, text),
            "stream" => fill(&mut event.stream, text),
            "message_id" => fill(&mut event.message_id, &bare_message_id(text)),
            // a field of the record too
            "reception_protocol" => {}
            _ => push(event, name, text),
        }
    }
}

/// Takes `meta` of a record that is about another message: what the policy calls the message id is the report's own.
pub(super) fn take_report_meta(record: &Record<'_>, event: &mut Event) {
    let message_id = event.message_id.clone();
    take_meta(&record.meta, event);
    event.message_id = message_id;
}

/// Takes what a record says of its own message.
pub(super) fn take_own(record: &Record<'_>, event: &mut Event) -> Result<(), Reject> {
    take_meta(&record.meta, event);
    for (name, value) in &record.headers.0 {
        take_header(name, value, event);
    }
    let (campaign, tenant) = queue_labels(record.queue.text("queue")?);
    fill(&mut event.tenant, tenant);
    fill(&mut event.campaign, campaign);
    push(event, "site", record.site.as_json_or_text());
    push(event, "provider_name", record.provider_name.as_json_or_text());
    push(event, "reception_protocol", record.reception_protocol.as_json_or_text());
    Ok(())
}

fn take_header(name: &str, value: &Value<'_>, event: &mut Event) {
    let text = value.as_json_or_text();
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "message-id" => fill(&mut event.message_id, &bare_message_id(text)),
        "from" => event.header_from_domain = from_domain(text),
        "x-tenant" | "x-tenant-id" => fill(&mut event.tenant, text),
        "x-campaign" | "x-campaign-id" => fill(&mut event.campaign, text),
        "x-stream" | "x-message-stream" => fill(&mut event.stream, text),
        _ => push(event, &lower, text),
    }
}

/// Campaign and tenant in the name of a queue: `campaign:tenant@domain!routing_domain`, where all but the domain may
/// be missing.
fn queue_labels(queue: &str) -> (&str, &str) {
    let owner = queue.split_once('@').map_or("", |(owner, _)| owner);
    owner.split_once(':').unwrap_or(("", owner))
}
