//! Any sequence of operations, against a model of a few lines.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    /// Entries that share a sync: source and length of the payload.
    Append(Vec<(u8, usize)>),
    /// Reads a batch with these limits.
    Read(usize, usize),
    /// Releases some of what was read.
    Release(u64),
    Reopen,
    /// A crash with this much of an unfinished write.
    Crash(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some_entries = proptest::collection::vec((0..3_u8, 0..500_usize), 1..6);
    let step = prop_oneof![
        4 => some_entries.prop_map(Step::Append),
        4 => (0..2000_usize, 0..5_usize).prop_map(|(bytes, records)| Step::Read(bytes, records)),
        2 => (0..8_u64).prop_map(Step::Release),
        1 => Just(Step::Reopen),
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..40)
}

/// The spool, and what it must hold.
struct Pair {
    dir: tempfile::TempDir,
    spool: Option<Spool>,
    reader: Option<crate::spool::SpoolReader>,
    written: Vec<NewEntry>,
    read: u64,
    released: u64,
    totals: BTreeMap<SourceRef, u64>,
}

impl Pair {
    fn reopen(&mut self) -> Recovery {
        self.spool = None;
        let (spool, recovery) = open(self.dir.path());
        self.reader = Some(spool.reader(self.read + 1).unwrap());
        self.spool = Some(spool);
        recovery
    }

    fn append(&mut self, entries: Vec<NewEntry>, runtime: &tokio::runtime::Runtime) {
        let spool = self.spool.clone().unwrap();
        let results: Vec<_> = runtime.block_on(async {
            let mut appends = tokio::task::JoinSet::new();
            for entry in entries {
                let spool = spool.clone();
                appends.spawn(async move { (spool.append(entry.clone()).await, entry) });
            }
            appends.join_all().await
        });
        let mut taken = BTreeMap::new();
        for (result, entry) in results {
            match result {
                Ok(seq) => assert!(taken.insert(seq, entry).is_none()),
                Err(SpoolError::Full { used_bytes, limit_bytes }) => {
                    assert!(used_bytes + entry.record_bytes() > limit_bytes, "it was not full");
                }
                Err(fault) => panic!("{fault}"),
            }
        }
        for (seq, entry) in taken {
            assert_eq!(seq, self.written.len() as u64 + 1);
            *self.totals.entry(entry.source.clone()).or_default() += u64::from(entry.items);
            self.written.push(entry);
        }
    }

    fn read(&mut self, bytes_max: usize, records_max: usize) {
        for entry in self.reader.as_mut().unwrap().read_batch(bytes_max, records_max).unwrap() {
            assert_eq!(entry.seq, self.read + 1);
            self.read += 1;
            assert_eq!(as_new(&entry), self.written[usize::try_from(self.read).unwrap() - 1]);
        }
    }

    fn check(&self) {
        let spool = self.spool.as_ref().unwrap();
        let stats = spool.stats();
        assert_eq!(stats.last_seq, self.written.len() as u64);
        assert!(stats.first_seq <= self.released + 1, "a record was deleted that was not released");
        assert!(stats.used_bytes <= stats.limit_bytes);
        assert_eq!(spool.accepted_totals(), self.totals);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_spool_does_what_its_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut pair = Pair {
            dir, spool: None, reader: None, written: Vec::new(), read: 0, released: 0, totals: BTreeMap::new(),
        };
        pair.reopen();
        for step in steps {
            match step {
                Step::Append(entries) => {
                    let entries = entries.into_iter();
                    let entries = entries.map(|(name, length)| entry(&name.to_string(), &"x".repeat(length)));
                    pair.append(entries.collect(), &runtime);
                }
                Step::Read(bytes_max, records_max) => pair.read(bytes_max, records_max),
                Step::Release(back) => {
                    pair.released = pair.released.max(pair.read.saturating_sub(back));
                    pair.spool.as_ref().unwrap().release(pair.released).unwrap();
                }
                Step::Reopen => prop_assert_eq!(pair.reopen(), Recovery::default()),
                Step::Crash(torn) => {
                    pair.spool = None;
                    if let Some(last) = segment::list(pair.dir.path()).unwrap().last() {
                        let path = segment::path(pair.dir.path(), *last);
                        let mut bytes = std::fs::read(&path).unwrap();
                        bytes.extend(&torn);
                        std::fs::write(&path, bytes).unwrap();
                    }
                    prop_assert!(pair.reopen().is_complete());
                }
            }
            pair.check();
        }
        while pair.read < pair.written.len() as u64 {
            pair.read(1000, 3);
        }
    }
}
