//! One file for each page: what it asks the store, and how it puts the answers together.

mod alerts;
mod audit;
mod bounces;
mod complaints;
mod deferrals;
mod dmarc;
mod health;
mod mail;
mod messages;
mod metrics;
mod overview;
mod providers;
mod rejects;
mod reputation;
mod sources;
mod suppressions;
mod tls_reports;
mod trace;

use crate::web::Site;
use crate::web::error::PageError;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/providers", get(providers::show))
        .route("/bounces", get(bounces::show))
        .route("/complaints", get(complaints::show))
        .merge(alerts::routes())
        .merge(dmarc::routes())
        .merge(suppressions::routes())
        .route("/audit", get(audit::show))
        .route("/tls", get(tls_reports::show))
        .merge(reputation::routes())
        .route("/deferrals", get(deferrals::show))
        .route("/messages", get(messages::show))
        .route("/messages/trace", get(trace::show))
        .route("/mails/{id}", get(mail::show))
        .route("/sources", get(sources::show))
        .route("/health", get(health::show))
        .route("/health/rejects", get(rejects::show))
        .route("/help/metrics", get(metrics::show))
}

pub(crate) async fn not_found() -> PageError {
    PageError::NotFound("such page")
}
