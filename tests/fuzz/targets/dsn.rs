//! Any bytes as the text of a notice: a head that looks like one stands before them.
#![no_main]

use relaylens::parse::mail;

const HEAD: &[u8] = b"From: MAILER-DAEMON@mx.example\r\nTo: bounce@example.com\r\nSubject: failure notice\r\n\r\n";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = mail::read(&[HEAD, bytes].concat());
});
