//! `/providers`: who takes the mail and who does not, by IP and hour; or by any other column.

use crate::store::query::{Dimension, HeatCell, Latencies, OutcomesOf};
use crate::store::{Store, StoreError};
use crate::web::SharedSite;
use crate::web::dictionary::{BLOCK, DEFERRAL, HARD, Metric};
use crate::web::error::PageError;
use crate::web::params::{Extra, Params, dimension_label};
use crate::web::parts::{HEAT_CELLS_MAX, Heatmap, Layout, NavPage, Nothing, Tab, Table, breakdown_table};
use askama::Template;
use axum::extract::RawQuery;
use axum::response::Html;

/// Rows of the table: more than the providers that anybody watches one by one.
const ROWS_MAX: u32 = 50;

/// The rates that the heatmap can show.
static MEASURES: [&Metric; 3] = [&DEFERRAL, &BLOCK, &HARD];

#[derive(Template)]
#[template(path = "pages/providers.html")]
struct ProvidersPage {
    layout: Layout,
    previous: String,
    nothing: Option<Nothing>,
    by_label: String,
    by_tabs: Vec<Tab>,
    rows: Table,
    measure: String,
    measure_tabs: Vec<Tab>,
    heatmap: Heatmap,
}

struct Answers {
    rows: Vec<OutcomesOf>,
    before: Vec<OutcomesOf>,
    latencies: Vec<(String, Latencies)>,
    cells: Vec<HeatCell>,
}

pub(crate) async fn show(site: SharedSite, RawQuery(query): RawQuery) -> Result<Html<String>, PageError> {
    let extras = [Extra::One("by"), Extra::One("measure")];
    let params = Params::parse(&query.unwrap_or_default(), site.now_unix(), &extras)?;
    let by = params.choice("by", &Dimension::ALL.map(Dimension::name))?;
    let by =
        Dimension::ALL.into_iter().find(|dimension| dimension.name() == by).unwrap_or(Dimension::Provider);
    let measure = params.choice("measure", &MEASURES.map(|metric| metric.key))?;
    let (layout, answers) = tokio::try_join!(
        Layout::of_mail(&site, &params, NavPage::Providers, "/providers", "Providers"),
        ask(site.store(), &params, by)
    )?;
    Ok(Html(page(layout, &params, by, measure, &answers).render()?))
}

async fn ask(store: &Store, params: &Params, by: Dimension) -> Result<Answers, StoreError> {
    let before = params.previous();
    let (hours, heatmap) = (params.by_whole_hours(), Heatmap::filter(params));
    let latencies = async {
        // latencies are not kept by campaign: there are too many
        if by == Dimension::Campaign { Ok(Vec::new()) } else { store.latencies_by(&hours, by).await }
    };
    let (rows, before, latencies, cells) = tokio::try_join!(
        store.outcomes_by(params.filter(), by, ROWS_MAX),
        store.outcomes_by(&before, by, ROWS_MAX),
        latencies,
        store.provider_ip_heatmap(&heatmap, HEAT_CELLS_MAX),
    )?;
    Ok(Answers { rows, before, latencies, cells })
}

fn page(layout: Layout, params: &Params, by: Dimension, measure: &str, answers: &Answers) -> ProvidersPage {
    let metric = MEASURES.into_iter().find(|metric| metric.key == measure).unwrap_or(&DEFERRAL);
    let here = params.here("/providers");
    let by_tab = |dimension: Dimension| Tab {
        label: dimension_label(dimension).to_owned(),
        href: here.clone().without("by").with("by", dimension.name()).to_string(),
        is_current: dimension == by,
    };
    let measure_tab = |metric: &Metric| Tab {
        label: metric.short.to_owned(),
        href: here.clone().without("measure").with("measure", metric.key).to_string(),
        is_current: metric.key == measure,
    };
    let drill = params.link("/messages").with_all(metric.search);
    ProvidersPage {
        previous: params.range().previous_label(),
        nothing: answers.rows.is_empty().then(|| Nothing::of(params, "/providers", layout.newest_unix())),
        layout,
        by_label: dimension_label(by).to_lowercase(),
        by_tabs: Dimension::ALL.map(by_tab).into(),
        rows: breakdown_table(params, by, &answers.rows, &answers.before, &answers.latencies),
        measure: metric.name.to_lowercase(),
        measure_tabs: MEASURES.map(measure_tab).into(),
        heatmap: Heatmap::of(metric, &answers.cells, params, &drill),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::Outcomes;

    fn html(rows: Vec<OutcomesOf>) -> String {
        let params = Params::parse("provider=gmail", 1_785_585_270, &[]).unwrap();
        let answers = Answers { rows, before: Vec::new(), latencies: Vec::new(), cells: Vec::new() };
        page(Layout::bare("Providers"), &params, Dimension::Provider, "hard", &answers).render().unwrap()
    }

    #[test]
    fn without_mail_the_page_says_so() {
        let html = html(Vec::new());
        assert!(html.contains("No message matches these filters") && html.contains("No mail in these hours"));
    }

    #[test]
    fn a_rate_leads_to_its_messages() {
        let outcomes = Outcomes { delivered: 900, hard: 100, ..Outcomes::default() };
        let html = html(vec![OutcomesOf { value: "gmail".to_owned(), outcomes }]);
        assert!(
            html.contains("/messages?range=24h&#38;provider=gmail&#38;type=bounced&#38;bounce_type=hard"),
            "{html}"
        );
    }
}
