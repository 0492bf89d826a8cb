//! What receivers answered when they did not take the mail, by kind of reply.

use crate::store::query::{Filter, ResponseRow};
use crate::store::{Store, StoreError};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::HashMap;

/// Reasons that say that no rule knew the reply (`BounceReason::Undefined`, `OnHold`), or that nobody classified it.
const UNCLASSIFIED: [&str; 3] = ["undefined", "onhold", ""];

#[derive(Row, Deserialize)]
#[expect(clippy::struct_field_names, reason = "fields are columns")]
struct Kind {
    kind: u64,
    events: u64,
    first_hour_unix: i64,
    last_hour_unix: i64,
}

#[derive(Row, Deserialize)]
struct Reply {
    kind: u64,
    event_type: String,
    provider: String,
    bounce_type: String,
    bounce_group: String,
    bounce_reason: String,
    smtp_code: u16,
    enhanced_code: String,
    response_tmpl: u64,
    sample: String,
}

impl Store {
    /// The commonest kinds of reply of events of these types (none means all of `deferred`, `bounced`, `expired`,
    /// `rejected`), at most `limit`, over the whole hours that contain the filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn responses(
        &self,
        filter: &Filter,
        event_types: &[&str],
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        self.replies(filter, event_types, &[], limit).await
    }

    /// The commonest kinds of reply that no rule knew, at most `limit`, over the whole hours that contain the
    /// filter's range.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn unclassified_responses(
        &self,
        filter: &Filter,
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        self.replies(filter, &[], &UNCLASSIFIED, limit).await
    }

    /// Asks in two steps: one number finds the commonest kinds in the whole range, then text and classes are read of
    /// their last hours alone, which takes half the time.
    async fn replies(
        &self,
        filter: &Filter,
        event_types: &[&str],
        bounce_reasons: &[&str],
        limit: u32,
    ) -> Result<Vec<ResponseRow>, StoreError> {
        let ask = |name, sql| {
            self.ask_replies(name, sql, filter, event_types, bounce_reasons).param("limit", limit)
        };
        let kinds: Vec<Kind> = ask("response_kinds", include_str!("response_kinds.sql")).rows().await?;
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        let mut hours: Vec<i64> = kinds.iter().map(|kind| kind.last_hour_unix).collect();
        hours.sort_unstable();
        hours.dedup();
        let replies: Vec<Reply> = ask("responses", include_str!("responses.sql"))
            .param("hours", hours)
            .param("kinds", kinds.iter().map(|kind| kind.kind).collect::<Vec<_>>())
            .rows()
            .await?;
        let mut replies: HashMap<u64, Reply> = replies.into_iter().map(|reply| (reply.kind, reply)).collect();
        // A kind without a reply was taken by retention between the two questions.
        Ok(kinds.into_iter().filter_map(|kind| Some(row(&kind, replies.remove(&kind.kind)?))).collect())
    }
}

fn row(kind: &Kind, reply: Reply) -> ResponseRow {
    ResponseRow {
        event_type: reply.event_type,
        provider: reply.provider,
        bounce_type: reply.bounce_type,
        bounce_group: reply.bounce_group,
        bounce_reason: reply.bounce_reason,
        smtp_code: reply.smtp_code,
        enhanced_code: reply.enhanced_code,
        response_tmpl: reply.response_tmpl,
        events: kind.events,
        sample: reply.sample,
        first_hour_unix: kind.first_hour_unix,
        last_hour_unix: kind.last_hour_unix,
    }
}
