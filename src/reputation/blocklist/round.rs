//! One round of one list: its test, and then the questions about all subjects.

use crate::model::{ListKind, ListState, ListTest};
use crate::reputation::blocklist::{BlockList, Budget, Heard, Verdict, judge, question, test_names};
use crate::reputation::{Answer, Dns};
use futures_util::{StreamExt, stream};
use std::sync::atomic::{AtomicU32, Ordering};

/// Questions to one list that are under way at once: its name servers are somebody's gift.
const QUESTIONS_MAX: usize = 16;

/// Questions in a row without an answer after which a list is left alone until its next round: each costs seconds.
const SILENCES_MAX: u32 = 8;

/// Longest text of a list that is kept, in bytes: a URL and a sentence.
const TEXT_BYTES_MAX: usize = 300;

/// A list, as it is asked about subjects of one kind.
pub struct Round<'a> {
    pub dns: &'a Dns,
    pub list: &'a BlockList,
    pub kind: ListKind,
    /// Days since 1970, by which the budget counts.
    pub day: i64,
}

/// What a round is about: the name of an address or domain.
pub type RoundSubject = String;

/// What a round came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRound {
    pub test: ListTest,
    /// Why the test did not pass; empty when it did.
    pub detail: String,
    pub answers: Vec<(RoundSubject, Heard)>,
    pub queries: u32,
}

impl ListRound {
    pub fn count(&self, state: ListState) -> u32 {
        let count = self.answers.iter().filter(|(_, heard)| heard.verdict.state == state).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Round<'_> {
    /// Tests the list, and asks it about the subjects in their order: the first ones are asked when the budget does not
    /// last for all. No subject is left without an answer.
    pub async fn ask(&self, subjects: &[RoundSubject], budget: &mut Budget) -> ListRound {
        let before = budget.spent();
        let (test, detail) = self.test(budget).await;
        let answers = if test == ListTest::Passed {
            self.ask_all(subjects, budget).await
        } else {
            let heard = |subject: &RoundSubject| (subject.clone(), silent(&detail));
            subjects.iter().map(heard).collect()
        };
        ListRound { test, detail, answers, queries: budget.spent().saturating_sub(before) }
    }

    /// Whether the list can be believed: it lists its test entry and does not list what it must not.
    async fn test(&self, budget: &mut Budget) -> (ListTest, String) {
        let (listed, clean) = test_names(self.list, self.kind);
        let is_allowed = budget.take(self.day) && budget.take(self.day);
        if !is_allowed {
            return (ListTest::Silent, spent(budget));
        }
        match self.dns.a(&question(listed, &self.list.zone)).await {
            Answer::Unknown(why) => return (ListTest::Silent, why),
            Answer::Nothing => {
                return (ListTest::Empty, format!("its test entry {listed} is not listed"));
            }
            Answer::Found(found) => match judge(self.list, &found) {
                Verdict { state: ListState::Listed, .. } => {}
                Verdict { state: ListState::Unknown, reason, .. } => return (ListTest::Refused, reason),
                _ => return (ListTest::Empty, format!("its test entry {listed} is no listing")),
            },
        }
        match self.dns.a(&question(clean, &self.list.zone)).await {
            Answer::Nothing => (ListTest::Passed, String::new()),
            Answer::Unknown(why) => (ListTest::Silent, why),
            Answer::Found(found) => match judge(self.list, &found) {
                Verdict { state: ListState::Listed, .. } => {
                    (ListTest::Wildcard, format!("it lists {clean}, so it lists everything"))
                }
                Verdict { state: ListState::Unknown, reason, .. } => (ListTest::Refused, reason),
                _ => (ListTest::Passed, String::new()),
            },
        }
    }

    async fn ask_all(&self, subjects: &[RoundSubject], budget: &mut Budget) -> Vec<(RoundSubject, Heard)> {
        let silences = AtomicU32::new(0);
        let asking = stream::iter(0..subjects.len()).map(|at| {
            let subject = &subjects[at];
            // Decided when the question is about to be asked, in the order of the subjects.
            let is_left_alone = silences.load(Ordering::Relaxed) >= SILENCES_MAX;
            let is_allowed = !is_left_alone && budget.take(self.day);
            let refusal =
                if is_left_alone { "the list has stopped answering".to_owned() } else { spent(budget) };
            let silences = &silences;
            async move {
                if !is_allowed {
                    return (subject.clone(), silent(&refusal));
                }
                let verdict = self.verdict(subject).await;
                let is_silent = verdict.state == ListState::Unknown;
                if is_silent {
                    silences.fetch_add(1, Ordering::Relaxed);
                } else {
                    silences.store(0, Ordering::Relaxed);
                }
                (subject.clone(), Heard { verdict, text: String::new() })
            }
        });
        let mut answers: Vec<_> = asking.buffered(QUESTIONS_MAX).collect().await;
        for (subject, heard) in &mut answers {
            if heard.verdict.state == ListState::Listed && budget.take(self.day) {
                heard.text = self.text(subject).await;
            }
        }
        answers
    }

    /// The name that asks about a subject. Domain lists have registered domains: a subdomain of one that is listed would
    /// pass for clean.
    fn name(&self, subject: &str) -> String {
        let base = if self.kind == ListKind::Domain { psl::domain_str(subject) } else { None };
        question(base.unwrap_or(subject), &self.list.zone)
    }

    async fn verdict(&self, subject: &str) -> Verdict {
        match self.dns.a(&self.name(subject)).await {
            Answer::Nothing => Verdict::clean(),
            Answer::Unknown(why) => Verdict::unknown(why),
            Answer::Found(found) => judge(self.list, &found),
        }
    }

    /// What the list writes of a listing (RFC 5782 section 2.1); empty when it writes nothing.
    async fn text(&self, subject: &str) -> String {
        let Answer::Found(texts) = self.dns.txt(&self.name(subject)).await else {
            return String::new();
        };
        let text = texts.join("; ");
        text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
    }
}

fn silent(reason: &str) -> Heard {
    Heard { verdict: Verdict::unknown(reason), text: String::new() }
}

fn spent(budget: &Budget) -> String {
    format!("the day's budget of {} questions is spent", budget.per_day())
}
