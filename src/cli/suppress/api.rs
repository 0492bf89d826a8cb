//! Requests to the API: of the server that owns the data folder, or of this process when none runs.

use crate::app::{Handover, LocalApi};
use crate::cli::Common;
use crate::cli::remote::{Remote, well};
use anyhow::Context;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) const PATH: &str = "/api/v1/suppressions";

pub(in crate::cli) enum Api {
    Remote(Box<Remote>),
    Local(Box<LocalApi>),
}

impl Api {
    pub(super) async fn open(common: &Common) -> anyhow::Result<Self> {
        let config = common.settings()?;
        Ok(match Handover::find(&config.data_dir) {
            Some(server) => Self::Remote(Box::new(Remote::to(&config, server)?)),
            None => Self::Local(Box::new(LocalApi::open(&config).await?)),
        })
    }

    /// Does one thing, then closes what was opened, however it went.
    pub(in crate::cli) async fn with<T>(
        common: &Common,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let api = Self::open(common).await?;
        let done = work(&api).await;
        let closed = match api {
            Self::Remote(_) => Ok(()),
            Self::Local(local) => local.close().await,
        };
        let done = done?;
        closed.map(|()| done)
    }

    /// Sends a request; the answer is well, or an error in the words of the API.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> anyhow::Result<Response<Body>> {
        let answer = match self {
            Self::Remote(remote) => remote.send(method, path, body).await?,
            Self::Local(local) => local.send(Request::builder().method(method).uri(path).body(body)?).await,
        };
        well(answer).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.read(self.send(Method::GET, path, Body::empty()).await?).await
    }

    pub(in crate::cli) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let body = Body::from(Bytes::from(serde_json::to_vec(body)?));
        self.read(self.send(Method::POST, path, body).await?).await
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, answer: Response<Body>) -> anyhow::Result<T> {
        let bytes = answer.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&bytes).context("the API answered with something else than was asked for")
    }
}

/// A query string of what is given.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// The path of an address.
pub(super) fn path_of(address: &str) -> String {
    // The form's way of writing, but for the blank, which an address in a path has as `%20`.
    let written: String = form_urlencoded::byte_serialize(address.trim().as_bytes()).collect();
    format!("{PATH}/{}", written.replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_any_letters_makes_a_path() {
        assert_eq!(path_of(" a+b/c d@ü.example "), format!("{PATH}/a%2Bb%2Fc%20d%40%C3%BC.example"));
    }

    #[test]
    fn what_is_not_given_is_not_asked() {
        assert_eq!(query(&[("a", "1 2"), ("b", ""), ("c", "&")]), "a=1+2&c=%26");
    }
}
