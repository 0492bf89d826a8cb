//! `/health/rejects`: what could not be read, and why?

use crate::store::query::RejectRow;
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Params, RejectSearch};
use crate::web::parts::{Layout, NavPage};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Rejects on one page.
const PAGE_ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "pages/rejects.html")]
struct RejectsPage {
    layout: Layout,
    title: String,
    rejects: Vec<Reject>,
    all_href: Option<String>,
    next_href: Option<String>,
}

/// One item, as it came.
struct Reject {
    time: String,
    source: String,
    reason: String,
    message: String,
    state: String,
    size: String,
    offset: String,
    text: String,
    is_cut: bool,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), RejectSearch::EXTRAS)?;
    let search = RejectSearch::of(&params)?;
    let (kind, reason) = (search.source_kind.as_deref(), search.reason.as_deref());
    let rows = site.store().rejects(kind, reason, PAGE_ROWS, search.before.clone()).await?;
    let layout = Layout::plain(&site, NavPage::Health, "Rejects");
    Ok(Html(page(layout, &params, &search, &rows).render()?))
}

fn page(layout: Layout, params: &Params, search: &RejectSearch, rows: &[RejectRow]) -> RejectsPage {
    let here = params.here("/health/rejects").without("before");
    let title = match (&search.source_kind, &search.reason) {
        (Some(kind), Some(reason)) => format!("Rejects: {kind}, {reason}"),
        (Some(one), None) | (None, Some(one)) => format!("Rejects: {one}"),
        (None, None) => "Rejects".to_owned(),
    };
    let is_narrowed = search.source_kind.is_some() || search.reason.is_some();
    RejectsPage {
        layout,
        title,
        rejects: rows.iter().map(reject).collect(),
        all_href: is_narrowed.then(|| "/health/rejects".to_owned()),
        next_href: RejectSearch::next(rows, PAGE_ROWS).map(|before| here.with("before", before).to_string()),
    }
}

fn reject(row: &RejectRow) -> Reject {
    Reject {
        time: format::instant_us(row.received_time_us),
        source: format!("{}:{}", row.source_kind, row.source),
        reason: row.reason.clone(),
        message: row.message.clone(),
        state: row.state.clone(),
        size: format::bytes(row.size_bytes),
        offset: if row.file_offset == 0 { String::new() } else { format::count(row.file_offset) },
        text: format::printable(&row.bytes),
        is_cut: row.bytes.len() as u64 != row.size_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(query: &str, rows: &[RejectRow]) -> String {
        let params = Params::parse(query, 1_785_585_270, RejectSearch::EXTRAS).unwrap();
        let search = RejectSearch::of(&params).unwrap();
        page(Layout::bare("Rejects"), &params, &search, rows).render().unwrap()
    }

    #[test]
    fn without_rejects_the_page_says_so() {
        assert!(html("", &[]).contains("Everything could be read."));
        assert!(html("reason=syntax", &[]).contains("All rejects"));
    }

    #[test]
    fn hostile_bytes_are_shown_and_not_run() {
        let bytes = b"<script>\x1b[2J".to_vec();
        let row = RejectRow { size_bytes: bytes.len() as u64, bytes, ..RejectRow::default() };
        let html = html("", &[row]);
        assert!(html.contains("&#60;script&#62;\\x1b[2J"), "{html}");
    }
}
