//! Any bytes as a mail, and the reports in it.
#![no_main]

use relaylens::parse::archive::Limits;
use relaylens::parse::mail::{self, Content};
use relaylens::parse::report;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(mail) = mail::read(bytes)
        && let Content::Reports(parts) = mail.content
    {
        for part in parts {
            report::visit(&part.bytes, &Limits::default(), &mut ());
        }
    }
});
