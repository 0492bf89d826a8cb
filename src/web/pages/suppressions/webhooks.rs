//! `/suppressions/webhooks`: who is told of changes, how far each receiver is, and what was given up.

use crate::suppression::hooks::{DeadLetter, HookStatus};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::suppressions::forms;
use crate::web::params::{Extra, Params};
use crate::web::parts::{Cell, Column, Layout, NavPage, Row, Table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Dead letters shown of one receiver; the API has all.
const LETTERS_SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "pages/suppression_webhooks.html")]
struct WebhooksPage {
    layout: Layout,
    done: Option<&'static str>,
    receivers: Table,
    letters: Vec<Letter>,
}

/// A post that was given up, with what a form needs to send it again.
struct Letter {
    webhook: String,
    id: String,
    title: String,
    fault: String,
    is_again: bool,
}

pub(super) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &[Extra::One("done")])?;
    let mut statuses = Vec::new();
    let mut letters = Vec::new();
    for hook in site.hooks() {
        let status = hook.status();
        let found = hook.dead_letters()?;
        letters.extend(found.iter().take(LETTERS_SHOWN).map(|letter| shown(&status, letter)));
        statuses.push(status);
    }
    let page = WebhooksPage {
        layout: Layout::plain(&site, NavPage::Suppressions, "Webhooks of the suppression list"),
        done: params.extra("done").and_then(forms::done_words),
        receivers: receiver_table(&statuses, site.now_unix()),
        letters,
    };
    Ok(Html(page.render()?))
}

fn shown(status: &HookStatus, letter: &DeadLetter) -> Letter {
    Letter {
        webhook: status.name.to_string(),
        id: letter.id.to_string(),
        title: format!(
            "{}: {} of {} UTC",
            status.name,
            several(letter.records, "change", "changes"),
            format::minute(letter.made_unix)
        ),
        fault: format!(
            "Given up after {}: {}",
            several(letter.failures.into(), "try", "tries"),
            letter.last_fault
        ),
        is_again: letter.is_again,
    }
}

fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", format::count(number), if number == 1 { one } else { many })
}

fn receiver_table(statuses: &[HookStatus], now_unix: i64) -> Table {
    let row = |status: &HookStatus| {
        let state = match status.next_try_unix {
            _ if status.failures == 0 => Cell::word("up to date"),
            Some(next) => Cell::text(format!("failed {}", several(status.failures.into(), "time", "times")))
                .tone("warn")
                .sub(format!(
                    "{}; next try in {}",
                    status.last_fault,
                    format::duration_s((next - now_unix).max(0))
                )),
            None => Cell::text(status.last_fault.clone()).tone("warn"),
        };
        Row::new(vec![
            Cell::text(status.name.to_string()).sub(status.url.clone()),
            state,
            Cell::count(status.delivered),
            Cell::count(status.records),
            Cell::word(status.last_delivered_unix.map_or_else(|| "never".to_owned(), format::short_minute)),
            Cell::count(status.dead_letters as u64).tone(if status.dead_letters > 0 { "warn" } else { "" }),
        ])
    };
    let columns = vec![
        Column::text("Receiver"),
        Column::text("State"),
        Column::number("Posts taken"),
        Column::number("Changes"),
        Column::text("Last taken"),
        Column::number("Dead letters"),
    ];
    let empty = "Nobody is told. Name receivers in the settings, under [[feed.webhooks]].";
    Table::new("Receivers of changes", columns, statuses.iter().map(row).collect(), empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_receivers_the_page_says_how_to_name_one() {
        assert!(receiver_table(&[], 0).to_string().contains("[[feed.webhooks]]"));
    }
}
