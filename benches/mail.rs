//! How long it takes to read a mail that came back, next to mail-parser alone on the same mails.
//!
//! All mails in turns on one core; the best of many rounds of each counts. mail-parser alone is the floor: nobody reads a
//! bounce without taking the mail apart.
//!
//! Run it with `cargo bench --bench mail`. Other mails are read from the folder `RELAYLENS_BENCH_MAILS`, and those below.
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use mail_parser::MessageParser;
use relaylens::classify::{BounceRules, CACHE_ENTRIES, Classifier};
use relaylens::parse::mail::{self, Content};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const OWN_MAILS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/mail");

type Reader = Box<dyn FnMut(&[u8])>;

fn main() {
    let folder = std::env::var_os("RELAYLENS_BENCH_MAILS").map_or_else(|| OWN_MAILS.into(), PathBuf::from);
    let mut mails = Vec::new();
    collect(&folder, &mut mails);
    assert!(!mails.is_empty(), "no mail in {}", folder.display());
    let mut classifier = Classifier::new(BounceRules::shipped(), CACHE_ENTRIES);
    let mut readers: [(&str, Reader); 3] = [
        ("mail-parser", Box::new(|mail| drop(black_box(MessageParser::default().parse(mail))))),
        ("read", Box::new(|mail| drop(black_box(mail::read(mail))))),
        ("read and classified", Box::new(move |bytes| read_and_classify(&mut classifier, bytes))),
    ];
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for ((_, read), best) in readers.iter_mut().zip(&mut best) {
            let begin = Instant::now();
            for mail in &mails {
                read(mail);
            }
            *best = (*best).min(begin.elapsed());
        }
    }
    println!("{} mails, {} bytes", mails.len(), mails.iter().map(Vec::len).sum::<usize>());
    for ((name, _), time) in readers.iter().zip(best) {
        let count = u32::try_from(mails.len()).unwrap_or(u32::MAX);
        println!(
            "  {name:20} {:>8.1} µs a mail {:>9.0} mails/s   {:.2} times mail-parser's time",
            (time / count).as_secs_f64() * 1e6,
            f64::from(count) / time.as_secs_f64(),
            time.as_secs_f64() / best[0].as_secs_f64()
        );
    }
}

fn read_and_classify(classifier: &mut Classifier, bytes: &[u8]) {
    let Ok(mail) = mail::read(bytes) else { return };
    if let Content::Notice(notice) = &mail.content {
        for recipient in &notice.recipients {
            black_box(classifier.classify_recipient(notice.format, recipient));
        }
    }
}

fn collect(folder: &Path, mails: &mut Vec<Vec<u8>>) {
    let entries = std::fs::read_dir(folder).expect("the folder of mails can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, mails);
        } else if path.extension().is_some_and(|end| end == "eml") {
            mails.push(std::fs::read(&path).expect("the mail can be read"));
        }
    }
}
