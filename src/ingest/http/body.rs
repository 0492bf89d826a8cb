//! The body of a request: taken in and unpacked within limits.
//!
//! Way: the handlers collect a body on their task and unpack it on a blocking thread.
//! Source: RFC 9110 section 8.4 (`Content-Encoding`); RFC 9659 (the window of zstd in HTTP).

use crate::ingest::files::ZstdReader;
use crate::ingest::http::answer::Refusal;
use crate::ingest::places::Place;
use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt as _;
use std::io::Read;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Largest body as sent, in bytes: the largest mail that is read. Of events it holds some thirty thousand, packed ten
/// times as many.
pub(super) const BODY_BYTES_MAX: usize = 50 * 1024 * 1024;

/// Largest unpacked body, in bytes. A body of bombs stops here, having held no more than this and its packed form.
pub(super) const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The window of zstd that a receiver must support, and senders must not exceed: 8 MiB (RFC 9659).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How much is unpacked at once, in bytes.
const STEP_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ingest) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    pub(in crate::ingest) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            let none = headers.get(header::CONTENT_ENCODING).is_none();
            return if none { Ok(Self::Identity) } else { Err(Refusal::Encoding) };
        };
        match value.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            _ => Err(Refusal::Encoding),
        }
    }
}

/// A place among the requests under way, and the part of the memory for bodies that this one holds.
///
/// It is never waited for: requests that wait while they hold some could wait for each other.
pub(in crate::ingest) struct Room {
    free: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    place: Place,
}

impl Room {
    pub(in crate::ingest) const fn new(free: Arc<Semaphore>, place: Place) -> Self {
        Self { free, held: None, place }
    }

    /// Takes room for `bytes` more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Busy)?;
        let more = Arc::clone(&self.free).try_acquire_many_owned(bytes).map_err(|_| Refusal::Busy)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

/// Takes in the body as it was sent. A body that comes in one piece is not copied.
pub(in crate::ingest) async fn collect(mut body: Body, room: &mut Room) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    if announced > BODY_BYTES_MAX as u64 {
        return Err(Refusal::BodyTooLarge);
    }
    let mut pieces = Pieces::default();
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = room.place.lost() => return Err(Refusal::Busy),
        };
        let Some(frame) = frame else { return Ok(pieces.whole()) };
        let Ok(piece) = frame.map_err(|_| Refusal::CutOff)?.into_data() else { continue };
        if pieces.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        room.grow(piece.len())?;
        pieces.push(piece);
    }
}

/// The pieces of a body. The first one is kept as it came until there is a second.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    all: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&piece);
    }

    fn whole(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// Unpacks a body.
pub(super) fn unpack(encoding: Encoding, packed: Bytes, room: &mut Room) -> Result<Bytes, Refusal> {
    if packed.is_empty() {
        return Ok(packed);
    }
    match encoding {
        Encoding::Identity => Ok(packed),
        Encoding::Gzip => {
            read_all(&mut MultiGzDecoder::new(&*packed), room).map_err(|fault| fault.of("gzip"))
        }
        Encoding::Zstd => {
            let mut unpacker = ZstdReader::new(&*packed, ZSTD_WINDOW_LOG_MAX).map_err(|_| Refusal::Broken)?;
            let bytes = read_all(&mut unpacker, room).map_err(|fault| fault.of("zstd"))?;
            if unpacker.is_within_frame() { Err(Refusal::Unpack("zstd")) } else { Ok(bytes) }
        }
    }
}

enum Fault {
    Unsound,
    Refused(Refusal),
}

impl Fault {
    fn of(self, encoding: &'static str) -> Refusal {
        match self {
            Self::Unsound => Refusal::Unpack(encoding),
            Self::Refused(refusal) => refusal,
        }
    }
}

fn read_all(unpacker: &mut impl Read, room: &mut Room) -> Result<Bytes, Fault> {
    let mut bytes = Vec::new();
    loop {
        let step = unpacker.by_ref().take(STEP_BYTES as u64).read_to_end(&mut bytes);
        match step.map_err(|_| Fault::Unsound)? {
            0 => return Ok(bytes.into()),
            _ if bytes.len() > UNPACKED_BYTES_MAX => {
                return Err(Fault::Refused(Refusal::UnpackedTooLarge));
            }
            read => room.grow(read).map_err(Fault::Refused)?,
        }
    }
}
