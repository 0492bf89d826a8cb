//! Any bytes as a TLS report.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = relaylens::parse::tlsrpt::read(&mut &bytes[..]);
});
