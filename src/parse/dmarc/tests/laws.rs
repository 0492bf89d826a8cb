//! What holds for any bytes.

use super::*;
use proptest::prelude::*;

/// Pieces of which documents are made that are nearly reports.
const PIECES: [&str; 34] = [
    "<feedback>",
    "</feedback>",
    "<report_metadata>",
    "</report_metadata>",
    "<report_id>",
    "</report_id>",
    "<begin>",
    "<date_range>",
    "</date_range>",
    "<policy_published>",
    "</policy_published>",
    "<domain>",
    "</domain>",
    "<record>",
    "</record>",
    "<row>",
    "</row>",
    "<count>",
    "</count>",
    "<source_ip>",
    "<dkim>",
    "</dkim>",
    "<auth_results>",
    "<result>",
    "pass",
    "12",
    "&amp;",
    "&#0;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<a b='",
    "ü",
];

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn no_markup_makes_it_panic(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..200)) {
        let _ = read_bytes(pieces.concat().as_bytes());
    }

    #[test]
    fn a_report_cut_anywhere_gives_a_prefix_of_its_records(at in 0..TWO_RECORDS.len()) {
        let whole = one(TWO_RECORDS).1;
        if let Ok((reports, records)) = read_bytes(&TWO_RECORDS.as_bytes()[..at]) {
            prop_assert!(whole.starts_with(&records));
            prop_assert!(reports.iter().all(|report| !report.record.is_complete) || at + "\n".len() >= TWO_RECORDS.len());
        }
    }

    #[test]
    fn one_byte_changed_never_invents_a_record(at in 0..TWO_RECORDS.len(), byte: u8) {
        let mut bytes = TWO_RECORDS.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok((_, records)) = read_bytes(&bytes) {
            prop_assert!(records.len() <= 3);
        }
    }

    /// Tags with nothing but a name are read by the short way, all others by quick-xml: both must read alike.
    #[test]
    fn blanks_in_tags_change_nothing(every in 1_usize..5) {
        let mut document = String::new();
        for (index, piece) in TWO_RECORDS.split_inclusive('>').enumerate() {
            match piece.strip_suffix('>').filter(|_| index > 0 && index % every == 0) {
                Some(tag) => document.extend([tag, " >"]),
                None => document.push_str(piece),
            }
        }
        prop_assert_eq!(one(&document), one(TWO_RECORDS));
    }

    /// Wherever the windows end.
    #[test]
    fn a_report_behind_any_length_of_comment_is_the_same(length in 250_000_usize..265_000) {
        let document = format!("<!--{}-->{TWO_RECORDS}", "x".repeat(length));
        let (report, records) = one(&document);
        prop_assert_eq!(records, one(TWO_RECORDS).1);
        prop_assert!(report.record.is_complete);
    }
}
