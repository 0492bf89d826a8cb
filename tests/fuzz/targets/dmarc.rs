//! Any bytes as a DMARC aggregate report.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = relaylens::parse::dmarc::read(&mut &bytes[..], &mut ());
});
