//! The time range of a page, and the step of its charts.

use crate::store::query::TimeRange;
use crate::web::format;
use crate::web::params::ParamsError;

/// Longest range, in seconds: a year and a month, so that a month can be set beside the same one a year before.
pub(crate) const RANGE_SECONDS_MAX: i64 = 400 * 86_400;

const MINUTE_S: i64 = 60;

/// Steps that charts use, in seconds; all divide a day, so that steps begin at full hours and days.
const CHART_STEPS_S: [u32; 6] = [60, 300, 900, 3_600, 21_600, 86_400];

/// Most steps of a chart: about four pixels each on a narrow screen. Ranges over half a year have more, by the day.
const CHART_POINTS_MAX: i64 = 180;

/// The ranges that one click chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    Hour,
    SixHours,
    Day,
    Week,
    Month,
}

impl Preset {
    pub(crate) const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Hour => "Last hour",
            Self::SixHours => "Last 6 hours",
            Self::Day => "Last 24 hours",
            Self::Week => "Last 7 days",
            Self::Month => "Last 30 days",
        }
    }

    const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::SixHours => 6 * 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
        }
    }
}

/// A range with what its charts need to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// `None` for a custom range.
    preset: Option<Preset>,
    time: TimeRange,
    now_unix: i64,
}

/// The step in seconds for charts of a range of that length.
pub(super) fn chart_step_s(range_s: i64) -> u32 {
    let fits = |step: &u32| range_s.div_euclid(i64::from(*step)) <= CHART_POINTS_MAX;
    CHART_STEPS_S.into_iter().find(fits).unwrap_or(86_400)
}

impl Range {
    pub(crate) fn parse(
        preset: Option<&str>,
        from: Option<&str>,
        to: Option<&str>,
        now_unix: i64,
    ) -> Result<Self, ParamsError> {
        if let (Some(preset), Some(_)) = (preset, from.or(to)) {
            let change = "take `range` away, or `from` and `to`";
            return Err(ParamsError::bad_value("range", preset, change));
        }
        match (from, to) {
            (None, None) => Self::preset(preset, now_unix),
            (None, Some(to)) => Err(ParamsError::bad_value("to", to, "it needs a `from` as well")),
            (Some(from), to) => Self::custom(from, to, now_unix),
        }
    }

    /// A preset ends with the running minute and begins at a full step, so that only its last step is unfinished.
    fn preset(name: Option<&str>, now_unix: i64) -> Result<Self, ParamsError> {
        let preset = match name {
            None => Preset::Day,
            Some(name) => Preset::ALL.into_iter().find(|preset| preset.key() == name).ok_or_else(|| {
                let known = Preset::ALL.map(Preset::key).join(", ");
                ParamsError::bad_value(
                    "range",
                    name,
                    format!("choose one of {known}, or give `from` and `to`"),
                )
            })?,
        };
        let to_unix = (now_unix + MINUTE_S).div_euclid(MINUTE_S) * MINUTE_S;
        let step_s = i64::from(chart_step_s(preset.seconds()));
        let from_unix = (to_unix - preset.seconds()).div_euclid(step_s) * step_s;
        Ok(Self { preset: Some(preset), time: TimeRange { from_unix, to_unix }, now_unix })
    }

    fn custom(from: &str, to: Option<&str>, now_unix: i64) -> Result<Self, ParamsError> {
        let from_unix = parse_minute("from", from)?;
        let to_unix = match to {
            Some(to) => parse_minute("to", to)?,
            None => (now_unix + MINUTE_S).div_euclid(MINUTE_S) * MINUTE_S,
        };
        let shown = to.unwrap_or("now");
        if to_unix <= from_unix {
            return Err(ParamsError::bad_value("to", shown, "it must be later than `from`"));
        }
        if to_unix - from_unix > RANGE_SECONDS_MAX {
            let change = format!("the range may be {} days at most", RANGE_SECONDS_MAX / 86_400);
            return Err(ParamsError::bad_value("to", shown, change));
        }
        Ok(Self { preset: None, time: TimeRange { from_unix, to_unix }, now_unix })
    }

    pub(crate) const fn time(&self) -> TimeRange {
        self.time
    }

    pub(crate) const fn now_unix(&self) -> i64 {
        self.now_unix
    }

    pub(crate) fn is_preset(&self, preset: Preset) -> bool {
        self.preset == Some(preset)
    }

    pub(crate) const fn is_custom(&self) -> bool {
        self.preset.is_none()
    }

    /// How the range stands in a URL.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        match self.preset {
            Some(preset) => vec![("range", preset.key().to_owned())],
            None => vec![
                ("from", format::url_minute(self.time.from_unix)),
                ("to", format::url_minute(self.time.to_unix)),
            ],
        }
    }

    pub(crate) fn label(&self) -> String {
        match self.preset {
            Some(preset) => preset.label().to_owned(),
            None => {
                format!("{} – {}", format::minute(self.time.from_unix), format::minute(self.time.to_unix))
            }
        }
    }

    /// What the difference on a card is measured against.
    pub(crate) fn previous_label(&self) -> String {
        let length = match self.preset {
            Some(preset) => preset.label().trim_start_matches("Last ").to_owned(),
            None => format::duration_s(self.time.seconds()),
        };
        format!("the {length} before")
    }

    /// The step of charts over minute data.
    pub(crate) fn step_s(&self) -> u32 {
        chart_step_s(self.time.seconds())
    }

    /// The step of charts over hourly data.
    pub(crate) fn hour_step_s(&self) -> u32 {
        self.step_s().max(3_600)
    }

    /// The starts of all steps that touch the range, at multiples of the step.
    pub(crate) fn steps(&self, step_s: u32) -> Vec<i64> {
        let step = i64::from(step_s);
        let first = self.time.from_unix.div_euclid(step);
        let last = (self.time.to_unix - 1).div_euclid(step);
        (first..=last).map(|index| index * step).collect()
    }

    /// Whether a step lies wholly in the range and in the past. Else its counts are not comparable to others'.
    pub(crate) fn is_whole(&self, at_unix: i64, step_s: u32) -> bool {
        let end = at_unix + i64::from(step_s);
        at_unix >= self.time.from_unix && end <= self.time.to_unix && end <= self.now_unix
    }
}

/// Reads `2026-08-01T12:30`, `2026-08-01 12:30`, with seconds or a `Z` as one likes, or a date alone; UTC.
fn parse_minute(name: &str, text: &str) -> Result<i64, ParamsError> {
    let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let at = bare.parse::<jiff::civil::DateTime>().ok();
    let unix =
        at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|at| at.timestamp().as_second());
    match unix {
        Some(unix) if unix >= 0 => Ok(unix.div_euclid(MINUTE_S) * MINUTE_S),
        _ => Err(ParamsError::bad_value(name, text, "write a UTC time such as 2026-08-01T12:30")),
    }
}
