//! The HTTP doors: events, `KumoMTA` records and Postfix log lines by POST.
//!
//! Way: [`router`] is merged into the server by `app`; `body` takes the bytes in, `frame` finds the lines, `check`
//! tells the sender of events which of them are none, [`Intake`] spools the rest, `answer` says so.
//!
//! | | |
//! | --- | --- |
//! | `POST /v1/events?source=NAME` | events, a line or array element each; bad ones are answered |
//! | `POST /v1/in/kumomta?source=NAME` | records of `KumoMTA`'s log hook; all are taken |
//! | `POST /v1/in/{postfix,exim,powermta,haraka,zonemta}?source=NAME&file=ID&offset=N` | raw log lines from a shipper; all are taken |
//! | `POST /v1/in/hubspot?source=NAME` | a page or export of HubSpot's e-mail events |
//! | `POST /v1/in/mail?source=NAME` | one mail that came back: a bounce, a complaint, a report |
//! | `POST /v1/in/report?source=NAME` | one DMARC or TLS report without a mail around it, packed or not |
//!
//! A relay cannot mend what it logged, so broken records from one are taken and become rejects in the pipeline.
//! Not here: TLS, listening, health (`app`).

pub(in crate::ingest) mod answer;
pub(in crate::ingest) mod body;
mod check;
mod frame;
#[cfg(test)]
mod tests;

use crate::ingest::places::Places;
use crate::ingest::{Batch, Intake};
use crate::model::{SourceKind, SourceRef, Text, Timestamp};
use answer::{LineError, Receipt, Refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::post;
use body::{Encoding, Room};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The source of a request that names none.
pub const SOURCE_DEFAULT: &str = "http";

/// Longest name of a source in a request, in bytes: that of a host name's label and one more.
pub const SOURCE_NAME_BYTES_MAX: usize = 64;

/// Longest id of a shipper's file, in bytes: longer than any path that a shipper uses as one.
pub const FILE_BYTES_MAX: usize = 1024;

/// What is taken as it was written, in whatever pieces it comes.
const LOG_KINDS: [SourceKind; 6] = [
    SourceKind::Postfix,
    SourceKind::Exim,
    SourceKind::Powermta,
    SourceKind::Haraka,
    SourceKind::Zonemta,
    SourceKind::Hubspot,
];

/// How the HTTP doors are set up.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// Most requests under way: 256. Each may hold a thread while its body is unpacked and checked.
    pub requests_max: usize,
    /// Most bytes of bodies in memory, packed and unpacked together: 256 MiB, a handful of the largest requests at once.
    pub in_flight_bytes_max: usize,
    /// How long a body may take to arrive: 30 seconds, so that slow senders do not hold all places.
    pub body_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            requests_max: 256,
            in_flight_bytes_max: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
        }
    }
}

/// What all requests share.
struct Door {
    intake: Intake,
    places: Places,
    room: Arc<Semaphore>,
    body_timeout: Duration,
}

/// The routes of the HTTP doors.
pub fn router(intake: Intake, options: HttpOptions) -> Router {
    let door = Arc::new(Door {
        intake,
        places: Places::new(options.requests_max),
        room: Arc::new(Semaphore::new(options.in_flight_bytes_max)),
        body_timeout: options.body_timeout,
    });
    let logs = LOG_KINDS.into_iter().fold(Router::new(), |router, kind| {
        let take = move |State(door), asked, headers, body| log(kind, door, asked, headers, body);
        router.route(&format!("/v1/in/{kind}"), post(take))
    });
    logs.route("/v1/events", post(events))
        .route("/v1/in/kumomta", post(kumomta))
        .route("/v1/in/mail", post(mail))
        .route("/v1/in/report", post(report))
        .with_state(door)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceQuery {
    source: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LogQuery {
    source: Option<String>,
    /// What the shipper calls the file: an inode, a fingerprint, a path.
    #[serde(default)]
    file: String,
    #[serde(default)]
    offset: u64,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

async fn events(
    State(door): State<Arc<Door>>,
    asked: Asked<SourceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Receipt, Refusal> {
    let source = source(SourceKind::Ndjson, asked?.0.source)?;
    let received = door.intake.now();
    let (checked, _room) =
        door.receive(&headers, body, move |bytes, room| check::events(bytes, received, room)).await?;
    let accepted = door.accept(Batch::of_request(source, received, checked.payload)).await?;
    door.intake.note_refused(checked.rejected);
    Ok(Receipt::new(accepted, checked.rejected, checked.errors))
}

async fn kumomta(
    State(door): State<Arc<Door>>,
    asked: Asked<SourceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Receipt, Refusal> {
    let source = source(SourceKind::Kumomta, asked?.0.source)?;
    let received = door.intake.now();
    let (payload, _room) = door.receive(&headers, body, frame::records).await?;
    let accepted = door.accept(Batch::of_request(source, received, payload)).await?;
    Ok(Receipt::new(accepted, 0, Vec::new()))
}

async fn log(
    kind: SourceKind,
    door: Arc<Door>,
    asked: Asked<LogQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Receipt, Refusal> {
    let LogQuery { source: name, file, offset } = asked?.0;
    let source = source(kind, name)?;
    if file.len() > FILE_BYTES_MAX {
        return Err(Refusal::FileName);
    }
    let received = door.intake.now();
    let (payload, _room) = door.receive(&headers, body, |bytes, _| Ok(bytes)).await?;
    let batch = Batch { file: Text::from(file), offset, ..Batch::of_request(source, received, payload) };
    Ok(Receipt::new(door.accept(batch).await?, 0, Vec::new()))
}

async fn mail(
    State(door): State<Arc<Door>>,
    asked: Asked<SourceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Receipt, Refusal> {
    door.take_whole(source(SourceKind::Mail, asked?.0.source)?, &headers, body).await
}

async fn report(
    State(door): State<Arc<Door>>,
    asked: Asked<SourceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Receipt, Refusal> {
    door.take_whole(source(SourceKind::Report, asked?.0.source)?, &headers, body).await
}

impl Door {
    /// Takes a body that is one item. Nobody could mend a mail that cannot be read, so all are taken.
    async fn take_whole(
        &self,
        source: SourceRef,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Receipt, Refusal> {
        let received = self.intake.now();
        let (payload, _room) = self.receive(headers, body, |bytes, _| Ok(bytes)).await?;
        let accepted = self.accept(Batch::of_request(source, received, payload)).await?;
        Ok(Receipt::new(accepted, 0, Vec::new()))
    }

    /// Takes a body in, unpacks it and has `read` look at it, on a thread where it may take its time. The room must
    /// be held for as long as the bytes.
    async fn receive<T: Send + 'static>(
        &self,
        headers: &HeaderMap,
        body: Body,
        read: impl FnOnce(Bytes, &mut Room) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<(T, Room), Refusal> {
        let received = async {
            let encoding = Encoding::of(headers)?;
            let place = self.places.take().ok_or(Refusal::Busy)?;
            let mut room = Room::new(Arc::clone(&self.room), place);
            let packed = tokio::time::timeout(self.body_timeout, body::collect(body, &mut room))
                .await
                .map_err(|_| Refusal::Slow(self.body_timeout))??;
            let work = move || {
                let bytes = body::unpack(encoding, packed, &mut room)?;
                Ok((read(bytes, &mut room)?, room))
            };
            tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Broken)?
        };
        let received = received.await;
        if let Err(Refusal::Busy) = &received {
            self.intake.note_turned_away();
        }
        received
    }

    async fn accept(&self, batch: Batch) -> Result<u64, Refusal> {
        self.intake.accept(&batch).await.map_err(|fault| {
            self.intake.note_turned_away();
            Refusal::Spool(fault)
        })
    }
}

impl Batch {
    pub(in crate::ingest) fn of_request(source: SourceRef, received: Timestamp, payload: Bytes) -> Self {
        Self { source, received, file: Text::default(), offset: 0, payload }
    }
}

/// The source that a request names. Its characters are those that need no escape in a URL, a label or a page.
pub(in crate::ingest) fn source(kind: SourceKind, name: Option<String>) -> Result<SourceRef, Refusal> {
    let name = name.unwrap_or_else(|| SOURCE_DEFAULT.to_owned());
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > SOURCE_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(Refusal::SourceName);
    }
    Ok(SourceRef { kind, name: name.into() })
}
