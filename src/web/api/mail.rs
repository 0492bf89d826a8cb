//! Questions about mail as a whole: rates, series, replies.

use crate::store::query::{
    BounceClassRow, BounceGroupAt, DeferralRow, Dimension, Latencies, Outcomes, OutcomesAt, OutcomesOf,
    ResponseRow, RetryOutcomes,
};
use crate::web::SharedSite;
use crate::web::api::{Asked, ROWS_MAX, limit, parse};
use crate::web::dictionary::{BLOCK, COMPLAINT, DEFERRAL, DELIVERY, HARD, SOFT};
use crate::web::error::ApiError;
use crate::web::params::{Extra, ParamsError};
use axum::Json;
use axum::extract::{Path, RawQuery};
use serde::Serialize;

const LIMIT: Extra = Extra::One("limit");

/// Rates as shares of one; `null` where there is nothing to divide by.
#[derive(Debug, Serialize)]
struct Rates {
    delivery: Option<f64>,
    hard: Option<f64>,
    soft: Option<f64>,
    block: Option<f64>,
    deferral: Option<f64>,
    complaint: Option<f64>,
}

impl Rates {
    fn of(outcomes: &Outcomes) -> Self {
        Self {
            delivery: DELIVERY.share(outcomes),
            hard: HARD.share(outcomes),
            soft: SOFT.share(outcomes),
            block: BLOCK.share(outcomes),
            deferral: DEFERRAL.share(outcomes),
            complaint: COMPLAINT.share(outcomes),
        }
    }
}

#[derive(Debug, Serialize)]
struct Measured {
    sent: u64,
    outcomes: Outcomes,
    rates: Rates,
}

impl Measured {
    fn of(outcomes: Outcomes) -> Self {
        Self { sent: outcomes.sent(), outcomes, rates: Rates::of(&outcomes) }
    }
}

/// Latencies in milliseconds; `null` without deliveries.
#[derive(Debug, Serialize)]
struct Quantiles {
    deliveries: u64,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Quantiles {
    fn of(latencies: &Latencies) -> Self {
        Self {
            deliveries: latencies.count(),
            p50_ms: latencies.quantile_ms(0.5),
            p90_ms: latencies.quantile_ms(0.9),
            p95_ms: latencies.quantile_ms(0.95),
            p99_ms: latencies.quantile_ms(0.99),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct OverviewAnswer {
    range: Asked,
    now: Measured,
    before: Measured,
    latency: Quantiles,
}

pub(super) async fn overview(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<OverviewAnswer>, ApiError> {
    let params = parse(&site, query, &[])?;
    let (previous, hours) = (params.previous(), params.by_whole_hours());
    let (now, before, latencies) = tokio::try_join!(
        site.store().outcome_totals(params.filter()),
        site.store().outcome_totals(&previous),
        site.store().latencies(&hours),
    )?;
    Ok(Json(OverviewAnswer {
        range: Asked::of(params.filter().range, params.range().step_s()),
        now: Measured::of(now),
        before: Measured::of(before),
        latency: Quantiles::of(&latencies),
    }))
}

#[derive(Debug, Serialize)]
pub(super) struct OutcomesAnswer {
    range: Asked,
    rows: Vec<OutcomesAt>,
}

pub(super) async fn outcomes(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<OutcomesAnswer>, ApiError> {
    let params = parse(&site, query, &[])?;
    let step_s = params.range().step_s();
    let rows = site.store().outcome_series(params.filter(), step_s).await?;
    Ok(Json(OutcomesAnswer { range: Asked::of(params.filter().range, step_s), rows }))
}

#[derive(Debug, Serialize)]
pub(super) struct OutcomesByAnswer {
    range: Asked,
    dimension: Dimension,
    rows: Vec<OutcomesOf>,
}

pub(super) async fn outcomes_by(
    site: SharedSite,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<OutcomesByAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let dimension =
        Dimension::ALL.into_iter().find(|dimension| dimension.name() == name).ok_or_else(|| {
            let known = Dimension::ALL.map(Dimension::name).join(", ");
            ParamsError::bad_value("dimension", &name, format!("choose one of {known}"))
        })?;
    let rows = site.store().outcomes_by(params.filter(), dimension, limit(&params, 100, ROWS_MAX)?).await?;
    let range = Asked::of(params.filter().range, params.range().step_s());
    Ok(Json(OutcomesByAnswer { range, dimension, rows }))
}

#[derive(Debug, Serialize)]
struct LatencyStep {
    at_unix: i64,
    #[serde(flatten)]
    quantiles: Quantiles,
}

#[derive(Debug, Serialize)]
pub(super) struct LatencyAnswer {
    range: Asked,
    rows: Vec<LatencyStep>,
}

pub(super) async fn latency(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<LatencyAnswer>, ApiError> {
    let params = parse(&site, query, &[])?;
    let (hours, step_s) = (params.by_whole_hours(), params.range().hour_step_s());
    let series = site.store().latency_series(&hours, step_s).await?;
    let step = |row: &crate::store::query::LatenciesAt| LatencyStep {
        at_unix: row.at_unix,
        quantiles: Quantiles::of(&row.latencies),
    };
    Ok(Json(LatencyAnswer { range: Asked::of(hours.range, step_s), rows: series.iter().map(step).collect() }))
}

#[derive(Debug, Serialize)]
pub(super) struct ResponsesAnswer {
    range: Asked,
    rows: Vec<ResponseRow>,
}

pub(super) async fn responses(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<ResponsesAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT, Extra::Many("type")])?;
    let types: Vec<&str> = params.extras("type").collect();
    let types = if types.is_empty() { vec!["bounced", "expired", "deferred", "rejected"] } else { types };
    let hours = params.by_whole_hours();
    let rows = site.store().responses(&hours, &types, limit(&params, 100, ROWS_MAX)?).await?;
    Ok(Json(ResponsesAnswer { range: Asked::of(hours.range, params.range().hour_step_s()), rows }))
}

#[derive(Debug, Serialize)]
pub(super) struct BouncesAnswer {
    range: Asked,
    classes: Vec<BounceClassRow>,
    series: Vec<BounceGroupAt>,
}

pub(super) async fn bounces(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<BouncesAnswer>, ApiError> {
    let params = parse(&site, query, &[])?;
    let (hours, step_s) = (params.by_whole_hours(), params.range().hour_step_s());
    let (classes, series) = tokio::try_join!(
        site.store().bounce_classes(&hours),
        site.store().bounce_group_series(&hours, step_s)
    )?;
    Ok(Json(BouncesAnswer { range: Asked::of(hours.range, step_s), classes, series }))
}

#[derive(Debug, Serialize)]
pub(super) struct DeferralsAnswer {
    range: Asked,
    retries: RetryOutcomes,
    rows: Vec<DeferralRow>,
}

pub(super) async fn deferrals(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<DeferralsAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let most = limit(&params, 100, ROWS_MAX)?;
    let (retries, rows) = tokio::try_join!(
        site.store().retry_outcomes(params.filter()),
        site.store().deferrals(params.filter(), most)
    )?;
    let range = Asked::of(params.filter().range, params.range().step_s());
    Ok(Json(DeferralsAnswer { range, retries, rows }))
}
