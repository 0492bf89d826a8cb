//! Any text as an SMTP reply.
#![no_main]

use relaylens::classify::{BounceRules, ReplyView};
use std::sync::LazyLock;

static RULES: LazyLock<BounceRules> = LazyLock::new(BounceRules::shipped);

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = RULES.classify(&ReplyView::of(text));
});
