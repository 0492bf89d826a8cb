//! The whole list as a file, in our shape or another's. It is written as it is read from the store, so that memory is
//! that of one part.

use crate::model::Timestamp;
use crate::store::StoreError;
use crate::suppression::feed::export::{Exporter, Shape};
use crate::suppression::feed::snapshot::{Form, Identity, etag, write_entry, write_head};
use crate::suppression::walk::{Stop, Walk};
use crate::web::SharedSite;
use crate::web::api::suppressions::query;
use crate::web::error::{ApiError, PageError};
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

/// Bytes of one part of the answer: a few hundred entries.
const PART_BYTES: usize = 64 * 1024;

/// Entries are shown as they stand at the beginning of the hour, so that the same log gives the same file, and with it
/// the same `ETag`, for an hour. What ends within it is left out with the next.
const MOMENT_S: i64 = 3_600;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SnapshotQuery {
    format: Option<String>,
    identity: Option<String>,
}

pub(super) async fn snapshot(site: SharedSite, headers: HeaderMap, uri: Uri) -> Result<Response, ApiError> {
    let asked: SnapshotQuery = query(&uri)?;
    let (form, content_type) = match asked.format.as_deref().unwrap_or("ndjson") {
        "ndjson" => (Form::Ndjson, "application/x-ndjson"),
        "csv" => (Form::Csv, "text/csv; charset=utf-8"),
        other => return Err(bad("format", other, "ndjson or csv")),
    };
    let identity = match asked.identity.as_deref().unwrap_or("plain") {
        "plain" => Identity::Plain,
        "sha256" => Identity::Sha256,
        "md5" => Identity::Md5,
        other => return Err(bad("identity", other, "plain, sha256 or md5")),
    };
    let (cursor, hour) = (site.list().cursor(), site.list().now().seconds().div_euclid(MOMENT_S));
    // Weak: what is the same list may be packed in other ways.
    let tag = format!("W/\"{}.{hour:x}\"", etag(&cursor, form, identity).trim_matches('"'));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let told = [
        (header::ETAG, tag.clone()),
        (header::HeaderName::from_static("relaylens-cursor"), cursor.to_string()),
    ];
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, told).into_response());
    }
    let walk = Walk::begin(site.store(), "", Timestamp::from_seconds(hour * MOMENT_S), cursor)?;
    let mut head = Vec::new();
    write_head(&mut head, form);
    let body = body_of(walk, head, Shaper::Snapshot(form, identity));
    Ok((told, [(header::CONTENT_TYPE, content_type)], body).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExportQuery {
    tenant: String,
}

pub(super) async fn export(
    site: SharedSite,
    Path(shape): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked: ExportQuery = query(&uri)?;
    let Some(known) = Shape::from_name(&shape) else {
        return Err(bad("shape", &shape, "hubspot, mailchimp, sendgrid or ses"));
    };
    let walk = Walk::begin(site.store(), "", site.list().now(), site.list().cursor())?;
    let mut head = Vec::new();
    let exporter = Exporter::new(known, &asked.tenant, &mut head);
    let (kind, ending) = match known {
        Shape::Hubspot | Shape::Mailchimp => ("text/csv; charset=utf-8", "csv"),
        Shape::Sendgrid | Shape::Ses => ("application/x-ndjson", "jsonl"),
    };
    let name = format!("attachment; filename=\"suppressions-{shape}.{ending}\"");
    let told = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((told, body_of(walk, head, Shaper::Export(exporter))).into_response())
}

fn bad(name: &str, value: &str, wanted: &str) -> ApiError {
    PageError::Bad(format!("`{name}={value}` cannot be: choose {wanted}.")).into()
}

/// In which shape entries are written.
enum Shaper {
    Snapshot(Form, Identity),
    Export(Exporter),
}

impl Shaper {
    fn write(&mut self, stop: &Stop, out: &mut Vec<u8>) {
        for entry in &stop.entries {
            match self {
                Self::Snapshot(form, identity) => write_entry(out, entry, *form, *identity),
                Self::Export(exporter) => exporter.push(entry, out),
            };
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        if let Self::Export(exporter) = self {
            exporter.finish(out);
        }
    }
}

/// A body that walks while it is read. When the store breaks off, the connection does, so that nobody takes a part for
/// the whole.
fn body_of(walk: Walk, head: Vec<u8>, shaper: Shaper) -> Body {
    let parts = stream::try_unfold(Some((walk, head, shaper)), |state| async move {
        let Some((mut walk, mut out, mut shaper)) = state else { return Ok(None) };
        while out.len() < PART_BYTES {
            let stop =
                walk.next().await.inspect_err(|error| tracing::error!(%error, "a snapshot broke off"))?;
            let Some(stop) = stop else {
                shaper.finish(&mut out);
                return Ok(Some((Bytes::from(out), None)));
            };
            shaper.write(&stop, &mut out);
        }
        Ok::<_, StoreError>(Some((Bytes::from(out), Some((walk, Vec::new(), shaper)))))
    });
    Body::from_stream(parts)
}
