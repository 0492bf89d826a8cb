//! Any bytes as an archive.
#![no_main]

use relaylens::parse::archive::{self, Limits};
use std::io;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    archive::unpack(bytes, &Limits::default(), &mut |_, member| {
        let _ = io::copy(member, &mut io::sink());
    });
});
