//! Requests to the server that owns the data folder.

use crate::app::{Handover, read_token};
use crate::config::Config;
use anyhow::Context;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Duration;

/// Tries again while the server says "later": its spool is full, or it is busy.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// About an hour: by then a database that is down needs a person.
const TRIES_MAX: u32 = 1800;

/// An answer that is well; else its error, in the words of the API.
pub(super) async fn well(answer: Response<Body>) -> anyhow::Result<Response<Body>> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    let told: Option<Value> = serde_json::from_slice(&bytes).ok();
    let message = told.as_ref().and_then(|told| told["error"]["message"].as_str());
    let text = String::from_utf8_lossy(&bytes);
    anyhow::bail!("{}", message.map_or_else(|| format!("{status}: {}", text.trim_end()), ToOwned::to_owned))
}

pub(super) struct Remote {
    client: Client<HttpConnector, Body>,
    url: String,
    token: Option<String>,
}

impl Remote {
    pub(super) fn to(config: &Config, server: Handover) -> anyhow::Result<Self> {
        let token = read_token(config)?;
        Ok(Self { client: Client::builder(TokioExecutor::new()).build_http(), url: server.url, token })
    }

    /// Asks and returns the answer's body.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        let answer = self.send(Method::GET, path, Body::empty()).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        let text = || String::from_utf8_lossy(&bytes).trim_end().to_owned();
        anyhow::ensure!(status.is_success(), "the running server answered {status}: {}", text());
        Ok(bytes)
    }

    /// Sends a request once, and returns the answer whatever its status.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let answer = self.client.request(request.body(body)?).await;
        Ok(answer.context("the running server does not answer")?.map(Body::new))
    }

    /// Posts a body and returns the answer's.
    pub(super) async fn post(&self, path: &str, body: Bytes) -> anyhow::Result<Bytes> {
        for _ in 0..TRIES_MAX {
            let answer = self.send(Method::POST, path, body.clone().into()).await?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await?.to_bytes();
            // 400 from `/v1/events` means that no line could be read; its answer says which and why.
            if status.is_success() || status == hyper::StatusCode::BAD_REQUEST {
                return Ok(bytes);
            }
            let text = String::from_utf8_lossy(&bytes);
            anyhow::ensure!(
                matches!(status.as_u16(), 429 | 503),
                "the running server answered {status}: {}",
                text.trim_end()
            );
            tokio::time::sleep(TRY_AGAIN).await;
        }
        anyhow::bail!("the running server has been full for an hour; see its /health page")
    }
}
