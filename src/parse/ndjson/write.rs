//! The way back: an event as a line of relaylens' own form.
//!
//! Way: `relaylens import --dry-run` shows what it would store, `relaylens bench generate` makes lines to post.
//! What the reader would fill in anew (`received_time`, `source`, domains, `response_tmpl`) is not written.

use crate::model::{BounceOrigin, BounceType, Event, EventId, SmtpStage, Text};
use crate::parse::ndjson::fields::TEXT_FIELDS;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt::Display;

/// Appends the event as one line, with its line end. What is not said (empty, zero, none) is left out.
///
/// # Panics
///
/// Never: all names are text, and memory takes every byte.
pub fn to_ndjson(event: &Event, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, &Line(event)).expect("names are text, and memory takes every byte");
    out.push(b'\n');
}

struct Line<'a>(&'a Event);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("event_type", event.event_type.name())?;
        map.serialize_entry("event_time", &AsText(&event.event_time))?;
        some_text(&mut map, "injected_time", event.injected_time.as_ref())?;
        unless(&mut map, "event_id", &AsText(&event.event_id), event.event_id == EventId::default())?;
        let near_texts = [
            ("recipient", &event.recipient),
            ("message_id", &event.message_id),
            ("env_from", &event.env_from),
            ("header_from_domain", &event.header_from_domain),
            ("mx_host", &event.mx_host),
            ("response_text", &event.reply.text),
        ];
        let texts = TEXT_FIELDS.iter().map(|(name, field)| (*name, field(event)));
        for (name, text) in near_texts.into_iter().chain(texts) {
            unless(&mut map, name, text, text.is_empty())?;
        }
        some_text(&mut map, "sending_ip", event.sending_ip.as_ref())?;
        some_text(&mut map, "mx_ip", event.mx_ip.as_ref())?;
        some_text(&mut map, "client_ip", event.client_ip.as_ref())?;
        some_text(&mut map, "reported_ip", event.reported_ip.as_ref())?;
        unless(&mut map, "mx_port", &event.mx_port, event.mx_port == 0)?;
        reply(&mut map, event)?;
        unless(&mut map, "bounce_type", &event.bounce_type, event.bounce_type == BounceType::None)?;
        unless(&mut map, "bounce_origin", &event.bounce_origin, event.bounce_origin == BounceOrigin::None)?;
        some_text(&mut map, "bounce_reason", event.bounce_reason.as_ref())?;
        unless(&mut map, "attempt", &event.attempt, event.attempt == 0)?;
        unless(&mut map, "nrcpt", &event.nrcpt, event.nrcpt == 0)?;
        unless(&mut map, "latency_ms", &event.latency_ms, event.latency_ms.is_none())?;
        unless(&mut map, "conn_ms", &event.conn_ms, event.conn_ms.is_none())?;
        unless(&mut map, "xfer_ms", &event.xfer_ms, event.xfer_ms.is_none())?;
        unless(&mut map, "size", &event.size_bytes, event.size_bytes == 0)?;
        unless(&mut map, "is_notification", &true, !event.is_notification)?;
        unless(&mut map, "tags", &Object(&event.tags), event.tags.is_empty())?;
        unless(&mut map, "meta", &Object(&event.meta), event.meta.is_empty())?;
        map.end()
    }
}

fn reply<M: SerializeMap>(map: &mut M, event: &Event) -> Result<(), M::Error> {
    let reply = &event.reply;
    unless(map, "smtp_code", &reply.code, reply.code == 0)?;
    some_text(map, "enhanced_code", reply.enhanced.as_ref())?;
    some_text(map, "relay_dsn", event.relay_dsn.as_ref())?;
    unless(map, "smtp_stage", &reply.stage, reply.stage == SmtpStage::Unknown)
}

/// Writes a pair, unless there is nothing to say.
fn unless<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: &(impl Serialize + ?Sized),
    is_unsaid: bool,
) -> Result<(), M::Error> {
    if is_unsaid { Ok(()) } else { map.serialize_entry(name, value) }
}

/// Writes a pair whose value is a string, if there is one.
fn some_text<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<&impl Display>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &AsText(value)))
}

/// A JSON string of what `Display` says.
struct AsText<'a, T>(&'a T);

impl<T: Display> Serialize for AsText<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// A JSON object of the pairs, in their order.
struct Object<'a>(&'a [(Text, Text)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
