//! Runs `INSERT … FORMAT x`: takes the rows from the request's body as they come, and commits at its proper end only.
//!
//! Way: `service` calls [`run`]; a blocking thread holds the open insert and is fed through a short queue.
//! Source: behaviour of the library, measured on chDB 26.7.3. Rows inside the statement's text are fed the same way,
//! since the library cuts `INSERT … FORMAT x <rows>` at the first blank line.
//! Not here: `INSERT … SELECT` and `INSERT … VALUES`, which are plain statements (`query`).

use super::{
    Engine,
    access::Access,
    answer::{Body, Head, whole},
    exception::{Code, Exception},
    ffi::{Answer, Statement},
    frames::Frames,
    request::{Call, Rows, SQL_BYTES_MAX},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use std::{fmt, mem, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

/// Rows are handed over in chunks of this many bytes: each hand-over wakes two threads, and clients send frames as
/// small as 8 KiB. It alone took an insert from 115 to 190 thousand rows a second.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that wait for the engine; with the pipe's own bytes, the most an insert holds in memory beside the engine.
const CHUNKS_AHEAD: usize = 4;

/// What passes to the open insert. Only [`Feed::Commit`] commits: a sender that vanishes sends none.
enum Feed {
    Rows(Bytes),
    Commit,
    GiveUp(Exception),
}

/// Runs the insert to its end.
///
/// # Errors
///
/// The engine's failure, or a body that ended early, stood still or could not be decompressed; then nothing of a block
/// that was not yet full (1 048 449 rows) is committed. The whole body has been read by then, so that a client that
/// is still sending gets to read the answer.
pub(super) async fn run(
    engine: &Arc<Engine>,
    access: &Access,
    mut call: Call,
    rows: Rows,
) -> Result<Response<Body>, Exception> {
    let permit = engine.inserts.enter().await?;
    let query_id = call.mark(engine.next_serial());
    let (format, head_end) = (call.format.clone(), rows.head_end);
    let (feed, received) = mpsc::channel(CHUNKS_AHEAD);
    let (job_engine, job_access) = (Arc::clone(engine), access.clone());
    let job = spawn_blocking(move || {
        let _permit = permit;
        execute(&job_engine, &job_access, &call, head_end, received)
    });
    let mut feeder =
        Feeder { feed, frames: Frames::new(rows.compressed), pending: BytesMut::new(), failure: None };
    feeder.take(rows.inline).await;
    if let Some(body) = rows.body {
        feeder.take_body(body, engine.stall_max).await;
    }
    feeder.finish().await;
    let answer = job
        .await
        .map_err(|_panic| Exception::lost("the insert's job died; it is not known what it stored"))??;
    let head = Head { query_id: &query_id, format: &format, counts: Some(answer.counts()) };
    Ok(head.answer(|_tag| whole(Bytes::new())))
}

/// Reads the start of a body that nobody wants, so that its sender comes to read the refusal. Bounded: who sends on and
/// on loses the connection.
pub(super) async fn discard(body: Option<Incoming>, stall_max: Duration) {
    let Some(mut body) = body else { return };
    let mut left = SQL_BYTES_MAX;
    while let Ok(Some(Ok(frame))) = timeout(stall_max, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

/// The blocking side of an insert.
fn execute(
    engine: &Engine,
    access: &Access,
    call: &Call,
    head_end: usize,
    mut received: mpsc::Receiver<Feed>,
) -> Result<Answer, Exception> {
    let mut session = engine.session(&call.settings, call.database.as_deref())?;
    access.check(&mut session, &call.sql)?;
    let head = Statement { sql: &call.sql[..head_end], format: &call.format, params: &call.params };
    let mut insert = session.insert(&head)?;
    loop {
        match received.blocking_recv() {
            Some(Feed::Rows(rows)) if insert.append(&rows) => {}
            // The engine has failed, and says why at the end.
            Some(Feed::Rows(_) | Feed::Commit) => return insert.finish(),
            Some(Feed::GiveUp(exception)) => {
                insert.cancel();
                return Err(exception);
            }
            None => {
                insert.cancel();
                return Err(given_up(format_args!("its client went away")));
            }
        }
    }
}

fn given_up(why: fmt::Arguments<'_>) -> Exception {
    Exception::new(Code::SocketTimeout, format_args!("the insert was given up: {why}"))
}

/// Gathers the body's frames into chunks and feeds them. When the insert has failed, or the body is broken, the rest is
/// taken all the same, and dropped.
struct Feeder {
    /// Closed by the other side when the insert has failed, which it tells by itself.
    feed: mpsc::Sender<Feed>,
    frames: Frames,
    pending: BytesMut,
    /// Why nothing may be committed; the first reason counts.
    failure: Option<Exception>,
}

impl Feeder {
    async fn take(&mut self, frame: Bytes) {
        match self.gather(frame) {
            Ok(Some(chunk)) if self.failure.is_none() => _ = self.feed.send(Feed::Rows(chunk)).await,
            Ok(_) => {}
            Err(exception) => self.fail(exception),
        }
    }

    async fn take_body(&mut self, mut body: Incoming, stall_max: Duration) {
        loop {
            let frame = match timeout(stall_max, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return,
                Ok(Some(Err(error))) => {
                    return self.fail(given_up(format_args!("its body ended early ({error})")));
                }
                Err(_elapsed) => {
                    let seconds = stall_max.as_secs();
                    return self.fail(given_up(format_args!("its body stood still for {seconds} s")));
                }
            };
            if let Ok(data) = frame.into_data() {
                self.take(data).await;
            }
        }
    }

    async fn finish(mut self) {
        if let Err(exception) = self.frames.finish() {
            self.fail(exception);
        }
        let last = match self.failure {
            Some(exception) => vec![Feed::GiveUp(exception)],
            None => vec![Feed::Rows(self.pending.freeze()), Feed::Commit],
        };
        for item in last {
            _ = self.feed.send(item).await;
        }
    }

    fn fail(&mut self, exception: Exception) {
        self.failure.get_or_insert(exception);
    }

    /// The next chunk, when there is enough for one. A large frame is passed on as it is.
    fn gather(&mut self, frame: Bytes) -> Result<Option<Bytes>, Exception> {
        let plain = self.frames.push(frame)?;
        if self.pending.is_empty() && plain.len() >= CHUNK_BYTES {
            return Ok(Some(plain));
        }
        self.pending.extend_from_slice(&plain);
        let full = self.pending.len() >= CHUNK_BYTES;
        Ok(full.then(|| mem::take(&mut self.pending).freeze()))
    }
}
