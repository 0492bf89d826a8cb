//! A report as it came: unpacked from its mail, and not read.

use crate::parse::archive::{Limits, unpack};
use crate::parse::report;
use crate::web::format;
use mail_parser::MessageParser;
use std::io::Read;

/// Bytes of a report that the page shows. The head with the report's id stands in them.
const SHOWN_BYTES_MAX: u64 = 256 << 10;

/// A page unpacks no more: what is larger is shown by `relaylens parse`.
const LIMITS: Limits = Limits { bytes_out_max: 64 << 20, ratio_max: 200, members_max: 1_000, depth_max: 2 };

/// The beginning of a report, with what does not print escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawReport {
    pub(super) text: String,
    pub(super) is_cut: bool,
}

/// The report of that id in a kept mail or file, or the only one there is; `None` when neither is found.
pub(super) fn report_in(kept: &[u8], report_id: &str) -> Option<RawReport> {
    let parts: Vec<Vec<u8>> = if report::is_bare(kept) {
        vec![kept.to_vec()]
    } else {
        let message = MessageParser::default().parse(kept)?;
        report::parts(&message).into_iter().map(|part| part.bytes).collect()
    };
    let (mut found, mut first, mut members) = (None, None, 0_u32);
    for part in &parts {
        // What cannot be unpacked was told when the mail was read.
        let _ = unpack(part, &LIMITS, &mut |_, member| {
            let mut bytes = Vec::new();
            if found.is_some() || member.take(SHOWN_BYTES_MAX + 1).read_to_end(&mut bytes).is_err() {
                return;
            }
            members += 1;
            if !report_id.is_empty() && memchr::memmem::find(&bytes, report_id.as_bytes()).is_some() {
                found = Some(bytes);
            } else if members == 1 {
                first = Some(bytes);
            }
        });
    }
    let only = first.filter(|_| members == 1);
    found.or(only).map(|bytes| shown(&bytes))
}

fn shown(bytes: &[u8]) -> RawReport {
    let most = usize::try_from(SHOWN_BYTES_MAX).unwrap_or(usize::MAX);
    RawReport { text: format::printable(&bytes[..bytes.len().min(most)]), is_cut: bytes.len() > most }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn xml(id: &str) -> String {
        format!("<feedback><report_metadata><report_id>{id}</report_id></report_metadata></feedback>")
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn a_packed_report_without_a_mail_is_shown() {
        let raw = report_in(&gzip(&xml("r1")), "r1").unwrap();
        assert!(raw.text.contains("<report_id>r1</report_id>") && !raw.is_cut);
    }

    #[test]
    fn of_two_reports_in_a_mail_the_right_one_is_shown() {
        let part = |id: &str| {
            format!("--b\r\nContent-Type: text/xml\r\nContent-Disposition: attachment\r\n\r\n{}\r\n", xml(id))
        };
        let head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        let mail = format!("{head}{}{}--b--\r\n", part("r1"), part("r2"));
        assert!(report_in(mail.as_bytes(), "r2").unwrap().text.contains(">r2<"));
        assert_eq!(report_in(mail.as_bytes(), "r3"), None, "two, and none of them is it");
    }

    #[test]
    fn a_mail_without_a_report_has_none() {
        assert_eq!(report_in(b"Subject: hello\r\n\r\nNothing here.\r\n", "r1"), None);
        assert_eq!(report_in(b"", "r1"), None);
    }
}
