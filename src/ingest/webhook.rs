//! The doors for webhooks: `POST /v1/in/{provider}?source=NAME` for every [`Provider`].
//!
//! Way: `app` merges [`routes`] into the server, outside of the token that guards the other doors: a provider cannot
//! show it, and is asked for its own signature or secret instead (`check`). A genuine body goes into the spool as it
//! came, and only then the answer is 200. What it says is for `parse::webhook`.
//!
//! | | |
//! | --- | --- |
//! | 200 | the body is in the spool; `{"accepted": items}` |
//! | 401, 403 | not genuine, too old, or taken before: `refusal` has the words |
//! | 408, 413, 415, 503 | as the other doors answer; the provider tries again |
//!
//! Nothing is done for a request whose provider has no settings. Its secret is asked for before its body is taken in;
//! a signature can be checked only behind it.
//! Not here: TLS and listening (`app`); events that come twice (`pipeline`).

mod certificate;
mod check;
mod counts;
mod refusal;
mod secret;
mod seen;
mod settings;
mod signed;
mod sns;
#[cfg(test)]
mod tests;

pub use certificate::{Fetch, FetchError, Fetched, FolderFetch, HttpsFetch};
pub use counts::{LastRefusal, WebhookCounts, WebhookStatus};
pub use settings::{Settings, SettingsError};

use crate::ingest::http::answer::Refusal as HttpRefusal;
use crate::ingest::http::body::{self, Encoding, Room};
use crate::ingest::http::{HttpOptions, source};
use crate::ingest::places::Places;
use crate::ingest::{Batch, Intake};
use crate::model::{SourceRef, Timestamp};
use crate::parse::webhook::Provider;
use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::StreamExt as _;
use refusal::Refusal;
use seen::Seen;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Largest body, in bytes: five times the largest batch that any of them makes (`SendGrid`'s 768 kB), and one record of
/// the spool.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What all requests share.
struct Door {
    intake: Intake,
    settings: Settings,
    seen: Seen,
    counts: WebhookCounts,
    places: Places,
    room: Arc<Semaphore>,
    body_timeout: Duration,
}

/// The routes of all providers, and what comes to them.
pub fn routes(intake: Intake, settings: Settings, options: &HttpOptions) -> (Router, WebhookCounts) {
    let counts = WebhookCounts::default();
    let door = Arc::new(Door {
        intake,
        settings,
        seen: Seen::default(),
        counts: counts.clone(),
        places: Places::new(options.requests_max),
        room: Arc::new(Semaphore::new(options.in_flight_bytes_max)),
        body_timeout: options.body_timeout,
    });
    let router = Provider::ALL.into_iter().fold(Router::new(), |router, provider| {
        let take = move |State(door): State<Arc<Door>>, asked, headers, body| async move {
            door.answer(provider, asked, &headers, body).await
        };
        router.route(&format!("/v1/in/{}", provider.name()), post(take))
    });
    (router.with_state(door), counts)
}

type Asked = Result<Query<WebhookQuery>, QueryRejection>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookQuery {
    /// The name of the source, for those with several accounts.
    source: Option<String>,
    /// A secret, for providers that can show it nowhere else.
    token: Option<String>,
}

#[derive(Serialize)]
struct Taken {
    accepted: u64,
}

impl Door {
    async fn answer(
        &self,
        provider: Provider,
        asked: Asked,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Json<Taken>, Refusal> {
        let now = self.intake.now();
        match self.take(provider, asked, headers, body, now).await {
            Ok(accepted) => {
                self.counts.note_taken(provider, accepted, now);
                Ok(Json(Taken { accepted }))
            }
            Err(refusal) => {
                self.counts.note_refused(provider, &refusal, now);
                Err(refusal)
            }
        }
    }

    async fn take(
        &self,
        provider: Provider,
        asked: Asked,
        headers: &HeaderMap,
        body: Body,
        now: Timestamp,
    ) -> Result<u64, Refusal> {
        let check = self.settings.check(provider).ok_or(Refusal::NotSetUp(provider.name()))?;
        let Query(query) = asked.map_err(HttpRefusal::from)?;
        let source = source(provider.kind(), query.source)?;
        check.admit(headers, query.token.as_deref())?;
        let (payload, _room) = self.receive(headers, body).await?;
        let verified = check.verify(headers, &payload, now).await?;
        let claim = match verified.mark {
            Some((mark, until)) => Some(self.seen.claim(mark, now, until).ok_or(Refusal::Replayed)?),
            None => None,
        };
        let accepted = self.spool(source, payload, now).await?;
        if let Some(url) = &verified.subscribe {
            check.confirm(url).await?;
        }
        if let Some(claim) = claim {
            claim.keep();
        }
        Ok(accepted)
    }

    /// Takes the body in. The room must be held for as long as the bytes.
    async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<(Bytes, Room), Refusal> {
        let received = async {
            // what was signed are the bytes as they came, and no provider packs them
            if Encoding::of(headers)? != Encoding::Identity {
                return Err(Refusal::Http(HttpRefusal::Encoding));
            }
            check_length(usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX))?;
            let place = self.places.take().ok_or(HttpRefusal::Busy)?;
            let mut room = Room::new(Arc::clone(&self.room), place);
            let payload = tokio::time::timeout(self.body_timeout, body::collect(bounded(body), &mut room))
                .await
                .map_err(|_| HttpRefusal::Slow(self.body_timeout))??;
            check_length(payload.len())?;
            Ok((payload, room))
        };
        let received = received.await;
        if let Err(Refusal::Http(HttpRefusal::Busy)) = &received {
            self.intake.note_turned_away();
        }
        received
    }

    async fn spool(&self, source: SourceRef, payload: Bytes, now: Timestamp) -> Result<u64, Refusal> {
        let batch = Batch::of_request(source, now, payload);
        self.intake.accept(&batch).await.map_err(|fault| {
            self.intake.note_turned_away();
            Refusal::Http(HttpRefusal::Spool(fault))
        })
    }
}

/// The body up to the piece with which it becomes too large.
fn bounded(body: Body) -> Body {
    let mut bytes = 0;
    let fits = move |piece: &Result<Bytes, axum::Error>| {
        let fits = bytes <= BODY_BYTES_MAX;
        bytes += piece.as_ref().map_or(0, Bytes::len);
        std::future::ready(fits)
    };
    Body::from_stream(body.into_data_stream().take_while(fits))
}

fn check_length(bytes: usize) -> Result<(), Refusal> {
    if bytes > BODY_BYTES_MAX {
        return Err(Refusal::TooLarge { bytes, bytes_max: BODY_BYTES_MAX });
    }
    Ok(())
}
