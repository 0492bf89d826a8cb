//! Readings of what is no outcome of mail: listings, the DNS, queues, addresses without a past.
//!
//! Way: `figures` hands these metrics on; `judge` compares them like all others.
//! Not here: what is believed of a listing, and when a record counts as changed, which `reputation` decides.

use crate::alert::figures::{StoreFigures, float, labels, seconds};
use crate::alert::judge::{Labels, Reading, Sample};
use crate::model::PostureState;
use crate::store::StoreError;
use crate::store::query::{ColdAddress, DnsStanding, ListedSubject, Queue, TimeRange};

/// A listing that was not asked about for as long says nothing any more, in seconds: the list was turned off, or the
/// address has not sent for a month. Longer than any pause between two rounds (`reputation.blocklists.every_minutes`).
const LISTING_SEEN_S: i64 = 3 * 86_400;

/// The least share of the mail that a listed subject counts for, so that one without any is told, too.
const LISTED_SHARE_MIN: f64 = 1e-6;

impl StoreFigures {
    pub(super) async fn listings(&self, now_unix: i64) -> Result<Vec<Reading>, StoreError> {
        let rows = self.store().listed_subjects().await?;
        Ok(rows.into_iter().map(|row| listing(row, now_unix)).collect())
    }

    pub(super) async fn dns_changes(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let rows = self.store().dns_standing(range).await?;
        Ok(rows.into_iter().map(|row| dns_change(row, range.from_unix)).collect())
    }

    pub(super) async fn queues(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let rows = self.store().queues(range).await?;
        let reading = |row: Queue| Reading {
            labels: said([("relay", row.relay), ("provider", row.provider)]),
            now: Sample { part: seconds(row.oldest_s), whole: float(row.waiting) },
            ..Reading::default()
        };
        Ok(rows.into_iter().map(reading).collect())
    }

    pub(super) async fn cold_volumes(&self, range: TimeRange) -> Result<Vec<Reading>, StoreError> {
        let rows = self.store().cold_addresses(range).await?;
        let reading = |row: ColdAddress| Reading {
            note: match row.age {
                0 => "there was no mail to speak of before".to_owned(),
                age => format!("its first mail to speak of was {age} days before"),
            },
            labels: labels([("ip", row.address)]),
            now: Sample::count(float(row.messages)),
            ..Reading::default()
        };
        Ok(rows.into_iter().filter(|row| !self.is_planned(&row.address)).map(reading).collect())
    }
}

/// Labels without those that nobody said.
fn said<const N: usize>(pairs: [(&str, String); N]) -> Labels {
    let mut labels = labels(pairs);
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn listing(row: ListedSubject, now_unix: i64) -> Reading {
    let share = (f64::from(row.share_ppm) / 1e6).max(LISTED_SHARE_MIN);
    // Of nothing, nothing can be said: neither that it is listed, nor that it is delisted.
    let whole = if now_unix - row.checked_unix > LISTING_SEEN_S { 0.0 } else { 1.0 };
    let title = if row.title.is_empty() { row.list.as_str() } else { row.title.as_str() };
    let mut note = vec![format!("{title}: {}", row.codes.join(", "))];
    note.extend([row.text].into_iter().filter(|text| !text.is_empty()));
    note.extend(Some(row.delist).filter(|at| !at.is_empty()).map(|at| format!("delisting: {at}")));
    note.extend(
        Some(row.expires).filter(|text| !text.is_empty()).map(|text| format!("ends by itself: {text}")),
    );
    Reading {
        labels: labels([("subject", row.subject), ("list", row.list)]),
        now: Sample { part: share * whole, whole },
        note: note.join("; "),
        ..Reading::default()
    }
}

fn dns_change(row: DnsStanding, from_unix: i64) -> Reading {
    let grade = match PostureState::from_name(&row.state) {
        // The check is not made any more: the domain does not send, the selector is not seen.
        _ if !row.is_looked_at => 0.0,
        Some(PostureState::Fail) => 3.0,
        Some(PostureState::Warn) => 2.0,
        _ => f64::from(u8::from(row.at_unix >= from_unix)),
    };
    let record = |value: String| if value.is_empty() { "nothing".to_owned() } else { value };
    let (before, after) = (record(row.value_before), record(row.value));
    let records = if before == after { String::new() } else { format!(" Was: {before} Is: {after}") };
    Reading {
        labels: said([("subject", row.subject), ("check", row.check), ("about", row.about)]),
        now: Sample { part: grade, whole: 1.0 },
        note: format!("{} to {}. {}{records}", row.state_before, row.state, row.told),
        ..Reading::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_794_816_000;

    fn listed(share_ppm: u32, checked_unix: i64) -> Reading {
        let row = ListedSubject {
            list: "spamhaus-zen".to_owned(),
            subject: "192.0.2.7".to_owned(),
            codes: vec!["SBL".to_owned()],
            text: "see lists.example".to_owned(),
            share_ppm,
            at_unix: checked_unix,
            checked_unix,
            title: "Spamhaus ZEN".to_owned(),
            delist: "https://lists.example/".to_owned(),
            expires: String::new(),
        };
        listing(row, NOW)
    }

    #[test]
    fn a_listing_weighs_what_the_address_sends() {
        let reading = listed(250_000, NOW - 60);
        assert_eq!(reading.now, Sample::share(0.25, 1.0));
        assert_eq!(reading.note, "Spamhaus ZEN: SBL; see lists.example; delisting: https://lists.example/");
        assert!(listed(0, NOW).now.part > 0.0, "an address that is to send is told, too");
    }

    #[test]
    fn a_listing_that_is_not_asked_about_says_nothing() {
        assert_eq!(listed(250_000, NOW - LISTING_SEEN_S - 1).now, Sample::share(0.0, 0.0));
    }

    fn standing(state: &str, at_unix: i64, is_looked_at: bool) -> f64 {
        let text = |text: &str| text.to_owned();
        let row = DnsStanding {
            subject: text("shop.example"),
            check: text("spf"),
            about: String::new(),
            state: text(state),
            state_before: text("pass"),
            told: text("Told."),
            value_before: text("v=spf1 -all"),
            value: String::new(),
            at_unix,
            is_looked_at,
        };
        let reading = dns_change(row, NOW - 86_400);
        assert_eq!(reading.note, format!("pass to {state}. Told. Was: v=spf1 -all Is: nothing"));
        assert_eq!(reading.labels.len(), 2, "{:?}", reading.labels);
        reading.now.part
    }

    #[test]
    fn a_broken_record_stays_bad_and_another_is_news_for_a_day() {
        let old = NOW - 40 * 86_400;
        let grades =
            [("fail", old), ("warn", old), ("pass", old), ("pass", NOW)].map(|(s, at)| standing(s, at, true));
        assert_eq!(grades.map(|grade| format!("{grade}")), ["3", "2", "0", "1"]);
        assert!(standing("fail", old, false) < 1.0, "nobody looks at it any more");
    }
}
