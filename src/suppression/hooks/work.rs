//! The loop of one receiver: take the next stretch of the log, note it, send it until it is taken or given up.

use crate::model::Timestamp;
use crate::suppression::feed::line::RecordLine;
use crate::suppression::hooks::state::{Post, State};
use crate::suppression::hooks::{DEAD_LETTERS_MAX, Hook, HookError, RECORDS_MAX, post};
use crate::suppression::sequence::Cursor;
use serde::Serialize;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::watch;

/// Pause after the first failed try; each further one doubles it.
const PAUSE_S: i64 = 1;
/// Longest pause: a receiver that is back is told within it.
const PAUSE_S_MAX: i64 = 5 * 60;
/// Pause when the store or the disk refuses.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// What a receiver gets.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    /// For `GET /api/v1/suppressions/changes`, to go on from here.
    cursor: String,
    records: Vec<RecordLine<'a>>,
}

impl Hook {
    /// Works until `stopped`. A try that is under way then is made again at the next start, with the same id.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.work() => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    }

    async fn work(&self) {
        let mut changed = self.0.list.changed();
        loop {
            match self.step().await {
                Ok(Step::Did) => {}
                Ok(Step::WaitUntil(unix)) => {
                    let wait = u64::try_from(unix - self.0.list.now().seconds()).unwrap_or(0).max(1);
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(wait)) => {}
                        () = self.0.again.notified() => {}
                    }
                }
                Ok(Step::Idle) => {
                    tokio::select! {
                        moved = changed.changed() => if moved.is_err() { return },
                        () = self.0.again.notified() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(webhook = %self.0.settings.name, error = format!("{error:#}"), "a webhook waits");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    async fn step(&self) -> Result<Step, anyhow::Error> {
        let inner = &self.0;
        if let Some(mut post) = inner.folder.revived()? {
            self.send_revived(&mut post).await?;
            return Ok(Step::Did);
        }
        let mut state = match inner.folder.load()? {
            Some(state) => state,
            None => State { cursor: inner.list.cursor().to_string(), ..State::default() },
        };
        if state.post.is_none() {
            state.post = self.next_post(&state).await?;
            inner.folder.save(&state)?;
            self.show(&state);
        }
        let Some(post) = &mut state.post else { return Ok(Step::Idle) };
        let now = inner.list.now().seconds();
        if post.next_try_unix > now {
            return Ok(Step::WaitUntil(post.next_try_unix));
        }
        let Err(fault) = self.send(post).await else {
            state.delivered += 1;
            state.records += post.records;
            state.last_delivered_unix = Some(now);
            state.cursor = std::mem::take(&mut post.cursor);
            state.post = None;
            inner.folder.save(&state)?;
            self.show(&state);
            return Ok(Step::Did);
        };
        self.failed(&mut state, fault)?;
        Ok(Step::Did)
    }

    /// The next stretch of the log, when there is one.
    async fn next_post(&self, state: &State) -> Result<Option<Post>, anyhow::Error> {
        let mut cursor: Cursor = state.cursor.parse()?;
        let mut records = self.0.list.store().suppressions_since(cursor.places(), RECORDS_MAX).await?;
        records.retain(|record| cursor.pass(record.seq));
        if records.is_empty() {
            return Ok(None);
        }
        let body = Body {
            r#type: "suppressions.changed",
            cursor: cursor.to_string(),
            records: records.iter().map(RecordLine::from).collect(),
        };
        Ok(Some(Post {
            id: uuid::Uuid::new_v4(),
            cursor: cursor.to_string(),
            records: records.len() as u64,
            body: serde_json::to_string(&body)?,
            made_unix: self.0.list.now().seconds(),
            failures: 0,
            next_try_unix: 0,
            last_fault: String::new(),
        }))
    }

    async fn send(&self, post: &Post) -> Result<(), String> {
        let (settings, now) = (&self.0.settings, self.0.list.now());
        post::send(&self.0.line, settings, post.id, post.body.clone().into(), now).await
    }

    /// Notes a failed try: a pause, or a dead letter.
    fn failed(&self, state: &mut State, fault: String) -> Result<(), HookError> {
        let (inner, now) = (&self.0, self.0.list.now());
        let Some(post) = &mut state.post else { return Ok(()) };
        note_failure(post, fault, now);
        let is_given_up = now.seconds() - post.made_unix >= inner.settings.give_up_s
            && inner.folder.dead_letters()?.len() < DEAD_LETTERS_MAX;
        if is_given_up {
            tracing::error!(webhook = %inner.settings.name, fault = post.last_fault, "a post is given up");
            inner.folder.bury(post)?;
            state.cursor.clone_from(&post.cursor);
            state.post = None;
        }
        inner.folder.save(state)?;
        self.show(state);
        Ok(())
    }

    /// One try for a dead letter; when it fails, it is one again.
    async fn send_revived(&self, post: &mut Post) -> Result<(), HookError> {
        let inner = &self.0;
        match self.send(post).await {
            Ok(()) => {
                if let Some(mut state) = inner.folder.load()? {
                    state.delivered += 1;
                    state.records += post.records;
                    state.last_delivered_unix = Some(inner.list.now().seconds());
                    inner.folder.save(&state)?;
                    self.show(&state);
                }
                inner.folder.forget(post.id)?;
            }
            Err(fault) => {
                note_failure(post, fault, inner.list.now());
                inner.folder.bury(post)?;
            }
        }
        self.count_dead_letters()
    }

    fn count_dead_letters(&self) -> Result<(), HookError> {
        let dead_letters = self.0.folder.dead_letters()?.len();
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).dead_letters = dead_letters;
        Ok(())
    }

    /// Makes the status that of the state.
    pub(super) fn show(&self, state: &State) {
        let dead_letters = self.0.folder.dead_letters().map_or(0, |letters| letters.len());
        let mut status = self.0.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.cursor.clone_from(&state.cursor);
        (status.delivered, status.records) = (state.delivered, state.records);
        status.last_delivered_unix = state.last_delivered_unix;
        let waiting = state.post.as_ref().filter(|post| post.failures > 0);
        status.failures = waiting.map_or(0, |post| post.failures);
        status.next_try_unix = waiting.map(|post| post.next_try_unix);
        status.last_fault = waiting.map(|post| post.last_fault.clone()).unwrap_or_default();
        status.dead_letters = dead_letters;
    }
}

enum Step {
    /// Something was done; there may be more.
    Did,
    WaitUntil(i64),
    /// Nothing to do until the list changes.
    Idle,
}

fn note_failure(post: &mut Post, fault: String, now: Timestamp) {
    let pause = PAUSE_S.checked_shl(post.failures).unwrap_or(PAUSE_S_MAX).clamp(PAUSE_S, PAUSE_S_MAX);
    post.failures = post.failures.saturating_add(1);
    post.next_try_unix = now.seconds() + pause;
    post.last_fault = fault;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut post = Post {
            id: uuid::Uuid::nil(),
            cursor: String::new(),
            records: 1,
            body: String::new(),
            made_unix: 0,
            failures: 0,
            next_try_unix: 0,
            last_fault: String::new(),
        };
        let mut pauses = Vec::new();
        for _ in 0..200 {
            note_failure(&mut post, "refused".to_owned(), Timestamp(0));
            pauses.push(post.next_try_unix);
        }
        assert_eq!(pauses[..5], [1, 2, 4, 8, 16]);
        assert!(pauses.iter().all(|pause| (1..=PAUSE_S_MAX).contains(pause)));
        assert_eq!((pauses[199], post.failures), (PAUSE_S_MAX, 200));
    }
}
