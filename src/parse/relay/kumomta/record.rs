//! The shape of a log record on the wire.
//!
//! All fields may be missing or `null`: old versions lack some, and a template may leave out any. What an event cannot
//! do without is asked for where it is used. Unknown fields are passed over, so that a newer KumoMTA is no fault.

use crate::model::EnhancedCode;
use crate::parse::json::{OneOrMany, Pairs, bounded};
use crate::parse::ndjson::value::Value;
use crate::parse::text::cut;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Bytes of a complained message that are looked at: its headers, which seldom take 20 KiB.
const ORIGINAL_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Record<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Value<'a>,
    pub(super) id: Value<'a>,
    pub(super) sender: Value<'a>,
    pub(super) recipient: OneOrMany<'a>,
    pub(super) queue: Value<'a>,
    pub(super) site: Value<'a>,
    pub(super) size: Value<'a>,
    pub(super) response: Option<Response<'a>>,
    pub(super) peer_address: Option<PeerAddress<'a>>,
    /// Seconds. `event_time` has the same to the nanosecond, since 2025.10.06.
    pub(super) timestamp: Value<'a>,
    pub(super) event_time: Value<'a>,
    pub(super) created: Value<'a>,
    pub(super) created_time: Value<'a>,
    pub(super) num_attempts: Value<'a>,
    pub(super) bounce_classification: Value<'a>,
    pub(super) egress_pool: Value<'a>,
    pub(super) egress_source: Value<'a>,
    pub(super) source_address: Option<SourceAddress<'a>>,
    pub(super) feedback_report: Option<Box<FeedbackReport<'a>>>,
    pub(super) meta: Pairs<'a>,
    pub(super) headers: Pairs<'a>,
    pub(super) delivery_protocol: Value<'a>,
    pub(super) reception_protocol: Value<'a>,
    pub(super) nodeid: Value<'a>,
    pub(super) tls_cipher: Value<'a>,
    pub(super) tls_protocol_version: Value<'a>,
    pub(super) provider_name: Value<'a>,
    pub(super) session_id: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Response<'a> {
    pub(super) code: Value<'a>,
    pub(super) enhanced_code: Option<Enhanced<'a>>,
    pub(super) content: Value<'a>,
    pub(super) command: Value<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Enhanced<'a> {
    class: Value<'a>,
    subject: Value<'a>,
    detail: Value<'a>,
}

impl Enhanced<'_> {
    /// The code, if it is one of RFC 3463.
    pub(super) fn code(&self) -> Option<EnhancedCode> {
        let number = |value: &Value<'_>| value.as_text()?.parse().ok();
        let class = number(&self.class).filter(|class| matches!(class, 2 | 4 | 5))?;
        Some(EnhancedCode {
            class: u8::try_from(class).ok()?,
            subject: number(&self.subject)?,
            detail: number(&self.detail)?,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct PeerAddress<'a> {
    pub(super) name: Value<'a>,
    addr: Value<'a>,
}

impl PeerAddress<'_> {
    /// The address; KumoMTA writes 0.0.0.0 when it speaks to a Lua script.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        let ip: IpAddr = self.addr.as_text()?.parse().ok()?;
        Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct SourceAddress<'a> {
    /// With port: `192.0.2.1:53210`, `[2001:db8::1]:25`.
    address: Value<'a>,
}

impl SourceAddress<'_> {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        let text = self.address.as_text()?;
        let ip = text.parse().map(|socket: SocketAddr| socket.ip()).or_else(|_| text.parse()).ok()?;
        Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())
    }
}

/// A report of RFC 5965. The names are KumoMTA's, `original_rcpto_to` too.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct FeedbackReport<'a> {
    pub(super) feedback_type: Value<'a>,
    pub(super) user_agent: Value<'a>,
    pub(super) arrival_date: Value<'a>,
    pub(super) incidents: Value<'a>,
    pub(super) original_envelope_id: Value<'a>,
    pub(super) original_mail_from: Value<'a>,
    pub(super) reporting_mta: Option<ReportingMta<'a>>,
    pub(super) source_ip: Value<'a>,
    pub(super) original_rcpto_to: OneOrMany<'a>,
    pub(super) original_message: OriginalMessage<'a>,
    /// What KumoMTA itself wrote into the `X-KumoRef` header of the message.
    pub(super) supplemental_trace: Pairs<'a>,
    pub(super) extensions: Option<Extensions<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct ReportingMta<'a> {
    pub(super) name: Value<'a>,
}

/// Fields that RFC 5965 does not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
pub(super) struct Extensions<'a> {
    /// Whom to take off the list, as AOL named it.
    #[serde(rename = "removal-recipient")]
    pub(super) removal_recipient: OneOrMany<'a>,
}

/// The beginning of a message: text, or an array of bytes when it is not UTF-8.
#[derive(Debug, Default)]
pub(super) struct OriginalMessage<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for OriginalMessage<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = OriginalMessage<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text or an array of bytes")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(OriginalMessage::default())
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(OriginalMessage(Cow::Borrowed(cut(text, ORIGINAL_BYTES_MAX))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OriginalMessage(Cow::Owned(cut(text, ORIGINAL_BYTES_MAX).to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, bytes: A) -> Result<Self::Value, A::Error> {
                let head: Vec<u8> = bounded(bytes, ORIGINAL_BYTES_MAX)?;
                Ok(OriginalMessage(Cow::Owned(String::from_utf8_lossy(&head).into_owned())))
            }
        }

        source.deserialize_any(BytesVisitor)
    }
}
