//! Any bytes as the parts of a feedback report.
#![no_main]

use relaylens::parse::mail;

const HEAD: &[u8] = b"From: fbl@isp.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\
Content-Type: message/feedback-report\r\n\r\n";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = mail::read(&[HEAD, bytes].concat());
});
