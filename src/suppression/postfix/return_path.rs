//! Signed return paths for a Postfix that rewrites envelope senders.
//!
//! ```text
//! # main.cf
//! sender_canonical_maps = socketmap:inet:127.0.0.1:9997:return-path;from=example.com
//! sender_canonical_classes = envelope_sender
//! ```
//!
//! Postfix asks once for each message, when it does not tell for whom: the return path is of the message, and proves a
//! bounce for those recipients that its log tells of. Whoever asks gets an id of his own, so that a return path which
//! was never used proves nothing.
//! Source: canonical(5); cleanup(8) asks again with each answer until nothing is found, so no return path has one.

use crate::model::{Keyring, Mark, Text, Timestamp, domain_of, is_under, normalize_address};
use uuid::Uuid;

/// By what return paths are signed.
#[derive(Debug, Clone)]
pub struct ReturnPaths {
    pub keys: Keyring,
    pub domain: Text,
}

impl ReturnPaths {
    /// The return path for a message of this sender; `None` for one that is left alone: of another domain than `from`
    /// and those below it, signed already, or no whole address.
    pub(super) fn of_sender(&self, sender: &str, from: Option<&str>, now: Timestamp) -> Option<Text> {
        let sender = normalize_address(sender);
        let domain = domain_of(&sender);
        let has_name = sender.len() > domain.len() + 1;
        let is_meant = from.is_none_or(|from| is_under(domain, &from.to_lowercase()));
        if !has_name || domain.is_empty() || !is_meant || domain == self.domain {
            return None;
        }
        let id = Uuid::new_v4().simple().to_string();
        Mark::sign(&self.keys, &id, "", now).ok().map(|mark| mark.return_path(&self.domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MarkCheck;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

    #[test]
    fn a_sender_gets_a_return_path_and_a_return_path_gets_none() {
        let keys = Keyring::parse("a 0123456789abcdef0123456789abcdef").unwrap();
        let paths = ReturnPaths { keys: keys.clone(), domain: "bounce.example".into() };
        let path = paths.of_sender("News@shop.example", Some("Shop.example"), NOW).unwrap();
        let mark = Mark::of_return_path(&path).unwrap();
        assert_eq!(mark.check(&keys, "", NOW, 30), MarkCheck::Message);
        assert_ne!(
            paths.of_sender("news@shop.example", None, NOW).unwrap(),
            path,
            "each message has its own"
        );
        assert!(paths.of_sender("news@mail.shop.example", Some("shop.example"), NOW).is_some());
        for left_alone in [path.as_str(), "@shop.example", "news", "", "news@other.example"] {
            assert_eq!(paths.of_sender(left_alone, Some("shop.example"), NOW), None, "{left_alone}");
        }
        assert_eq!(paths.of_sender(&path, None, NOW), None);
    }
}
