//! Runs a statement that brings no rows, and sends its answer while the engine makes it.
//!
//! Way: `service` calls [`run`]; a blocking thread runs the statement and passes pieces through a short queue into the
//! body of the answer.
//! Source: behaviour of the library, measured on chDB 26.7.3 (see each constant).
//! Not here: inserts with rows (`insert`).

use super::{
    Engine,
    access::Access,
    answer::{Body, Head, RepeatedHeader},
    exception::Exception,
    ffi::{Answer, Counts, Cursor, Statement},
    request::Call,
};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{Response, body::Frame};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

/// Pieces made ahead of the reader; each is one of the engine's blocks, about 0.5 to 13 MB.
const PIECES_AHEAD: usize = 2;
/// How long an abandoned job may take to end by itself, which it does between two pieces. An immediate `KILL` for each
/// dropped request took most of the engine's time under load.
const KILL_GRACE: Duration = Duration::from_millis(20);
/// Longest wait before the next `KILL`, for a job that was not yet in the engine's list at the first.
const KILL_AGAIN_MAX: Duration = Duration::from_secs(1);
/// How long a client may take to read the trailer of a failed answer and go, before the answer is broken off. The
/// official client only knows a trailer that reaches it in one piece: without the break, one cut in two by the
/// connection's buffers would pass for rows of a whole answer.
const TRAILER_TIME_MAX: Duration = Duration::from_secs(2);
/// Changes the look of JSON rows so that pieces no longer join.
const JSON_ARRAY_SETTING: &str = "output_format_json_array_of_rows";
/// How the library says that it streams `SELECT` only. Nothing was run then.
const NOT_STREAMABLE: &str = "Streaming query is not supported";

/// What passes from the job to the answer. Only [`Piece::End`] makes an answer whole: a job that vanishes sends none.
enum Piece {
    /// Comes first, when the statement had ended before its first byte.
    Counts(Counts),
    Data(Bytes),
    End,
    Failed(Exception),
}

/// Why a job stops before its end.
enum Stop {
    Failed(Exception),
    /// Nobody reads the answer any more, or nobody has for [`super::EngineSettings::stall_max`].
    ReaderGone,
}

impl From<Exception> for Stop {
    fn from(exception: Exception) -> Self {
        Self::Failed(exception)
    }
}

/// Runs the statement; returns when its first piece is there.
///
/// # Errors
///
/// The failure of a statement that gave no rows yet. A later one travels in the answer's body.
pub(super) async fn run(
    engine: &Arc<Engine>,
    access: &Access,
    mut call: Call,
) -> Result<Response<Body>, Exception> {
    let gate = if access.is_read_only() { &engine.reader_queries } else { &engine.queries };
    let permit = gate.enter().await?;
    let query_id = call.mark(engine.next_serial());
    let (format, data_dir_owner) = (call.format.clone(), Arc::clone(engine));
    let (pieces, mut received) = mpsc::channel(PIECES_AHEAD);
    let job =
        Job { engine: Arc::clone(engine), access: access.clone(), call, pieces, runtime: Handle::current() };
    let handle = spawn_blocking(move || {
        let _permit = permit;
        job.run();
    });
    let mut guard = KillGuard { engine: data_dir_owner, query_id: query_id.clone(), job: Some(handle) };
    let mut counts = None;
    let first = loop {
        match received.recv().await.unwrap_or_else(vanished) {
            Piece::Counts(known) => counts = Some(known),
            Piece::Failed(exception) => {
                guard.disarm();
                return Err(exception);
            }
            piece => break piece,
        }
    };
    let head = Head { query_id: &query_id, format: &format, counts };
    Ok(head.answer(|tag| {
        Pieces { first: Some(first), received, guard, tag, state: BodyState::Open }.into_body()
    }))
}

fn vanished() -> Piece {
    Piece::Failed(Exception::lost(
        "the answer was given up: its reader took nothing for too long, or its job died",
    ))
}

/// The blocking side of a statement.
struct Job {
    engine: Arc<Engine>,
    access: Access,
    call: Call,
    pieces: mpsc::Sender<Piece>,
    runtime: Handle,
}

impl Job {
    fn run(self) {
        let last = match self.execute() {
            Ok(()) => Piece::End,
            Err(Stop::Failed(exception)) => Piece::Failed(exception),
            Err(Stop::ReaderGone) => return,
        };
        // A reader that has gone needs no last word.
        let _gone = self.send(last);
    }

    fn execute(&self) -> Result<(), Stop> {
        let call = &self.call;
        let mut session = self.engine.session(&call.settings, call.database.as_deref())?;
        self.access.check(&mut session, &call.sql)?;
        if self.pieces.is_closed() {
            return Err(Stop::ReaderGone);
        }
        let statement = Statement { sql: &call.sql, format: &call.format, params: &call.params };
        if let Some(header) = joining_header(call) {
            match session.stream(&statement) {
                Ok(cursor) => return self.forward(cursor, header),
                Err(exception) if exception.text.contains(NOT_STREAMABLE) => {}
                Err(exception) => return Err(exception.into()),
            }
        }
        let answer = session.query(&statement)?;
        self.send(Piece::Counts(answer.counts()))?;
        self.send_data(Bytes::from_owner(answer))
    }

    fn forward(&self, mut cursor: Cursor<'_>, mut header: RepeatedHeader) -> Result<(), Stop> {
        while let Some(piece) = cursor.next()? {
            self.send_data(header.cut(Bytes::from_owner::<Answer>(piece))?)?;
        }
        Ok(())
    }

    fn send_data(&self, data: Bytes) -> Result<(), Stop> {
        if data.is_empty() { Ok(()) } else { self.send(Piece::Data(data)) }
    }

    fn send(&self, piece: Piece) -> Result<(), Stop> {
        let sent =
            self.runtime.block_on(async { timeout(self.engine.stall_max, self.pieces.send(piece)).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stop::ReaderGone),
        }
    }
}

/// The header to cut, when the answer can be sent piece by piece; `None` when it has to be made whole first.
fn joining_header(call: &Call) -> Option<RepeatedHeader> {
    let wrapped = call.format.starts_with("JSON")
        && (call.sql.contains(JSON_ARRAY_SETTING)
            || call.settings.iter().any(|(name, _)| name == JSON_ARRAY_SETTING));
    if call.wait_end_of_query || wrapped { None } else { RepeatedHeader::of(&call.format) }
}

/// The reading side of a statement: the body of its answer.
struct Pieces {
    first: Option<Piece>,
    received: mpsc::Receiver<Piece>,
    guard: KillGuard,
    tag: String,
    state: BodyState,
}

enum BodyState {
    Open,
    TrailerSent,
    Ended,
}

impl Pieces {
    fn into_body(self) -> Body {
        StreamBody::new(stream::unfold(self, Self::next)).boxed_unsync()
    }

    async fn next(mut self) -> Option<(io::Result<Frame<Bytes>>, Self)> {
        match self.state {
            BodyState::Open => {}
            BodyState::TrailerSent => {
                sleep(TRAILER_TIME_MAX).await;
                self.state = BodyState::Ended;
                return Some((Err(io::Error::other("the statement failed after its first rows")), self));
            }
            BodyState::Ended => return None,
        }
        let piece = match self.first.take() {
            Some(first) => first,
            None => self.received.recv().await.unwrap_or_else(vanished),
        };
        let bytes = match piece {
            Piece::Data(bytes) => bytes,
            Piece::Failed(exception) => {
                self.guard.disarm();
                self.state = BodyState::TrailerSent;
                exception.with_advice(self.guard.engine.data_dir()).trailer(&self.tag)
            }
            Piece::End | Piece::Counts(_) => {
                self.guard.disarm();
                return None;
            }
        };
        Some((Ok(Frame::data(bytes)), self))
    }
}

/// Ends the statement when its answer is dropped before the end: the client went away.
struct KillGuard {
    engine: Arc<Engine>,
    query_id: String,
    job: Option<JoinHandle<()>>,
}

impl KillGuard {
    fn disarm(&mut self) {
        self.job = None;
    }
}

impl Drop for KillGuard {
    fn drop(&mut self) {
        // Outside of a runtime the process is ending, and the job with it.
        if let (Some(job), Ok(runtime)) = (self.job.take(), Handle::try_current()) {
            runtime.spawn(end_abandoned(Arc::clone(&self.engine), self.query_id.clone(), job));
        }
    }
}

async fn end_abandoned(engine: Arc<Engine>, query_id: String, mut job: JoinHandle<()>) {
    let mut wait = KILL_GRACE;
    while timeout(wait, &mut job).await.is_err() {
        let (engine, query_id) = (Arc::clone(&engine), query_id.clone());
        // A panic in there has been told already; the next round tries again.
        let _told = spawn_blocking(move || engine.kill(&query_id)).await;
        wait = (wait * 2).min(KILL_AGAIN_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::tests::engine;

    /// The bytes of a body, and whether it came to its proper end.
    async fn collect(pieces: Vec<Piece>) -> (String, bool) {
        let (send, received) = mpsc::channel(8);
        for piece in pieces {
            assert!(send.send(piece).await.is_ok());
        }
        drop(send);
        let guard = KillGuard { engine: Arc::clone(engine()), query_id: String::new(), job: None };
        let pieces = Pieces { first: None, received, guard, tag: "tag".into(), state: BodyState::Open };
        let (mut body, mut bytes) = (pieces.into_body(), Vec::new());
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend(frame.into_data().unwrap()),
                Err(_) => return (String::from_utf8(bytes).unwrap(), false),
            }
        }
        (String::from_utf8(bytes).unwrap(), true)
    }

    #[tokio::test]
    async fn only_an_answer_with_an_end_is_whole() {
        assert_eq!(collect(vec![Piece::Data("rows".into()), Piece::End]).await, ("rows".into(), true));
    }

    #[tokio::test]
    async fn a_job_that_vanishes_leaves_a_tagged_error_and_a_broken_answer() {
        let (cut, whole) = collect(vec![Piece::Data("rows".into())]).await;
        assert!(cut.starts_with("rows\r\n__exception__\r\ntag\r\nCode: 49."), "{cut}");
        assert!(cut.ends_with(" tag\r\n__exception__\r\n"), "{cut}");
        assert!(!whole);
    }
}
