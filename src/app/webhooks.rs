//! The doors for smarthosts' webhooks.

use crate::config::Webhooks;
use crate::ingest::Intake;
use crate::ingest::http::HttpOptions;
use crate::ingest::webhook::{self, Fetch, HttpsFetch, Settings};
use anyhow::Context;
use axum::Router;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The routes of the providers that are set up; the others answer that they are not.
pub(super) fn routes(settings: &Webhooks, intake: Intake) -> anyhow::Result<Router> {
    let https: Arc<dyn Fetch> = Arc::new(HttpsFetch::new(tls()?));
    let settings = Settings::load(settings, &https).context("`webhooks`")?;
    let (router, _counts) = webhook::routes(intake, settings, &HttpOptions::default());
    Ok(router)
}

/// Trusts whom the system trusts.
pub(super) fn tls() -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // A system without any has no SES by SNS: fetching a certificate then says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.context("TLS cannot be set up")?.with_root_certificates(roots).with_no_client_auth())
}
