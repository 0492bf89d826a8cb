//! Mails that a door could not take in whole: too large for its setting, or not handed out by their mailbox.
//!
//! Way: the door puts one field in front of what it has of the mail ([`stand_in`]) and spools that; [`check`] finds the
//! field when the mail is read, so that the mail stands in the ledger and among the rejects like any other.
//!
//! Who writes the field into a mail of his own has that mail rejected, and nothing else.

use crate::model::RejectReason;
use crate::parse::Reject;

/// The field's name and colon, at the very beginning.
const FIELD: &[u8] = b"X-Relaylens-Not-Taken: ";

/// Longest line that is looked at, in bytes: a reason of one word and a sentence.
const LINE_BYTES_MAX: usize = 1024;

/// What is spooled in place of a mail: the reason, and the beginning of it that could be had.
pub fn stand_in(reject: &Reject, beginning: &[u8]) -> Vec<u8> {
    let line = format!("{}; {}", reject.reason, reject.message).replace(['\r', '\n'], " ");
    let line = &line[..line.floor_char_boundary(LINE_BYTES_MAX - 2)];
    [FIELD, line.as_bytes(), b"\r\n", beginning].concat()
}

/// The reason, when these bytes stand in for a mail.
pub(super) fn check(bytes: &[u8]) -> Result<(), Reject> {
    let Some(rest) = bytes.strip_prefix(FIELD) else { return Ok(()) };
    let line = rest.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES_MAX)]);
    let (word, message) = line.split_once("; ").unwrap_or_default();
    Err(Reject::new(RejectReason::from_name(word).unwrap_or(RejectReason::Unfetched), message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::mail;

    #[test]
    fn what_stands_in_for_a_mail_is_rejected_for_its_reason() {
        let reject = Reject::new(RejectReason::TooLarge, "the mail has 7 bytes,\r\nthe most is 6");
        let bytes = stand_in(&reject, b"Subject: a bounce\r\n\r\n");
        let told = mail::read(&bytes).unwrap_err();
        assert_eq!(
            (told.reason, told.message.as_str()),
            (RejectReason::TooLarge, "the mail has 7 bytes,  the most is 6")
        );
    }

    #[test]
    fn the_field_counts_at_the_beginning_alone_and_strange_ones_do_no_harm() {
        let lower = [b"Subject: a\r\n", FIELD, b"too_large; no\r\n\r\n"].concat();
        assert!(mail::read(&lower).is_ok());
        for strange in [&b""[..], b"\r\n", b"nothing", b"\xff\xfe; \xff", &[b'x'; 5000]] {
            let told = mail::read(&[FIELD, strange].concat()).unwrap_err();
            assert_eq!(told.reason, RejectReason::Unfetched);
        }
    }
}
