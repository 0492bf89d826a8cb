//! Any bytes as lines of a Postfix log.
#![no_main]

use relaylens::model::{Framing, SourceKind, SourceRef, Text, Timestamp};
use relaylens::parse::items::items;
use relaylens::parse::relay::postfix::{PostfixOptions, PostfixReader};
use relaylens::parse::{EventReader, Item};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let source = SourceRef { kind: SourceKind::Postfix, name: Text::const_new("fuzz") };
    let mut reader = PostfixReader::new(&PostfixOptions::default());
    let mut events = Vec::new();
    for (at, bytes) in items(Framing::Lines, bytes) {
        let received = Timestamp::from_seconds(1_795_000_000);
        let item = Item { source: &source, bytes, offset: at as u64, received };
        let _ = reader.read(&item, &mut events);
        events.clear();
    }
    let state = reader.snapshot().unwrap_or_default();
    PostfixReader::restore(&PostfixOptions::default(), &state).expect("what was written is read back");
});
