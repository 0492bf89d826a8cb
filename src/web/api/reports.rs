//! Questions about DMARC and TLS reports. Days are UTC; without a range an answer is about 30 days.

use crate::store::query::{
    DMARC_RECORDS_MAX, DmarcDayRow, DmarcDomainRow, DmarcFailureCount, DmarcFailureShown, DmarcNewSourceRow,
    DmarcPolicyRow, DmarcRecordRow, DmarcRecordSearch, DmarcReportHead, DmarcReporterRow, DmarcSourceRow,
    ReportFilter, SourceClass, StandingRow, TlsDayRow, TlsDomainRow, TlsFailureCount, TlsReporterRow,
};
use crate::web::api::{Asked, ROWS_MAX, limit};
use crate::web::error::{ApiError, PageError};
use crate::web::params::{Extra, Params, ParamsError};
use crate::web::{SharedSite, Site};
use axum::extract::{Path, RawQuery};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const LIMIT: Extra = Extra::One("limit");
const DAY_S: u32 = 86_400;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/dmarc", get(dmarc))
        .route("/dmarc/sources", get(dmarc_sources))
        .route("/dmarc/records", get(dmarc_records))
        .route("/dmarc/reports", get(dmarc_reports))
        .route("/dmarc/reports/{key}", get(dmarc_report))
        .route("/dmarc/failures", get(dmarc_failures))
        .route("/tls", get(tls))
}

fn parse(site: &Site, query: Option<String>, extras: &[Extra]) -> Result<Params, ParamsError> {
    Params::of_reports(&query.unwrap_or_default(), site.now_unix(), extras)
}

const fn asked(filter: &ReportFilter) -> Asked {
    Asked::of(filter.days(), DAY_S)
}

#[derive(Debug, Serialize)]
struct DmarcAnswer {
    range: Asked,
    domains: Vec<DmarcDomainRow>,
    policies: Vec<DmarcPolicyRow>,
    days: Vec<DmarcDayRow>,
    reporters: Vec<DmarcReporterRow>,
    standings: Vec<StandingRow>,
}

async fn dmarc(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<DmarcAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let (filter, most) = (params.reports(), limit(&params, ROWS_MAX, ROWS_MAX)?);
    let store = site.store();
    let (domains, policies, days, reporters, standings) = tokio::try_join!(
        store.dmarc_domains(&filter, most),
        store.dmarc_policies(&filter, most),
        store.dmarc_days(&filter),
        store.dmarc_reporters(&filter, most),
        store.dmarc_standings(&filter),
    )?;
    Ok(Json(DmarcAnswer { range: asked(&filter), domains, policies, days, reporters, standings }))
}

#[derive(Debug, Serialize)]
struct ClassedSource {
    class: SourceClass,
    #[serde(flatten)]
    source: DmarcSourceRow,
}

#[derive(Debug, Serialize)]
struct SourcesAnswer {
    range: Asked,
    rows: Vec<ClassedSource>,
    new: Vec<DmarcNewSourceRow>,
}

async fn dmarc_sources(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<SourcesAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let (filter, most) = (params.reports(), limit(&params, ROWS_MAX, ROWS_MAX)?);
    let (domains, sources, new) = tokio::try_join!(
        site.store().dmarc_domains(&filter, DMARC_RECORDS_MAX),
        site.store().dmarc_sources(&filter, most),
        site.store().dmarc_new_sources(&filter, most),
    )?;
    let totals: BTreeMap<_, _> =
        domains.iter().map(|row| (row.policy_domain.as_str(), row.counts.messages)).collect();
    let classed = |source: DmarcSourceRow| {
        let total = totals.get(source.policy_domain.as_str()).copied().unwrap_or(source.counts.messages);
        ClassedSource { class: source.class(total), source }
    };
    Ok(Json(SourcesAnswer { range: asked(&filter), rows: sources.into_iter().map(classed).collect(), new }))
}

#[derive(Debug, Serialize)]
struct RecordsAnswer {
    range: Asked,
    rows: Vec<DmarcRecordRow>,
}

/// Records that count, with the head of their report: `offset` and `limit` cut the pages.
async fn dmarc_records(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<RecordsAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT, Extra::One("offset")])?;
    let offset = params.extra("offset").unwrap_or("0");
    let offset =
        offset.parse().map_err(|_| ParamsError::bad_value("offset", offset, "write a number of records"))?;
    let search = DmarcRecordSearch {
        filter: params.reports(),
        ips: params.filter().ip.clone(),
        offset,
        limit: limit(&params, ROWS_MAX, DMARC_RECORDS_MAX)?,
    };
    let rows = site.store().dmarc_records(&search).await?;
    Ok(Json(RecordsAnswer { range: asked(&search.filter), rows }))
}

#[derive(Debug, Serialize)]
struct ReportsAnswer {
    range: Asked,
    /// By the time they came in, newest first.
    counted: Vec<DmarcReportHead>,
    apart: Vec<DmarcReportHead>,
}

async fn dmarc_reports(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<ReportsAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let (filter, most) = (params.reports(), limit(&params, 100, ROWS_MAX)?);
    let (counted, apart) = tokio::try_join!(
        site.store().dmarc_reports(&filter, false, most),
        site.store().dmarc_reports(&filter, true, most),
    )?;
    Ok(Json(ReportsAnswer { range: asked(&filter), counted, apart }))
}

#[derive(Debug, Serialize)]
struct ReportAnswer {
    report: DmarcReportHead,
    records: Vec<DmarcRecordRow>,
}

async fn dmarc_report(
    site: SharedSite,
    Path(key): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<ReportAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let most = limit(&params, ROWS_MAX, DMARC_RECORDS_MAX)?;
    let report = site.store().dmarc_report(&key).await?.ok_or(PageError::NotFound("such report"))?;
    let records = site.store().dmarc_report_records(&report.report_key, 0, most).await?;
    Ok(Json(ReportAnswer { report, records }))
}

#[derive(Debug, Serialize)]
struct FailuresAnswer {
    range: Asked,
    counts: Vec<DmarcFailureCount>,
    rows: Vec<DmarcFailureShown>,
}

async fn dmarc_failures(
    site: SharedSite,
    RawQuery(query): RawQuery,
) -> Result<Json<FailuresAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let (filter, most) = (params.reports(), limit(&params, 100, ROWS_MAX)?);
    let (counts, rows) = tokio::try_join!(
        site.store().dmarc_failure_counts(&filter, most),
        site.store().dmarc_failures(&filter, most),
    )?;
    Ok(Json(FailuresAnswer { range: asked(&filter), counts, rows }))
}

#[derive(Debug, Serialize)]
struct TlsAnswer {
    range: Asked,
    domains: Vec<TlsDomainRow>,
    days: Vec<TlsDayRow>,
    failures: Vec<TlsFailureCount>,
    reporters: Vec<TlsReporterRow>,
    standings: Vec<StandingRow>,
}

async fn tls(site: SharedSite, RawQuery(query): RawQuery) -> Result<Json<TlsAnswer>, ApiError> {
    let params = parse(&site, query, &[LIMIT])?;
    let (filter, most) = (params.reports(), limit(&params, ROWS_MAX, ROWS_MAX)?);
    let store = site.store();
    let (domains, days, failures, reporters, standings) = tokio::try_join!(
        store.tls_domains(&filter, most),
        store.tls_days(&filter),
        store.tls_failures(&filter, most),
        store.tls_reporters(&filter, most),
        store.tls_standings(&filter),
    )?;
    Ok(Json(TlsAnswer { range: asked(&filter), domains, days, failures, reporters, standings }))
}
