//! What a delivery line adds to its event.
//!
//! Way: `apply` decides what happened and to whom, the teller of all readers makes the event, this module fills in
//! the delivery.

use super::delivery::Delivery;
use crate::model::{Event, normalize_address};
use crate::parse::relay::header::Header;

/// Adds what a delivery line says besides its outcome.
pub(crate) fn add_delivery(event: &mut Event, header: &Header<'_>, delivery: &Delivery<'_>) {
    if !delivery.orig_recipient.is_empty() {
        event.orig_recipient = normalize_address(delivery.orig_recipient);
    }
    event.mx_host = delivery.peer.host.into();
    event.mx_ip = delivery.peer.ip;
    event.mx_port = delivery.peer.port;
    event.relay_dsn = delivery.dsn;
    event.latency_ms = delivery.delay_ms;
    event.conn_ms = delivery.conn_ms;
    event.xfer_ms = delivery.xfer_ms;
    event.tls_policy = delivery.tls_policy.into();
    event.delivery_agent = header.daemon.into();
    event.egress_source = header.service().into();
}
