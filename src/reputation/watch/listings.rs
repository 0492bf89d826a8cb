//! The rounds of all lists: when each is due, what it is asked, what follows.

use crate::model::{ListKind, ListState, Timestamp};
use crate::reputation::blocklist::{
    BlockList, Budget, ListRound, Round, RoundSubject, Standing, Turn, interval_minutes, turn,
};
use crate::reputation::watch::subjects::{Subject, Subjects};
use crate::reputation::watch::{Parts, day, per_day};
use crate::store::{ListTestEntry, ListingChangeEntry, ListingEntry, StoreError};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;

/// Lists that are asked at once.
const LISTS_AT_ONCE: usize = 8;

/// Minutes until it is looked again whether there is something to ask about.
const NOTHING_MINUTES: u64 = 2;

/// Seconds of a minute.
const MINUTE_S: i64 = 60;

type Standings = HashMap<String, Standing>;

/// One list: its budget, when it is due, and what is believed of its subjects.
struct Plan {
    budget: Budget,
    due: Timestamp,
    /// When signs of a change are asked about again.
    confirm: Option<Timestamp>,
    standings: Standings,
}

/// All lists, by their names. Empty until the store was asked what is believed.
#[derive(Default)]
pub(super) struct ListDesk {
    plans: HashMap<String, Plan>,
}

/// A list's turn at the desk: who is asked about, and what it came to.
struct Work<'a> {
    list: &'a BlockList,
    plan: Plan,
    is_whole: bool,
}

impl ListDesk {
    /// Whether any list is to be asked.
    pub(super) async fn is_due(&mut self, parts: &Parts, now: Timestamp) -> Result<bool, StoreError> {
        if self.plans.is_empty() && !parts.lists.is_empty() {
            self.plans = load(parts, now).await?;
        }
        Ok(self.plans.values().any(|plan| is_plan_due(plan, now)))
    }

    /// Asks each list that is due, and writes what followed. A list whose round could not be written stays due.
    pub(super) async fn work(
        &mut self,
        parts: &Parts,
        subjects: &Subjects,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let due = parts.lists.iter().filter_map(|list| {
            let is_due = self.plans.get(&list.name).is_some_and(|plan| is_plan_due(plan, now));
            let plan = if is_due { self.plans.remove(&list.name)? } else { return None };
            Some(Work { list, is_whole: plan.due <= now, plan })
        });
        let due: Vec<Work<'_>> = due.collect();
        let works = due.into_iter().map(|work| async move {
            let name = work.list.name.clone();
            (name, work.run(parts, subjects, now).await)
        });
        let works: Vec<_> = works.collect();
        let done: Vec<_> = stream::iter(works).buffer_unordered(LISTS_AT_ONCE).collect().await;
        let mut failed = None;
        for (name, (plan, written)) in done {
            self.plans.insert(name, plan);
            failed = failed.or(written.err());
        }
        failed.map_or(Ok(()), Err)
    }
}

fn is_plan_due(plan: &Plan, now: Timestamp) -> bool {
    plan.due <= now || plan.confirm.is_some_and(|confirm| confirm <= now)
}

/// What is believed, and what was asked today, by an earlier run of the program.
async fn load(parts: &Parts, now: Timestamp) -> Result<HashMap<String, Plan>, StoreError> {
    let (known, tests) = tokio::try_join!(parts.store.listings(0), parts.store.list_tests(now.seconds()))?;
    let plan = |list: &BlockList| {
        let rounds = tests.iter().filter(|row| row.list == list.name);
        let spent: u64 = rounds.clone().map(|row| row.queries_today).sum();
        let budget = Budget::new(per_day(parts, list), day(now), u32::try_from(spent).unwrap_or(u32::MAX));
        let asked_unix = rounds.map(|row| row.tested_unix).max().unwrap_or(0);
        let wait_s = i64::from(parts.settings.blocklists.every_minutes) * MINUTE_S;
        let due = Timestamp::from_seconds(asked_unix + wait_s);
        let standings: Standings = HashMap::new();
        (list.name.clone(), Plan { budget, due, confirm: None, standings })
    };
    let mut plans: HashMap<String, Plan> = parts.lists.iter().map(plan).collect();
    for row in known {
        let Some(plan) = plans.get_mut(&row.list) else { continue };
        let standing = Standing {
            state: ListState::from_name(&row.state).unwrap_or(ListState::Unknown),
            since: Timestamp::from_seconds(row.since_unix),
            pending: row.pending,
            codes: row.codes,
            text: row.text,
        };
        if standing.pending > 0 {
            plan.confirm = Some(now);
        }
        plan.standings.insert(row.subject, standing);
    }
    Ok(plans)
}

impl Work<'_> {
    /// Asks for each kind of subject in turn, and writes each.
    async fn run(
        mut self,
        parts: &Parts,
        subjects: &Subjects,
        now: Timestamp,
    ) -> (Plan, Result<(), StoreError>) {
        let mut questions = 0;
        for kind in self.list.asks.clone() {
            let about: Vec<&Subject> =
                subjects.of_kind(kind).filter(|subject| self.is_asked(subject)).collect();
            if about.is_empty() {
                continue;
            }
            questions += about.len() as u64 + 2;
            let names: Vec<RoundSubject> = about.iter().map(|subject| subject.name.clone()).collect();
            let round = Round { dns: &parts.dns, list: self.list, kind, day: day(now) };
            let round = round.ask(&names, &mut self.plan.budget).await;
            let written = self.write(parts, kind, &about, &round, now).await;
            if let Err(error) = written {
                return (self.plan, Err(error));
            }
        }
        self.plan_next(parts, questions, now);
        (self.plan, Ok(()))
    }

    /// A round between two whole ones asks about signs of change alone.
    fn is_asked(&self, subject: &Subject) -> bool {
        self.is_whole || self.plan.standings.get(&subject.name).is_some_and(|standing| standing.pending > 0)
    }

    async fn write(
        &mut self,
        parts: &Parts,
        kind: ListKind,
        about: &[&Subject],
        round: &ListRound,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (mut entries, mut changes, mut standings) = (Vec::new(), Vec::new(), Vec::new());
        for ((name, heard), subject) in round.answers.iter().zip(about) {
            let (standing, turn) = turn(self.plan.standings.get(name), heard, now);
            entries.push(ListingEntry {
                list: self.list.name.clone(),
                subject: name.clone(),
                kind,
                state: standing.state,
                seen: heard.verdict.state,
                pending: standing.pending,
                codes: standing.codes.clone(),
                reason: heard.verdict.reason.clone(),
                text: standing.text.clone(),
                since: standing.since,
                checked: now,
            });
            // That a subject is clean at first sight is nothing to write down.
            let is_told = match turn {
                Turn::Listed | Turn::Delisted => true,
                Turn::First => standing.state == ListState::Listed,
                Turn::Nothing | Turn::Pending => false,
            };
            if is_told {
                changes.push(self.change(subject, &standing, turn, now));
            }
            standings.push((name.clone(), standing));
        }
        let test = ListTestEntry {
            at: now,
            list: self.list.name.clone(),
            kind,
            title: self.list.title.clone(),
            tier: self.list.tier,
            delist: self.list.delist.clone(),
            expires: self.list.expires.clone(),
            result: round.test,
            detail: round.detail.clone(),
            subjects: u32::try_from(about.len()).unwrap_or(u32::MAX),
            listed: round.count(ListState::Listed),
            unknown: round.count(ListState::Unknown),
            queries: round.queries,
            budget: self.plan.budget.per_day(),
        };
        parts.store.insert_listings(&entries, &changes, &[test]).await?;
        for change in &changes {
            tracing::info!(list = change.list, subject = change.subject, state = %change.state, is_first = change.is_first, "a listing changed");
        }
        self.plan.standings.extend(standings);
        Ok(())
    }

    fn change(
        &self,
        subject: &Subject,
        standing: &Standing,
        turn: Turn,
        now: Timestamp,
    ) -> ListingChangeEntry {
        ListingChangeEntry {
            at: now,
            list: self.list.name.clone(),
            subject: subject.name.clone(),
            kind: subject.kind,
            state: standing.state,
            is_first: turn == Turn::First,
            codes: standing.codes.clone(),
            text: standing.text.clone(),
            tier: self.list.tier,
            sent: subject.sent,
            share_ppm: subject.share_ppm,
        }
    }

    fn plan_next(&mut self, parts: &Parts, questions: u64, now: Timestamp) {
        let settings = &parts.settings.blocklists;
        let after = |minutes: u64| {
            let minutes = i64::try_from(minutes).unwrap_or(i64::MAX / 120);
            Timestamp::from_seconds(now.seconds() + minutes * MINUTE_S)
        };
        if self.is_whole && questions == 0 {
            // Nothing sends yet: it is seen soon when something does.
            self.plan.due = after(NOTHING_MINUTES);
        } else if self.is_whole {
            let per_day = self.plan.budget.per_day();
            self.plan.due = after(interval_minutes(settings.every_minutes, questions, per_day));
        }
        let has_signs = self.plan.standings.values().any(|standing| standing.pending > 0);
        self.plan.confirm = has_signs.then(|| after(u64::from(settings.confirm_minutes)));
    }
}
