//! The `events` table, column by column.

use crate::model::{EnhancedCode, Event, Text};
use crate::store::native::{Block, Column, ColumnSpec, Encoded};
use std::fmt::Write;

/// Events of one batch, encoded as they come.
#[derive(Default)]
pub struct EventBlock(Block<Event>);

impl EventBlock {
    pub fn push(&mut self, event: &Event) {
        self.0.push(event);
    }

    pub const fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Bytes held, for the batch limit.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }

    pub(super) const fn block(&self) -> &Block<Event> {
        &self.0
    }

    pub(super) fn finish(self) -> Encoded {
        self.0.finish()
    }
}

impl Default for Block<Event> {
    fn default() -> Self {
        Self::new(COLUMNS)
    }
}

/// Name, type as sent, value. Enums go as their numbers, which are the columns'.
const COLUMNS: &[ColumnSpec<Event>] = &[
    ("event_id", "UUID", |c, e| c.uuid(e.event_id.0)),
    ("event_type", "Int8", |c, e| c.i8(e.event_type as i8)),
    ("event_time", "DateTime64(6, 'UTC')", |c, e| c.i64(e.event_time.0)),
    ("injected_time", "Nullable(DateTime64(6, 'UTC'))", |c, e| c.opt_i64(e.injected_time.map(|at| at.0))),
    ("received_time", "DateTime64(6, 'UTC')", |c, e| c.i64(e.received_time.0)),
    ("source_kind", "String", |c, e| c.text(e.source_kind.name())),
    ("source", "String", |c, e| c.text(&e.source)),
    ("relay", "String", |c, e| c.text(&e.relay)),
    ("node_id", "String", |c, e| c.text(&e.node_id)),
    ("tenant", "String", |c, e| c.text(&e.tenant)),
    ("stream", "String", |c, e| c.text(&e.stream)),
    ("campaign", "String", |c, e| c.text(&e.campaign)),
    ("message_id", "String", |c, e| c.text(&e.message_id)),
    ("provider_message_id", "String", |c, e| c.text(&e.provider_message_id)),
    ("queue_id", "String", |c, e| c.text(&e.queue_id)),
    ("session_id", "String", |c, e| c.text(&e.session_id)),
    ("envid", "String", |c, e| c.text(&e.envid)),
    ("recipient", "String", |c, e| c.text(&e.recipient)),
    ("recipient_domain", "String", |c, e| c.text(&e.recipient_domain)),
    ("orig_recipient", "String", |c, e| c.text(&e.orig_recipient)),
    ("mailbox_provider", "String", |c, e| c.text(&e.mailbox_provider)),
    ("env_from", "String", |c, e| c.text(&e.env_from)),
    ("env_from_domain", "String", |c, e| c.text(&e.env_from_domain)),
    ("header_from_domain", "String", |c, e| c.text(&e.header_from_domain)),
    ("sending_ip", "IPv6", |c, e| c.ip(e.sending_ip)),
    ("pool", "String", |c, e| c.text(&e.pool)),
    ("egress_source", "String", |c, e| c.text(&e.egress_source)),
    ("mx_host", "String", |c, e| c.text(&e.mx_host)),
    ("mx_ip", "IPv6", |c, e| c.ip(e.mx_ip)),
    ("mx_port", "UInt16", |c, e| c.u16(e.mx_port)),
    ("smtp_code", "UInt16", |c, e| c.u16(e.reply.code)),
    ("enhanced_code", "String", |c, e| status(c, e.reply.enhanced)),
    ("relay_dsn", "String", |c, e| status(c, e.relay_dsn)),
    ("relay_class", "String", |c, e| c.text(&e.relay_class)),
    ("response_text", "String", |c, e| c.text(&e.reply.text)),
    ("response_tmpl", "UInt64", |c, e| c.u64(e.response_tmpl)),
    ("smtp_stage", "Int8", |c, e| c.i8(e.reply.stage as i8)),
    ("bounce_type", "Int8", |c, e| c.i8(e.bounce_type as i8)),
    ("bounce_origin", "Int8", |c, e| c.i8(e.bounce_origin as i8)),
    ("bounce_reason", "String", |c, e| c.text(e.bounce_reason.map_or("", |reason| reason.name()))),
    ("bounce_group", "String", |c, e| c.text(e.bounce_reason.map_or("", |reason| reason.group().name()))),
    ("attempt", "UInt16", |c, e| c.u16(e.attempt)),
    ("latency_ms", "Nullable(UInt32)", |c, e| c.opt_u32(e.latency_ms)),
    ("conn_ms", "Nullable(UInt32)", |c, e| c.opt_u32(e.conn_ms)),
    ("xfer_ms", "Nullable(UInt32)", |c, e| c.opt_u32(e.xfer_ms)),
    ("tls_version", "String", |c, e| c.text(&e.tls_version)),
    ("tls_cipher", "String", |c, e| c.text(&e.tls_cipher)),
    ("tls_policy", "String", |c, e| c.text(&e.tls_policy)),
    ("size_bytes", "UInt32", |c, e| c.u32(e.size_bytes)),
    ("nrcpt", "UInt16", |c, e| c.u16(e.nrcpt)),
    ("delivery_agent", "String", |c, e| c.text(&e.delivery_agent)),
    ("user_agent", "String", |c, e| c.text(&e.user_agent)),
    ("click_url", "String", |c, e| c.text(&e.click_url)),
    ("client_ip", "IPv6", |c, e| c.ip(e.client_ip)),
    ("feedback_type", "String", |c, e| c.text(&e.feedback_type)),
    ("reporting_mta", "String", |c, e| c.text(&e.reporting_mta)),
    ("reported_ip", "IPv6", |c, e| c.ip(e.reported_ip)),
    ("trust", "Int8", |c, e| c.i8(e.trust as i8)),
    ("evidence", "String", |c, e| c.text(&e.evidence)),
    ("is_repeat", "Bool", |c, e| c.u8(u8::from(e.is_repeat))),
    ("mail_id", "UUID", |c, e| c.opt_uuid(e.mail_id)),
    ("is_notification", "Bool", |c, e| c.u8(u8::from(e.is_notification))),
    ("ref_queue_id", "String", |c, e| c.text(&e.ref_queue_id)),
    ("tags", "Map(String, String)", |c, e| c.map(pairs(&e.tags))),
    ("meta", "Map(String, String)", |c, e| c.map(pairs(&e.meta))),
    ("raw", "String", |c, e| c.text(&e.raw)),
    ("ingest_node", "String", |c, e| c.text(&e.ingest_node)),
    ("ingest_seq", "UInt64", |c, e| c.u64(e.ingest_seq)),
];

fn pairs(pairs: &[(Text, Text)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn status(column: &mut Column, code: Option<EnhancedCode>) {
    let mut text = Text::default();
    if let Some(code) = code {
        // Writing into a text in memory cannot fail.
        let _ = write!(text, "{code}");
    }
    column.text(&text);
}
