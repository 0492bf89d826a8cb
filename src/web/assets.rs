//! Style, scripts and the chart library, embedded in the binary and served under `/assets/{version}/`.
//!
//! The version is a hash over all assets, so that a page always gets the files it was written for and a browser may
//! keep them for good. It stands before the file name, not after it: relative imports between scripts stay inside it.
//! `vendor/` is filled by `make` from the npm package; without it pages show their tables instead of charts.

use crate::web::error::PageError;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use std::sync::LazyLock;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The path before every asset: `/assets/` and the version.
static BASE: LazyLock<String> = LazyLock::new(|| format!("/assets/{}", version()));

pub(crate) fn base() -> &'static str {
    &BASE
}

/// Whether the chart library was there when the binary was built.
pub(crate) fn has_charts() -> bool {
    Assets::get("vendor/echarts.esm.min.js").is_some()
}

fn version() -> String {
    use sha2::Digest;
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort_unstable();
    let mut hash = sha2::Sha256::new();
    for name in names {
        if let Some(file) = Assets::get(&name) {
            hash.update(name.as_bytes());
            hash.update(file.metadata.sha256_hash());
        }
    }
    hex(&hash.finalize()[..6])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Serves one file. A file of another version (a page from before an upgrade) is served too, but not kept.
pub(crate) async fn show(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&name) else {
        return PageError::NotFound("such asset").into_response();
    };
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..12]));
    let caching = if BASE.ends_with(&version) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common: [(HeaderName, String); 2] =
        [(header::ETAG, etag.clone()), (header::CACHE_CONTROL, caching.to_owned())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = file.metadata.mimetype().to_owned();
    (common, [(header::CONTENT_TYPE, kind)], file.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(version: &str, name: &str, known: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
        }
        show(Path((version.to_owned(), name.to_owned())), headers).await
    }

    #[tokio::test]
    async fn an_asset_of_this_version_is_kept_for_good() {
        let answer = get(base().trim_start_matches("/assets/"), "css/tokens.css", None).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    }

    #[tokio::test]
    async fn an_asset_of_another_version_is_asked_for_again() {
        let answer = get("0123", "css/tokens.css", None).await;
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-cache");
        let etag = answer.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(get("0123", "css/tokens.css", Some(&etag)).await.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn an_unknown_asset_is_not_found() {
        assert_eq!(get("0123", "../Cargo.toml", None).await.status(), StatusCode::NOT_FOUND);
    }
}
