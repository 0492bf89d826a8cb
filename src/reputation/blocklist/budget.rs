//! How often a list may be asked: its questions of a day are counted, and rounds are spread over it.

/// Minutes of a day.
const DAY_MINUTES: u64 = 1440;

/// Questions to one list on the present day, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    per_day: u32,
    day: i64,
    spent: u32,
}

impl Budget {
    /// `spent` on `day` (days since 1970) already, by an earlier run of the program.
    pub const fn new(per_day: u32, day: i64, spent: u32) -> Self {
        Self { per_day, day, spent }
    }

    /// Takes leave to ask once; without it the question must not be asked.
    #[must_use]
    pub const fn take(&mut self, day: i64) -> bool {
        if day > self.day {
            (self.day, self.spent) = (day, 0);
        }
        if self.spent >= self.per_day {
            return false;
        }
        self.spent += 1;
        true
    }

    pub const fn per_day(&self) -> u32 {
        self.per_day
    }

    pub const fn spent(&self) -> u32 {
        self.spent
    }
}

/// Minutes between rounds of `questions` each: those of the settings, or more where the day's budget would not last. A
/// tenth of the budget is left for asking again about signs of change.
pub fn interval_minutes(every_minutes: u32, questions: u64, per_day: u32) -> u64 {
    let usable = (u64::from(per_day) * 9 / 10).max(1);
    let needed = (questions * DAY_MINUTES).div_ceil(usable);
    needed.max(u64::from(every_minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_says_no_until_the_next_day() {
        let mut budget = Budget::new(2, 10, 0);
        assert_eq!([budget.take(10), budget.take(10), budget.take(10)], [true, true, false]);
        assert!(budget.take(11));
        assert_eq!(budget.spent(), 1);
    }

    #[test]
    fn a_day_that_ran_backwards_gives_nothing_new() {
        let mut budget = Budget::new(1, 10, 1);
        assert!(!budget.take(9));
    }

    #[test]
    fn rounds_are_spread_where_the_budget_would_not_last() {
        assert_eq!(interval_minutes(60, 1_002, 100_000), 60);
        assert_eq!(interval_minutes(60, 1_002, 10_000), 161);
        assert_eq!(interval_minutes(60, 5, 0), 7_200, "a budget of nothing is asked nothing by `Budget`");
    }
}
