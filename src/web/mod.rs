//! The pages, the JSON API and the probes. Reads the store; changes the suppression list alone, by `desk`, which writes
//! each change into the audit log.
//!
//! Way: [`router`] is merged with the doors of `ingest` by `app`. A request's query string becomes `params::Params`, a
//! page or API file asks the store with them, `parts` draws the answers, `error` tells what went wrong.
//! Not here: accepting events (`ingest`), SQL (`store::query`).

mod api;
mod assets;
mod desk;
mod dictionary;
mod error;
mod format;
mod memo;
mod observe;
mod observe_alerts;
mod pages;
mod params;
mod parts;
mod series;
mod signing;
mod status;
mod unsubscribe;
mod warmup;

pub use signing::{Signer, signing_routes};
pub use status::{SourceDoor, SourceStatus, SpoolStatus, Status, StatusSource};
pub use unsubscribe::{Leave, LeaveRefused, UnsubscribeDoor, unsubscribe_routes};

use crate::alert::Alerts;
use crate::reputation::warmup::WarmupPlan;
use crate::store::query::{SourceFreshness, TimeRange};
use crate::store::{Store, StoreError};
use crate::suppression::hooks::Hook;
use crate::suppression::imports::Imports;
use crate::suppression::list::List;
use crate::web::memo::Memo;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

/// Nothing from other hosts, no script or style in the page itself; JSON for charts stands in script elements of a type
/// that browsers do not run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The values of the filter bar change slowly; each range keeps them for a minute.
const CHOICES_AGE_MAX_S: i64 = 60;

/// Freshness stands on every page, and a page of a few seconds ago is fresh enough.
const FRESHNESS_AGE_MAX_S: i64 = 5;

/// What the pages need.
#[derive(Clone)]
pub struct WebState {
    pub store: Store,
    /// The suppression list.
    pub list: List,
    pub status: StatusSource,
    pub imports: Imports,
    /// Receivers that follow the list.
    pub hooks: Vec<Hook>,
    /// Turns true when the process ends: answers that wait for changes end with it.
    pub stopped: watch::Receiver<bool>,
    /// Plans by which addresses and domains are brought to volume.
    pub warmups: Vec<WarmupPlan>,
    pub alerts: Arc<Alerts>,
    /// Says on every page that this is no live mail, such as "This is a recording of …".
    pub demo: Option<String>,
    /// The time of day in seconds since 1970; an argument, so that tests and recordings can fix it.
    pub clock: fn() -> i64,
}

/// [`WebState`] with what the pages remember between requests.
pub(crate) struct Site {
    state: WebState,
    choices: Memo<(i64, i64), parts::Choices>,
    freshness: Memo<(), Arc<Vec<SourceFreshness>>>,
    page_seconds: observe::PageSeconds,
    /// One for each answer that waits for changes of the list.
    followers: Arc<Semaphore>,
}

pub(crate) type SharedSite = axum::extract::State<Arc<Site>>;

impl Site {
    pub(crate) const fn store(&self) -> &Store {
        &self.state.store
    }

    pub(crate) const fn list(&self) -> &List {
        &self.state.list
    }

    pub(crate) const fn imports(&self) -> &Imports {
        &self.state.imports
    }

    pub(crate) fn hooks(&self) -> &[Hook] {
        &self.state.hooks
    }

    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.state.stopped.clone()
    }

    pub(crate) fn alerts(&self) -> &Alerts {
        &self.state.alerts
    }

    pub(crate) fn status(&self) -> Status {
        self.state.status.read()
    }

    pub(crate) fn now_unix(&self) -> i64 {
        (self.state.clock)()
    }

    pub(crate) fn warmups(&self) -> &[WarmupPlan] {
        &self.state.warmups
    }

    pub(crate) fn demo_text(&self) -> Option<String> {
        self.state.demo.clone()
    }

    /// The values that the filter bar offers for a range of whole hours.
    pub(crate) async fn choices(&self, range: TimeRange) -> Result<parts::Choices, StoreError> {
        let key = (range.from_unix, range.to_unix);
        let ask = async { Ok(Arc::new(self.store().dimension_values(&range, parts::CHOICES_MAX).await?)) };
        self.choices.get(key, self.now_unix(), ask).await
    }

    /// The newest event of each source.
    pub(crate) async fn freshness(&self) -> Result<Arc<Vec<SourceFreshness>>, StoreError> {
        let ask = async { Ok(Arc::new(self.store().freshness().await?)) };
        self.freshness.get((), self.now_unix(), ask).await
    }
}

/// All addresses of the product but those of the doors.
pub fn router(state: WebState) -> Router {
    let site = Arc::new(Site {
        state,
        choices: Memo::new(CHOICES_AGE_MAX_S),
        freshness: Memo::new(FRESHNESS_AGE_MAX_S),
        page_seconds: observe::page_seconds(),
        followers: Arc::new(Semaphore::new(api::FOLLOWERS_MAX)),
    });
    let timed = axum::middleware::from_fn_with_state(Arc::clone(&site), observe::time_page);
    Router::new()
        .merge(pages::routes())
        .nest("/api/v1", api::routes())
        .route_layer(timed)
        .merge(observe::routes())
        .route("/assets/{version}/{*name}", get(assets::show))
        .fallback(pages::not_found)
        .with_state(site)
        .layer(CompressionLayer::new())
        .layer(fixed_header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(fixed_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed_header(header::REFERRER_POLICY, "same-origin"))
        // pages hold addresses of people: only their reader's browser may keep them, and must ask again
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ))
}

fn fixed_header(name: header::HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
