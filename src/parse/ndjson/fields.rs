//! The fields of an event line: what each is called, and what may stand in it.
//!
//! Way: `object` walks the line and hands each name and value to [`Draft::take`], which puts it where it belongs.
//! Not here: which fields must be there (`ndjson`).

use crate::model::{BounceReason, EnhancedCode, Event, EventType, RejectReason, Text, Timestamp, domain_of};
use crate::parse::Reject;
use crate::parse::ndjson::object::for_each_pair;
use crate::parse::ndjson::value::{
    FIELD_BYTES_MAX, PAIR_NAME_BYTES_MAX, PAIRS_MAX, Value, bare_message_id, host, one_line,
};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

macro_rules! text_fields {
    ($($name:literal => $field:ident),+ $(,)?) => {
        /// The field of that name, if it is one of those that hold any text.
        fn text_slot<'e>(event: &'e mut Event, name: &str) -> Option<&'e mut Text> {
            match name {
                $($name => Some(&mut event.$field),)+
                _ => None,
            }
        }

        /// The fields that hold any text, for the writer.
        pub(super) const TEXT_FIELDS: &[(&str, fn(&Event) -> &Text)] = &[$(($name, |event| &event.$field)),+];
    };
}

text_fields! {
    "relay" => relay, "node_id" => node_id,
    "tenant" => tenant, "stream" => stream, "campaign" => campaign,
    "provider_message_id" => provider_message_id, "queue_id" => queue_id, "session_id" => session_id,
    "envid" => envid,
    "orig_recipient" => orig_recipient, "mailbox_provider" => mailbox_provider,
    "pool" => pool, "egress_source" => egress_source,
    "bounce_class" => relay_class,
    "tls_version" => tls_version, "tls_cipher" => tls_cipher, "tls_policy" => tls_policy,
    "delivery_agent" => delivery_agent,
    "user_agent" => user_agent, "click_url" => click_url,
    "feedback_type" => feedback_type, "reporting_mta" => reporting_mta,
    "ref_queue_id" => ref_queue_id, "raw" => raw,
}

/// An event under construction, and what must be known of it beside its fields.
#[derive(Debug)]
pub(super) struct Draft<'e> {
    event: &'e mut Event,
    pub(super) event_type: Option<EventType>,
    pub(super) event_time: Option<Timestamp>,
    /// `event_id`, as the sender gave it.
    pub(super) given_id: Text,
}

/// Reads the fields of a line into an empty event.
pub(super) fn read<'e>(line: &str, received: Timestamp, event: &'e mut Event) -> Result<Draft<'e>, Reject> {
    let mut draft = Draft { event, event_type: None, event_time: None, given_id: Text::default() };
    for_each_pair(line, |name, value| draft.take(name, value, received))?;
    Ok(draft)
}

impl Draft<'_> {
    /// Puts a value where it belongs. When a name stands twice, the later one counts.
    fn take(&mut self, name: &str, value: &Value<'_>, received: Timestamp) -> Result<(), Reject> {
        let event = &mut *self.event;
        match name {
            "event_type" => self.event_type = event_type(value)?,
            "event_time" => self.event_time = value.time(name, received)?,
            "event_id" => self.given_id = value.text(name)?.into(),
            "injected_time" => event.injected_time = value.time(name, received)?,
            "recipient" => {
                event.recipient = recipient(value)?;
                event.recipient_domain = domain_of(&event.recipient).into();
            }
            "env_from" => {
                event.env_from = value.address(name)?;
                event.env_from_domain = domain_of(&event.env_from).into();
            }
            "message_id" => event.message_id = bare_message_id(value.text(name)?),
            "header_from_domain" => event.header_from_domain = host(value.text(name)?),
            "mx_host" => event.mx_host = host(value.text(name)?),
            "sending_ip" => event.sending_ip = value.ip(name)?,
            "mx_ip" => event.mx_ip = value.ip(name)?,
            "client_ip" => event.client_ip = value.ip(name)?,
            "reported_ip" => event.reported_ip = value.ip(name)?,
            "mx_port" => event.mx_port = value.parse(name, "0 to 65535")?.unwrap_or(0),
            "smtp_code" => event.reply.code = smtp_code(value)?,
            "enhanced_code" => event.reply.enhanced = enhanced_code(name, value)?,
            "relay_dsn" => event.relay_dsn = enhanced_code(name, value)?,
            "response_text" => event.reply.text = one_line(value.as_json_or_text()),
            "smtp_stage" => event.reply.stage = named(name, value, STAGES)?,
            "bounce_type" => event.bounce_type = named(name, value, TYPES)?,
            "bounce_origin" => event.bounce_origin = named(name, value, ORIGINS)?,
            "bounce_reason" => event.bounce_reason = bounce_reason(value)?,
            "attempt" => event.attempt = value.parse(name, "0 to 65535")?.unwrap_or(0),
            "nrcpt" => event.nrcpt = value.parse(name, "0 to 65535")?.unwrap_or(0),
            "latency_ms" => event.latency_ms = value.parse(name, MILLIS)?,
            "conn_ms" => event.conn_ms = value.parse(name, MILLIS)?,
            "xfer_ms" => event.xfer_ms = value.parse(name, MILLIS)?,
            "size" => event.size_bytes = value.parse(name, "0 to 4294967295, in bytes")?.unwrap_or(0),
            "is_notification" => {
                event.is_notification = value.parse(name, "true or false")?.unwrap_or(false);
            }
            "tags" => pairs(name, value, &mut event.tags)?,
            "meta" => pairs(name, value, &mut event.meta)?,
            // what relaylens makes itself: read back from its own lines, it says nothing new
            "received_time" | "source" | "source_kind" | "recipient_domain" | "env_from_domain"
            | "response_tmpl" => {}
            _ => match text_slot(event, name) {
                Some(slot) => *slot = value.text(name)?.into(),
                None => push_pair("meta", &mut event.meta, name, value)?,
            },
        }
        Ok(())
    }
}

const MILLIS: &str = "0 to 4294967295, in whole milliseconds";
const STAGES: &str = "unknown, connect, banner, ehlo, tls, auth, mail, rcpt, data, dot";
const TYPES: &str = "none, hard, soft, block, undetermined, admin";
const ORIGINS: &str = "none, sync, async, local";

fn event_type(value: &Value<'_>) -> Result<Option<EventType>, Reject> {
    value.parse_with("event_type", "", EventType::from_name).map_err(|_| {
        let names: Vec<_> = EventType::ALL.iter().map(|kind| kind.name()).collect();
        let reject = value.bad("event_type", &names.join(", "));
        Reject { reason: RejectReason::UnknownType, ..reject }
    })
}

fn recipient(value: &Value<'_>) -> Result<Text, Reject> {
    let address = value.address("recipient")?;
    let is_address =
        address.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty());
    if is_address || address.is_empty() {
        Ok(address)
    } else {
        // never shown, even where it has no at sign: it is somebody's name
        Err(Reject::new(RejectReason::BadValue, "`recipient` is no mail address; allowed: local@domain"))
    }
}

fn smtp_code(value: &Value<'_>) -> Result<u16, Reject> {
    let code = value.parse_with("smtp_code", "200 to 599, or 0 for none", |text| {
        text.parse::<u16>().ok().filter(|code| matches!(code, 0 | 200..=599))
    })?;
    Ok(code.unwrap_or(0))
}

fn enhanced_code(field: &str, value: &Value<'_>) -> Result<Option<EnhancedCode>, Reject> {
    value.parse_with(field, "a code of RFC 3463 such as 5.1.1, class 2, 4 or 5", |text| {
        let (code, end) = EnhancedCode::parse_prefix(text)?;
        (end == text.len()).then_some(code)
    })
}

/// The variant that serde knows by that name.
fn named<T: DeserializeOwned + Default>(field: &str, value: &Value<'_>, allowed: &str) -> Result<T, Reject> {
    let read = |name: &str| T::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok();
    Ok(value.parse_with(field, allowed, read)?.unwrap_or_default())
}

fn bounce_reason(value: &Value<'_>) -> Result<Option<BounceReason>, Reject> {
    value.parse_with("bounce_reason", "a reason such as userunknown or mailboxfull", BounceReason::from_name)
}

/// Reads an object of names and values into `slot`.
fn pairs(field: &str, value: &Value<'_>, slot: &mut Vec<(Text, Text)>) -> Result<(), Reject> {
    let json = match value {
        Value::Null => return Ok(()),
        Value::Nested(json) if json.starts_with('{') => json,
        _ => return Err(value.bad(field, "an object of names and values")),
    };
    for_each_pair(json, |name, value| push_pair(field, slot, name, value))
}

/// Keeps a pair, or says which limit it breaks; a pair without a value is none.
fn push_pair(field: &str, slot: &mut Vec<(Text, Text)>, name: &str, value: &Value<'_>) -> Result<(), Reject> {
    if *value == Value::Null {
        return Ok(());
    }
    let text = value.as_json_or_text();
    let fault = if name.len() > PAIR_NAME_BYTES_MAX {
        format!("a name in `{field}` is {} bytes, the limit is {PAIR_NAME_BYTES_MAX}", name.len())
    } else if text.len() > FIELD_BYTES_MAX {
        format!("a value in `{field}` is {} bytes, the limit is {FIELD_BYTES_MAX}", text.len())
    } else if slot.len() >= PAIRS_MAX {
        format!("`{field}` and fields of unknown names come to more than {PAIRS_MAX}")
    } else {
        slot.push((name.into(), text.into()));
        return Ok(());
    };
    Err(Reject::new(RejectReason::TooLarge, fault))
}
