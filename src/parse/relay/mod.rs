//! What relays say of their deliveries: one reader a format.

pub mod kumomta;
pub mod postfix;
