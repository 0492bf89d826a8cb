//! What is known of one address: the decision, in which order entries decide, on what they rest, and their whole story.

use crate::model::normalize_address;
use crate::model::suppression::{Decision, Entry, MailType, Origin, Precedence, Question, Reason};
use crate::store::query::EventRow;
use crate::web::Site;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::suppressions::{record_table, run_link};
use crate::web::params::{Params, ParamsError};
use crate::web::parts::{Cell, Column, Row, Table};

/// What was asked, as the form shows it again.
pub(super) struct Asked {
    pub(super) address: String,
    pub(super) tenant: String,
    pub(super) stream: String,
    pub(super) list: String,
    pub(super) mail_type: &'static str,
}

/// The panel about one address.
pub(super) struct Answer {
    pub(super) address: String,
    pub(super) is_suppressed: bool,
    pub(super) verdict: String,
    /// The deciding one first.
    pub(super) matching: Vec<EntryShown>,
    pub(super) other: Vec<EntryShown>,
    pub(super) evidence: Option<Table>,
    pub(super) story: Table,
}

/// One entry, with what a form needs to lift it.
pub(super) struct EntryShown {
    pub(super) title: String,
    pub(super) detail: String,
    pub(super) note: String,
    pub(super) run_href: Option<String>,
    pub(super) reason: &'static str,
    pub(super) scope: &'static str,
    pub(super) tenant: String,
    pub(super) name: String,
    pub(super) mail_type: &'static str,
    pub(super) needs_note: bool,
}

impl Asked {
    pub(super) fn of(params: &Params) -> Result<Self, ParamsError> {
        let first = |values: &[String]| values.first().cloned().unwrap_or_default();
        let names: Vec<&str> = MailType::ALL.iter().map(|mail_type| mail_type.name()).collect();
        let chosen = params.choice("type", &names)?;
        let mail_type = MailType::from_name(chosen).unwrap_or_default();
        Ok(Self {
            address: params.extra("address").unwrap_or_default().to_owned(),
            tenant: first(&params.filter().tenant),
            stream: first(&params.filter().stream),
            list: params.extra("list").unwrap_or_default().to_owned(),
            mail_type: mail_type.name(),
        })
    }

    fn question(&self) -> Question {
        Question {
            address: normalize_address(&self.address),
            tenant: self.tenant.as_str().into(),
            stream: self.stream.as_str().into(),
            list: self.list.as_str().into(),
            mail_type: MailType::from_name(self.mail_type).unwrap_or_default(),
        }
    }
}

pub(super) async fn ask(site: &Site, asked: &Asked) -> Result<Option<Answer>, PageError> {
    if asked.address.is_empty() {
        return Ok(None);
    }
    let question = asked.question();
    let decision = site.list().explain(&question).await?;
    let evidence = match decision.matching.first().or(decision.other.first()) {
        Some(entry) => site.store().suppression_evidence(&entry.evidence, entry.observed).await?,
        None => Vec::new(),
    };
    let mut story = site.list().story(&question.address).await?;
    story.sort_by_key(|record| std::cmp::Reverse(record.seq));
    let empty = "Nothing was ever written about this address.";
    Ok(Some(Answer {
        verdict: verdict(&decision),
        is_suppressed: decision.suppressed,
        matching: decision.matching.iter().map(shown).collect(),
        other: decision.other.iter().map(shown).collect(),
        evidence: (!evidence.is_empty()).then(|| evidence_table(&evidence)),
        story: record_table("The whole story, newest first", &story, empty).scrolling(),
        address: question.address.to_string(),
    }))
}

fn verdict(decision: &Decision) -> String {
    let Some(first) = decision.matching.first() else {
        let other = if decision.other.is_empty() { "" } else { "; other mail is held back, see below" };
        return format!("Such mail goes out{other}.");
    };
    let why = match decision.decided_by {
        None | Some(Precedence::Alone) => "",
        Some(Precedence::Reason) => ", the entry that is hardest to lift",
        Some(Precedence::Scope) => ", the entry that reaches furthest",
        Some(Precedence::Expiry) => ", the entry that ends last",
        Some(Precedence::Age) => ", the oldest entry",
    };
    let count = decision.matching.len();
    let others =
        if count > 1 { format!(" Any of the {count} that match would suffice.") } else { String::new() };
    format!("Such mail is held back by “{}”{why}.{others}", words(first.key.reason))
}

pub(super) fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::Compliance => "compliance",
        Reason::Complaint => "complaint",
        Reason::Unsubscribe => "unsubscribe",
        Reason::Manual => "by hand",
        Reason::Import => "import",
        Reason::Bounce(_) => reason.name(),
    }
}

fn shown(entry: &Entry) -> EntryShown {
    let (tenant, name) = entry.key.scope.parts();
    let reach: Vec<&str> =
        [entry.key.scope.name(), tenant, name].into_iter().filter(|part| !part.is_empty()).collect();
    let who = match &entry.origin {
        Origin::Rule(name) => format!("rule {name}"),
        Origin::Actor(name) => name.to_string(),
    };
    let until = match entry.expires {
        Some(end) => format!("until {}", format::minute(end.seconds())),
        None => "without an end".to_owned(),
    };
    let hashed = if entry.key.address.contains('@') { "" } else { ", known by its hash" };
    EntryShown {
        title: format!("{} · {} · {} mail", words(entry.key.reason), reach.join(" "), entry.key.mail_type),
        detail: format!("Since {} {until}, by {who}{hashed}", format::minute(entry.since.seconds())),
        note: entry.note.to_string(),
        run_href: entry.run.map(|run| run_link(run.0).to_string()),
        reason: entry.key.reason.name(),
        scope: entry.key.scope.name(),
        tenant: tenant.to_owned(),
        name: name.to_owned(),
        mail_type: entry.key.mail_type.name(),
        needs_note: entry.key.reason.removal_needs() > crate::model::suppression::RemovalNeeds::Nothing,
    }
}

fn evidence_table(rows: &[EventRow]) -> Table {
    let row = |row: &EventRow| {
        let trace = crate::web::params::Link::to("/messages/trace")
            .with("relay", row.relay.clone())
            .with("queue_id", row.queue_id.clone())
            .with("message_id", row.message_id.clone());
        let time = Cell::word(format::minute(row.event_time_us.div_euclid(1_000_000)));
        let is_known = !row.queue_id.is_empty() || !row.message_id.is_empty();
        Row::new(vec![
            if is_known { time.link(&trace) } else { time },
            Cell::word(row.event_type.clone()).sub(row.bounce_reason.clone()),
            Cell::reply(row.response_text.clone()),
            Cell::text(row.trust.clone()).sub(row.evidence.clone()),
        ])
    };
    let columns = vec![
        Column::text("Time (UTC)"),
        Column::text("Event"),
        Column::text("What was said"),
        Column::text("Trust"),
    ];
    Table::new("Events on which the deciding entry rests", columns, rows.iter().map(row).collect(), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::suppression::{Key, Scope, Seq};
    use crate::model::{Text, Timestamp};

    fn entry(reason: Reason, scope: Scope) -> Entry {
        Entry {
            key: Key { address: "a@b.example".into(), scope, mail_type: MailType::All, reason },
            since: Timestamp(0),
            observed: Timestamp(0),
            expires: None,
            seq: Seq(1),
            origin: Origin::Rule(Text::const_new("hard")),
            run: None,
            evidence: Vec::new(),
            note: Text::default(),
        }
    }

    #[test]
    fn the_verdict_says_why_this_one_decides() {
        let of = |matching: Vec<Entry>, other| {
            verdict(&crate::suppression::fold::decide(
                &Question { address: "a@b.example".into(), ..Question::default() },
                matching.into_iter().chain(other).collect(),
            ))
        };
        assert_eq!(of(vec![], None), "Such mail goes out.");
        let stream = Scope::Stream { tenant: "t".into(), stream: "news".into() };
        assert!(of(vec![], Some(entry(Reason::Manual, stream))).contains("see below"));
        let both = vec![entry(Reason::Manual, Scope::Global), entry(Reason::Complaint, Scope::Global)];
        assert_eq!(
            of(both, None),
            "Such mail is held back by “complaint”, the entry that is hardest to lift. Any of the 2 that match would \
             suffice."
        );
    }

    #[test]
    fn what_the_recipient_objected_to_asks_for_a_note() {
        assert!(shown(&entry(Reason::Complaint, Scope::Global)).needs_note);
        assert!(!shown(&entry(Reason::Manual, Scope::Global)).needs_note);
    }
}
