//! For machines: `/metrics`, `/healthz`, `/readyz`.
//!
//! Source: metric names follow the `OpenMetrics` rules (base units, `_total` added by the encoder).

use crate::store::query::{RejectCount, TimeRange, TimeToHonour};
use crate::suppression::hooks::{Hook, HookStatus};
use crate::web::observe_alerts::AlertGauges;
use crate::web::{SharedSite, Site, SourceDoor, SourceStatus, Status};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a probe waits for the store: under the second or two after which supervisors commonly give up.
const STORE_WAIT: Duration = Duration::from_millis(900);

/// Over which unsubscribes are watched.
const DAY_S: i64 = 86_400;

/// Page times by route. Routes are a fixed list, so the labels cannot grow.
pub(crate) type PageSeconds = Family<Vec<(&'static str, String)>, Histogram, fn() -> Histogram>;

/// From a page out of memory to one that nobody waits for.
const PAGE_SECONDS_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

pub(crate) fn page_seconds() -> PageSeconds {
    Family::new_with_constructor(|| Histogram::new(PAGE_SECONDS_BUCKETS))
}

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}

/// Measures each page and API answer by its route.
pub(crate) async fn time_page(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let begin = Instant::now();
    let response = next.run(request).await;
    site.page_seconds.get_or_create(&vec![("page", route)]).observe(begin.elapsed().as_secs_f64());
    response
}

/// Ready: the store answers and the doors can take items in.
async fn ready(site: SharedSite) -> (StatusCode, String) {
    let answer = tokio::time::timeout(STORE_WAIT, site.store().extent()).await;
    let fault = match answer {
        Err(_) => Some(format!("store did not answer within {} ms", STORE_WAIT.as_millis())),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the store failed");
            Some("store failed, see the log".to_owned())
        }
        Ok(Ok(_)) => site.status().spool.is_full().then(|| "spool is full".to_owned()),
    };
    match fault {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {fault}\n")),
    }
}

async fn metrics(site: SharedSite) -> Response {
    let rejects =
        tokio::time::timeout(STORE_WAIT, site.store().reject_counts()).await.ok().and_then(Result::ok);
    let day = TimeRange { from_unix: site.now_unix() - DAY_S, to_unix: site.now_unix() + 1 };
    let honour = tokio::time::timeout(STORE_WAIT, site.store().time_to_honour(day)).await;
    let list = ListFigures {
        entries: site.list().index().len() as u64,
        is_loaded: site.list().index().is_loaded(),
        honour: honour.ok().and_then(Result::ok),
        hooks: site.hooks().iter().map(Hook::status).collect(),
    };
    let status = site.status();
    let mut registry = Registry::with_prefix("relaylens");
    let build = vec![("version".to_owned(), status.version.to_owned())];
    registry.register("build", "Version of this binary", Info::new(build));
    registry.register_with_unit(
        "page",
        "Time to answer a page, by route",
        Unit::Seconds,
        site.page_seconds.clone(),
    );
    registry.register_collector(Box::new(Snapshot { status, rejects, list }));
    registry.register_collector(Box::new(AlertGauges { board: site.alerts().board() }));
    let mut text = String::new();
    match text::encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The figures of one scrape. Counters live where the counting is done; here they are only written down.
#[derive(Debug)]
struct Snapshot {
    status: Status,
    /// `None` when the store did not answer.
    rejects: Option<Vec<RejectCount>>,
    list: ListFigures,
}

/// The suppression list in figures.
#[derive(Debug, Default)]
struct ListFigures {
    entries: u64,
    is_loaded: bool,
    /// Of the last day; `None` when the store did not answer.
    honour: Option<TimeToHonour>,
    hooks: Vec<HookStatus>,
}

type CountOf = fn(&SourceStatus) -> u64;

/// Counters of the ledger: at any moment `accepted` is the sum of the others and `in_spool`.
const LEDGER: [(&str, &str, CountOf); 6] = [
    ("items_accepted", "Items that a door took in", |source| source.accepted),
    ("items_stored", "Items that brought at least one new event", |source| source.stored),
    ("items_duplicate", "Items whose events were all known", |source| source.duplicate),
    ("items_no_event", "Items that tell of no event by themselves", |source| source.no_event),
    ("items_rejected", "Items that could not be read", |source| source.rejected),
    ("events_stored", "Events stored", |source| source.events),
];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        for (name, help, count_of) in LEDGER {
            self.encode_sources(&mut encoder, name, help, |source| ConstCounter::new(count_of(source)))?;
        }
        self.encode_sources(
            &mut encoder,
            "items_in_spool",
            "Items accepted and not yet worked on",
            |source| ConstGauge::new(gauge(source.in_spool)),
        )?;
        let spool = &self.status.spool;
        encode_one(
            &mut encoder,
            "spool_items",
            "Items in the spool",
            None,
            &ConstGauge::new(gauge(spool.items)),
        )?;
        let bytes = Some(&Unit::Bytes);
        encode_one(&mut encoder, "spool", "Size of the spool", bytes, &ConstGauge::new(gauge(spool.bytes)))?;
        let help = "Size of the spool at which doors answer try later";
        encode_one(&mut encoder, "spool_limit", help, bytes, &ConstGauge::new(gauge(spool.bytes_max)))?;
        let lag = ConstGauge::new(self.status.pipeline_lag_s);
        encode_one(&mut encoder, "lag", "Age of the oldest item not stored yet", Some(&Unit::Seconds), &lag)?;
        let start = ConstGauge::new(self.status.started_unix);
        encode_one(
            &mut encoder,
            "start_time",
            "When the process began, since 1970",
            Some(&Unit::Seconds),
            &start,
        )?;
        let up = ConstGauge::new(i64::from(self.rejects.is_some()));
        encode_one(&mut encoder, "store_up", "1 when the store answered this scrape", None, &up)?;
        self.encode_doors(&mut encoder)?;
        self.encode_rejects(&mut encoder)?;
        self.list.encode(&mut encoder)
    }
}

/// A figure of a door, which one that does not count it lacks.
type DoorFigure = fn(&SourceDoor) -> Option<u64>;

const DOORS: [(&str, &str, DoorFigure); 2] = [
    ("door_items", "Items that came by a door and are in the spool", |door| door.taken),
    ("door_faults", "Times that a door itself failed", |door| Some(door.faults)),
];

impl Snapshot {
    fn encode_sources<M: EncodeMetric>(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        metric_of: impl Fn(&SourceStatus) -> M,
    ) -> std::fmt::Result {
        let Some(first) = self.status.sources.first() else { return Ok(()) };
        let mut family = encoder.encode_descriptor(name, help, None, metric_of(first).metric_type())?;
        for source in &self.status.sources {
            let labels = [("kind", source.source_kind.as_str()), ("source", source.source.as_str())];
            metric_of(source).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_doors(&self, encoder: &mut DescriptorEncoder) -> std::fmt::Result {
        let doors = &self.status.doors;
        if doors.is_empty() {
            return Ok(());
        }
        for (name, help, figure) in DOORS {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for (door, count) in doors.iter().filter_map(|door| Some((door, figure(door)?))) {
                ConstCounter::new(count).encode(family.encode_family(&door_labels(door))?)?;
            }
        }
        let kind = ConstCounter::new(0_u64).metric_type();
        let help = "Items and requests that a door turned away, by reason";
        let mut family = encoder.encode_descriptor("door_refused", help, None, kind)?;
        for door in doors {
            for (reason, count) in &door.refused {
                let [kind, source, place] = door_labels(door);
                let labels = [kind, source, place, ("reason", reason.as_str())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut family = encoder.encode_descriptor("door_up", "1 when a door does its work", None, kind)?;
        for (door, is_up) in doors.iter().filter_map(|door| Some((door, door.is_up?))) {
            ConstGauge::new(i64::from(is_up)).encode(family.encode_family(&door_labels(door))?)?;
        }
        Ok(())
    }

    fn encode_rejects(&self, encoder: &mut DescriptorEncoder) -> std::fmt::Result {
        let Some(counts) = self.rejects.as_deref().filter(|counts| !counts.is_empty()) else { return Ok(()) };
        let help = "Rejected items that wait for a replay, by reason";
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut family = encoder.encode_descriptor("rejects_open", help, None, kind)?;
        for count in counts {
            let labels = [
                ("kind", count.source_kind.as_str()),
                ("source", count.source.as_str()),
                ("reason", count.reason.as_str()),
            ];
            ConstGauge::new(gauge(count.open)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

type FigureOf = fn(&HookStatus) -> u64;

/// What is told of each receiver of webhooks.
const HOOKS: [(&str, &str, FigureOf); 2] = [
    ("webhook_failures", "Failed tries of the post that waits", |hook| u64::from(hook.failures)),
    ("webhook_dead_letters", "Posts that were given up", |hook| hook.dead_letters as u64),
];

impl ListFigures {
    fn encode(&self, encoder: &mut DescriptorEncoder) -> std::fmt::Result {
        let entries = ConstGauge::new(gauge(self.entries));
        encode_one(
            encoder,
            "suppressions",
            "Entries and tombstones of the suppression list",
            None,
            &entries,
        )?;
        let loaded = ConstGauge::new(i64::from(self.is_loaded));
        encode_one(encoder, "suppressions_loaded", "1 when the list answers", None, &loaded)?;
        if let Some(honour) = &self.honour {
            let count = ConstGauge::new(gauge(honour.unsubscribes));
            encode_one(encoder, "unsubscribes_honoured", "Unsubscribes of the last day", None, &count)?;
            if honour.unsubscribes > 0 {
                let help = "From the wish to the list, 95 of 100 unsubscribes of the last day";
                let p95 = ConstGauge::new(honour.p95_s);
                encode_one(encoder, "unsubscribe_honour_p95", help, Some(&Unit::Seconds), &p95)?;
            }
        }
        for (name, help, figure) in HOOKS.iter().filter(|_| !self.hooks.is_empty()) {
            let kind = ConstGauge::new(0_i64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            for hook in &self.hooks {
                let labels = [("webhook", hook.name.as_str())];
                ConstGauge::new(gauge(figure(hook))).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Doors are those of the settings, so that the labels cannot grow.
fn door_labels(door: &SourceDoor) -> [(&'static str, &str); 3] {
    [("kind", &door.source_kind), ("source", &door.source), ("door", &door.place)]
}

fn encode_one(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> std::fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::SpoolStatus;

    fn scrape(rejects: Option<Vec<RejectCount>>) -> String {
        let source = SourceStatus {
            source_kind: "postfix".to_owned(),
            source: "mx1".to_owned(),
            accepted: 7,
            stored: 5,
            in_spool: 2,
            ..SourceStatus::default()
        };
        let spool = SpoolStatus { items: 2, bytes: 300, bytes_max: 1_000 };
        let door = SourceDoor {
            source_kind: "mail".to_owned(),
            source: "box".to_owned(),
            place: "IMAP folder INBOX".to_owned(),
            is_up: Some(false),
            taken: Some(3),
            refused: vec![("refused".to_owned(), 1)],
            ..SourceDoor::default()
        };
        let (sources, doors) = (vec![source], vec![door]);
        let status = Status { sources, doors, spool, pipeline_lag_s: 1.5, ..Status::default() };
        let mut registry = Registry::with_prefix("relaylens");
        let list = ListFigures {
            entries: 3,
            honour: Some(TimeToHonour { unsubscribes: 2, p95_s: 1.5, ..TimeToHonour::default() }),
            ..ListFigures::default()
        };
        registry.register_collector(Box::new(Snapshot { status, rejects, list }));
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn the_ledger_is_exported_by_source() {
        let text = scrape(Some(Vec::new()));
        for line in [
            "relaylens_items_accepted_total{kind=\"postfix\",source=\"mx1\"} 7",
            "relaylens_items_in_spool{kind=\"postfix\",source=\"mx1\"} 2",
            "relaylens_spool_bytes 300",
            "relaylens_spool_limit_bytes 1000",
            "relaylens_lag_seconds 1.5",
            "relaylens_store_up 1",
            "relaylens_door_items_total{kind=\"mail\",source=\"box\",door=\"IMAP folder INBOX\"} 3",
            "relaylens_door_refused_total{kind=\"mail\",source=\"box\",door=\"IMAP folder INBOX\",reason=\"refused\"} 1",
            "relaylens_door_up{kind=\"mail\",source=\"box\",door=\"IMAP folder INBOX\"} 0",
            "relaylens_suppressions 3",
            "relaylens_unsubscribe_honour_p95_seconds 1.5",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_store_that_is_down_is_told_and_hides_nothing_else() {
        let text = scrape(None);
        assert!(
            text.contains("relaylens_store_up 0") && text.contains("relaylens_spool_bytes 300"),
            "{text}"
        );
    }
}
