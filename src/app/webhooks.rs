//! The doors for smarthosts' webhooks.

use crate::app::board::Board;
use crate::app::tls::client_tls;
use crate::config::Webhooks;
use crate::ingest::Intake;
use crate::ingest::http::HttpOptions;
use crate::ingest::webhook::{self, Fetch, HttpsFetch, Settings};
use crate::parse::webhook::Provider;
use anyhow::Context;
use axum::Router;
use std::sync::Arc;

/// The routes of the providers that are set up; the others answer that they are not.
pub(super) fn routes(settings: &Webhooks, intake: Intake, board: &mut Board) -> anyhow::Result<Router> {
    let set_up = set_up(settings);
    let https: Arc<dyn Fetch> = Arc::new(HttpsFetch::new(client_tls(None)?));
    let settings = Settings::load(settings, &https).context("`webhooks`")?;
    let (router, counts) = webhook::routes(intake, settings, &HttpOptions::default());
    board.webhooks(counts, set_up);
    Ok(router)
}

/// The providers that have settings.
fn set_up(settings: &Webhooks) -> Vec<Provider> {
    let given = |provider: &Provider| match provider {
        Provider::Ses => settings.ses.is_some(),
        Provider::Sendgrid => settings.sendgrid.is_some(),
        Provider::Mailgun => settings.mailgun.is_some(),
        Provider::Postmark => settings.postmark.is_some(),
        Provider::Sparkpost => settings.sparkpost.is_some(),
        Provider::Brevo => settings.brevo.is_some(),
        Provider::Mailjet => settings.mailjet.is_some(),
        Provider::Resend => settings.resend.is_some(),
        Provider::Postal => settings.postal.is_some(),
        Provider::Stalwart => settings.stalwart.is_some(),
    };
    Provider::ALL.into_iter().filter(given).collect()
}
