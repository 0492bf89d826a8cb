//! Answers that several pages want within a short time, kept for that time.

use lru::LruCache;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

/// Most answers kept: one for each range that people look at just now.
const ENTRIES_MAX: NonZeroUsize = NonZeroUsize::new(32).expect("32 is not zero");

pub(crate) struct Memo<K: Hash + Eq, V> {
    age_max_s: i64,
    /// When each answer was asked for, in seconds since 1970, and the answer.
    entries: Mutex<LruCache<K, (i64, V)>>,
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    pub(crate) fn new(age_max_s: i64) -> Self {
        Self { age_max_s, entries: Mutex::new(LruCache::new(ENTRIES_MAX)) }
    }

    /// Gives the known answer while it is young, else asks anew. Two who ask at once may both ask: that costs one
    /// query more, while waiting for each other would let one slow query hold every page.
    pub(crate) async fn get<E>(
        &self,
        key: K,
        now_unix: i64,
        ask: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        if let Some(known) = self.known(&key, now_unix) {
            return Ok(known);
        }
        let answer = ask.await?;
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(key, (now_unix, answer.clone()));
        Ok(answer)
    }

    fn known(&self, key: &K, now_unix: i64) -> Option<V> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked_unix, answer) = entries.get(key)?;
        (now_unix - asked_unix < self.age_max_s).then(|| answer.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let memo = Memo::new(10);
        let ask = |answer: u32| async move { Ok::<_, ()>(answer) };
        assert_eq!(memo.get("a", 100, ask(1)).await, Ok(1));
        assert_eq!(memo.get("a", 109, ask(2)).await, Ok(1));
        assert_eq!(memo.get("a", 110, ask(3)).await, Ok(3));
        assert_eq!(memo.get("b", 110, ask(4)).await, Ok(4));
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let memo = Memo::<_, u32>::new(10);
        assert_eq!(memo.get("a", 0, async { Err("down") }).await, Err("down"));
        assert_eq!(memo.get("a", 0, async { Ok::<_, &str>(1) }).await, Ok(1));
    }
}
