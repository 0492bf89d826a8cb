//! What a line of `main.cf` says of the mail that it is about: `tenant=acme;stream=news;type=marketing`.

use crate::model::Text;
use crate::model::suppression::{MailType, Question};

/// Tenant, stream, list and type of mail, as far as they are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    pub tenant: Text,
    pub stream: Text,
    pub list: Text,
    pub mail_type: MailType,
}

impl Context {
    /// Reads `name=value` pairs between semicolons. What cannot be read is passed over: a slip in the relay's
    /// configuration must not open or shut its door, and an untold type meets every entry.
    pub fn parse(text: &str) -> Self {
        let mut context = Self::default();
        for (name, value) in text.split(';').filter_map(|pair| pair.split_once('=')) {
            match (name.trim(), value.trim()) {
                ("tenant", tenant) => context.tenant = tenant.into(),
                ("stream", stream) => context.stream = stream.into(),
                ("list", list) => context.list = list.into(),
                ("type", name) => context.mail_type = MailType::from_name(name).unwrap_or_default(),
                _ => {}
            }
        }
        context
    }

    pub(super) fn question(self, address: &str) -> Question {
        let Self { tenant, stream, list, mail_type } = self;
        Question { address: address.into(), tenant, stream, list, mail_type }
    }
}
