//! Questions to the store, and the shape of their answers.
//!
//! Way: a page or the JSON API builds a [`Filter`], calls one method of [`crate::store::Store`], shows the rows.
//! Each question is a `.sql` file beside the Rust file of its name. What several share stands in `parts/` and is put in
//! for a marker such as `@filter`; all of it is constant text, what users say comes in as server-side parameters alone.
//! `rollup` says which table answers for which part of a range.

mod alerts;
mod audit;
mod bounce_classes;
mod bounce_group_series;
mod deferrals;
mod dimension_values;
mod dmarc_domains;
mod dmarc_failures;
mod dmarc_records;
mod dmarc_reports;
mod dmarc_source_class;
mod dmarc_sources;
mod event_count;
mod events;
mod extent;
mod feedback_loops;
mod feedback_shapes;
mod filter;
mod freshness;
mod latencies;
mod latencies_by;
mod latency_series;
mod ledger;
mod mail;
mod marks;
mod oldest_minute;
mod outcome_series;
mod outcome_totals;
mod outcomes_at_hours;
mod outcomes_by;
mod provider_ip_heatmap;
mod question;
mod receivers;
mod reject;
mod reject_counts;
mod rejects;
mod report_filter;
mod report_shapes;
mod reporting_mtas;
mod reputation;
mod reputation_shapes;
mod responses;
mod retry_outcomes;
mod rollup;
mod shapes;
mod signals;
mod source_trust;
mod suppressions;
mod tls_reports;
mod trace;

pub use alerts::*;
pub use audit::{AuditRow, AuditSearch};
pub use dmarc_source_class::SourceClass;
pub use feedback_shapes::*;
pub use filter::{Dimension, Filter, TimeRange};
pub use marks::MarkRow;
pub use outcomes_at_hours::{NewResponse, OutcomesAtHour, OutcomesOfKeys, ShareAtHour, SourceGap};
pub use receivers::{OneClicksRow, TlsSessionsRow};
pub use report_filter::ReportFilter;
pub use report_shapes::*;
pub use reputation_shapes::*;
pub use shapes::*;
pub use signals::{ColdAddress, DnsStanding, ListedSubject, NewSuppressions, Queue};
pub use suppressions::{GrowthAt, TimeToHonour};
