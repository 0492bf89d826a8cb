//! `/audit`: who changed what, and when?

use crate::store::query::{AuditRow, AuditSearch};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::params::{Extra, Link, Params, ParamsError};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Entries on one page.
const PAGE_ROWS: u32 = 100;

const EXTRAS: &[Extra] = &[Extra::One("actor"), Extra::One("action"), Extra::One("before")];

#[derive(Template)]
#[template(path = "pages/audit.html")]
struct AuditPage {
    layout: Layout,
    actor: String,
    action: String,
    rows: Table,
    next_href: Option<String>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), EXTRAS)?;
    let text = |name: &str| params.extra(name).map(str::to_owned);
    let search = AuditSearch {
        actor: text("actor"),
        action: text("action"),
        before: params.extra("before").map(cursor).transpose()?,
        limit: PAGE_ROWS,
    };
    let rows = site.store().audit(&search).await?;
    let here = Link::to("/audit");
    let kept = [("actor", &search.actor), ("action", &search.action)];
    let here = kept.into_iter().fold(here, |here, (name, value)| match value {
        Some(value) => here.with(name, value.clone()),
        None => here,
    });
    let page = AuditPage {
        layout: Layout::plain(&site, NavPage::Audit, "Audit log"),
        actor: search.actor.unwrap_or_default(),
        action: search.action.unwrap_or_default(),
        next_href: next(&rows).map(|before| here.with("before", before).to_string()),
        rows: table(&rows),
    };
    Ok(Html(page.render()?))
}

/// The `before` of the next page, when there may be one.
fn next(rows: &[AuditRow]) -> Option<String> {
    let last = rows.last().filter(|_| rows.len() >= PAGE_ROWS as usize)?;
    Some(format!("{}.{}", last.at_us, last.audit_id))
}

fn cursor(text: &str) -> Result<(i64, String), ParamsError> {
    let bad = || ParamsError::bad_value("before", text, "take it away to see the newest");
    let (at, id) = text.split_once('.').ok_or_else(bad)?;
    uuid::Uuid::parse_str(id).map_err(|_| bad())?;
    Ok((at.parse().map_err(|_| bad())?, id.to_owned()))
}

fn table(rows: &[AuditRow]) -> Table {
    let row = |row: &AuditRow| {
        let only = |name: &str, value: &str| Link::to("/audit").with(name, value);
        Row::new(vec![
            Cell::word(format::instant_us(row.at_us)),
            Cell::text(row.actor.clone())
                .sub(format!("{} scope, by {}", row.role, row.door))
                .link(&only("actor", &row.actor)),
            Cell::word(row.action.clone()).link(&only("action", &row.action)),
            object_cell(row).sub(row.detail.clone()),
            Cell::count(row.items),
        ])
    };
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Who"),
        Column::text("What"),
        Column::text("On what"),
        Column::number("Changes"),
    ];
    Table::new(
        "Changes of state, newest first",
        columns,
        rows.iter().map(row).collect(),
        "Nothing was changed yet.",
    )
}

/// A run leads to its page; a place in the log stands as it is.
fn object_cell(row: &AuditRow) -> Cell {
    let cell = Cell::code(row.object.clone());
    let is_run = uuid::Uuid::parse_str(&row.object).is_ok() && !row.action.starts_with("webhook");
    if is_run && !row.action.starts_with("review") {
        return cell.link(&Link::to(&format!("/suppressions/runs/{}", row.object)));
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_log_says_so_and_a_full_page_leads_on() {
        assert!(table(&[]).to_string().contains("Nothing was changed yet."));
        let row = AuditRow { audit_id: uuid::Uuid::nil().to_string(), at_us: 7, ..AuditRow::default() };
        let next = next(&vec![row; PAGE_ROWS as usize]).unwrap();
        assert_eq!(cursor(&next).unwrap(), (7, uuid::Uuid::nil().to_string()));
        assert!(cursor("7.x").is_err());
    }

    #[test]
    fn a_run_leads_to_its_page() {
        let row = |action: &str, object: &str| AuditRow {
            action: action.to_owned(),
            object: object.to_owned(),
            ..AuditRow::default()
        };
        let run = uuid::Uuid::nil().to_string();
        assert!(table(&[row("suppression.bulk", &run)]).to_string().contains("/suppressions/runs/0000"));
        assert!(!table(&[row("suppression.add", "00ff")]).to_string().contains("/suppressions/runs/"));
    }
}
