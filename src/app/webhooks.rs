//! The doors for smarthosts' webhooks.

use crate::app::board::Board;
use crate::app::tls::client_tls;
use crate::config::Webhooks;
use crate::ingest::Intake;
use crate::ingest::http::HttpOptions;
use crate::ingest::webhook::{self, Fetch, HttpsFetch, Settings};
use anyhow::Context;
use axum::Router;
use std::sync::Arc;

/// The routes of the providers that are set up; the others answer that they are not.
pub(super) fn routes(settings: &Webhooks, intake: Intake, board: &mut Board) -> anyhow::Result<Router> {
    let https: Arc<dyn Fetch> = Arc::new(HttpsFetch::new(client_tls(None)?));
    let settings = Settings::load(settings, &https).context("`webhooks`")?;
    let (router, counts) = webhook::routes(intake, settings, &HttpOptions::default());
    board.webhooks(counts);
    Ok(router)
}
