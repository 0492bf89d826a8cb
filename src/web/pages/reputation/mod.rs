//! `/reputation` and what is below it: what others think of our addresses and domains.

mod blocklists;
mod compliance;
mod dns;
mod notes;
mod overview;
mod warmup;

use crate::model::PostureCheck;
use crate::store::query::DnsFindingRow;
use crate::web::Site;
use crate::web::params::Params;
use crate::web::parts::Tab;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/reputation", get(overview::show))
        .route("/reputation/blocklists", get(blocklists::show).post(notes::add))
        .route("/reputation/dns", get(dns::show))
        .route("/reputation/compliance", get(compliance::show))
        .route("/reputation/warmup", get(warmup::show))
}

const TABS: [(&str, &str); 5] = [
    ("Overview", "/reputation"),
    ("Blocklists", "/reputation/blocklists"),
    ("Authentication and DNS", "/reputation/dns"),
    ("Receivers' rules", "/reputation/compliance"),
    ("Warm-up", "/reputation/warmup"),
];

fn tabs(params: &Params, current: &str) -> Vec<Tab> {
    let tab = |(label, path): (&str, &str)| Tab {
        label: label.to_owned(),
        href: params.link(path).to_string(),
        is_current: path == current,
    };
    TABS.map(tab).into()
}

/// How far back a subject counts as watched, in seconds: snapshots are taken once a week at least.
const WATCHED_S: i64 = 8 * 86_400;

/// Subjects in a table; the JSON API has all.
const SUBJECTS_MAX: usize = 200;

/// The tone of a state, by its name.
fn tone(state: &str) -> &'static str {
    match state {
        "fail" | "listed" => "bad",
        "warn" => "warn",
        "pass" => "good",
        _ => "",
    }
}

/// Checks that are told of in one word.
struct Aspect {
    label: &'static str,
    checks: &'static [PostureCheck],
}

const SPF: Aspect =
    Aspect { label: "SPF", checks: &[PostureCheck::Spf, PostureCheck::SpfLookups, PostureCheck::SpfSender] };
const DKIM: Aspect = Aspect { label: "DKIM", checks: &[PostureCheck::Dkim] };
const DMARC: Aspect = Aspect { label: "DMARC", checks: &[PostureCheck::Dmarc, PostureCheck::DmarcReports] };
const PTR: Aspect = Aspect { label: "PTR", checks: &[PostureCheck::Ptr] };

impl Aspect {
    fn has(&self, row: &DnsFindingRow) -> bool {
        self.checks.iter().any(|check| check.name() == row.check)
    }
}

/// The worst state of some checks of a subject, by name; empty when it was not looked at.
fn worst<'a>(rows: impl Iterator<Item = &'a DnsFindingRow>) -> &'a str {
    let rank =
        |state: &str| ["info", "pass", "unknown", "warn", "fail"].iter().position(|known| *known == state);
    rows.map(|row| row.state.as_str()).max_by_key(|state| rank(state)).unwrap_or_default()
}

/// What a check is called.
fn check_label(name: &str) -> &str {
    let Some(check) = PostureCheck::from_name(name) else { return name };
    match check {
        PostureCheck::Spf => "SPF",
        PostureCheck::SpfLookups => "SPF questions",
        PostureCheck::SpfSender => "SPF of an address",
        PostureCheck::Dkim => "DKIM",
        PostureCheck::Dmarc => "DMARC",
        PostureCheck::DmarcReports => "DMARC reports",
        PostureCheck::Mx => "MX",
        PostureCheck::MtaSts => "MTA-STS",
        PostureCheck::TlsRpt => "TLS-RPT",
        PostureCheck::Dane => "DANE",
        PostureCheck::Bimi => "BIMI",
        PostureCheck::Ptr => "PTR",
        PostureCheck::Ehlo => "EHLO",
        PostureCheck::PathSpf => "SPF of a path",
        PostureCheck::PathDkim => "DKIM of a path",
        PostureCheck::PathDmarc => "DMARC of a path",
    }
}
