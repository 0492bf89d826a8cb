//! What part of the mail a question is about.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};

/// Seconds of a minute, the grain of the finest rollup.
pub(super) const MINUTE_S: i64 = 60;

/// Seconds of an hour, the grain of most rollups.
pub(super) const HOUR_S: i64 = 3_600;

/// The last second that the store's times hold (a 32-bit count, in the year 2106), cut to a whole day.
pub(super) const LAST_UNIX: i64 = u32::MAX as i64 / 86_400 * 86_400;

/// Half-open range of seconds since 1970, UTC: `from <= t < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    pub from_unix: i64,
    pub to_unix: i64,
}

impl TimeRange {
    pub const fn seconds(self) -> i64 {
        self.to_unix - self.from_unix
    }

    /// The range of equal length that ends where this one begins.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self { from_unix: self.from_unix - self.seconds(), to_unix: self.from_unix }
    }

    /// The range widened to whole hours.
    #[must_use]
    pub fn whole_hours(self) -> Self {
        Self { from_unix: floor(self.from_unix, HOUR_S), to_unix: ceil(self.to_unix, HOUR_S) }
    }

    /// The part of the range that the store's times can express.
    pub(super) fn in_calendar(self) -> Self {
        let clamp = |unix: i64| unix.clamp(0, LAST_UNIX);
        Self { from_unix: clamp(self.from_unix), to_unix: clamp(self.to_unix) }
    }

    /// The step of a series over the range: `step_s`, but a multiple of `grain_s`, and no more than
    /// [`SERIES_STEPS_MAX`] of it.
    pub(super) fn step_s(self, step_s: u32, grain_s: i64) -> i64 {
        let least = ceil(self.seconds().max(0), i64::from(SERIES_STEPS_MAX)) / i64::from(SERIES_STEPS_MAX);
        ceil(i64::from(step_s).max(least).max(1), grain_s)
    }
}

/// Most steps of a series; more than a wide screen has pixels to draw them.
pub(super) const SERIES_STEPS_MAX: u32 = 4_000;

pub(super) const fn floor(value: i64, unit: i64) -> i64 {
    value.div_euclid(unit) * unit
}

pub(super) const fn ceil(value: i64, unit: i64) -> i64 {
    floor(value.saturating_add(unit - 1), unit)
}

/// A column by which mail can be filtered and grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    Provider,
    Ip,
    Pool,
    Stream,
    Tenant,
    Domain,
    Campaign,
}

impl Dimension {
    pub const ALL: [Self; 7] =
        [Self::Provider, Self::Ip, Self::Pool, Self::Stream, Self::Tenant, Self::Domain, Self::Campaign];

    /// The name in URLs and in [`crate::store::query::DimensionValue`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Ip => "ip",
            Self::Pool => "pool",
            Self::Stream => "stream",
            Self::Tenant => "tenant",
            Self::Domain => "domain",
            Self::Campaign => "campaign",
        }
    }

    /// The column of the tables.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Provider => "mailbox_provider",
            Self::Ip => "sending_ip",
            Self::Pool => "pool",
            Self::Stream => "stream",
            Self::Tenant => "tenant",
            Self::Domain => "env_from_domain",
            Self::Campaign => "campaign",
        }
    }

    /// What a filter asks of the column; the parameter has the dimension's name.
    const fn condition(self) -> &'static str {
        match self {
            Self::Provider => "mailbox_provider IN {provider:Array(String)}",
            Self::Ip => "sending_ip IN {ip:Array(IPv6)}",
            Self::Pool => "pool IN {pool:Array(String)}",
            Self::Stream => "stream IN {stream:Array(String)}",
            Self::Tenant => "tenant IN {tenant:Array(String)}",
            Self::Domain => "env_from_domain IN {domain:Array(String)}",
            Self::Campaign => "campaign IN {campaign:Array(String)}",
        }
    }

    /// What a filter asks of a table with one dimension at a time; the parameter is `values`.
    const fn value_condition(self) -> &'static str {
        match self {
            Self::Ip => "toIPv6OrDefault(one.value) IN {values:Array(IPv6)}",
            _ => "one.value IN {values:Array(String)}",
        }
    }

    /// Values as the tables hold them. What cannot be a value of the dimension is left out.
    pub(super) fn stored(self, values: &[String]) -> Vec<String> {
        match self {
            Self::Ip => values.iter().filter_map(|text| Some(address_of(text)?.to_string())).collect(),
            _ => values.to_vec(),
        }
    }

    /// A value of the column as people write it.
    pub(super) fn shown(self, value: String) -> String {
        if self == Self::Ip { address_text(&value) } else { value }
    }
}

/// The filter bar. An empty list takes all values; several values of one dimension are alternatives.
///
/// An empty value takes the mail of which the source does not say it. A text among `ip` that is no address takes none.
/// `accepted` events have no recipient and no way out yet: a filter by provider, address or pool leaves them out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    pub range: TimeRange,
    pub provider: Vec<String>,
    /// Sending IP addresses, IPv4 in dotted form.
    pub ip: Vec<String>,
    pub pool: Vec<String>,
    pub stream: Vec<String>,
    pub tenant: Vec<String>,
    /// Domain of the envelope sender.
    pub domain: Vec<String>,
    pub campaign: Vec<String>,
}

impl Filter {
    /// The filter that takes all mail of a range.
    pub const fn all(range: TimeRange) -> Self {
        Self {
            range,
            provider: Vec::new(),
            ip: Vec::new(),
            pool: Vec::new(),
            stream: Vec::new(),
            tenant: Vec::new(),
            domain: Vec::new(),
            campaign: Vec::new(),
        }
    }

    /// The values asked for, of one dimension.
    pub fn values(&self, dimension: Dimension) -> &[String] {
        match dimension {
            Dimension::Provider => &self.provider,
            Dimension::Ip => &self.ip,
            Dimension::Pool => &self.pool,
            Dimension::Stream => &self.stream,
            Dimension::Tenant => &self.tenant,
            Dimension::Domain => &self.domain,
            Dimension::Campaign => &self.campaign,
        }
    }

    /// The same, to be narrowed.
    pub const fn values_mut(&mut self, dimension: Dimension) -> &mut Vec<String> {
        match dimension {
            Dimension::Provider => &mut self.provider,
            Dimension::Ip => &mut self.ip,
            Dimension::Pool => &mut self.pool,
            Dimension::Stream => &mut self.stream,
            Dimension::Tenant => &mut self.tenant,
            Dimension::Domain => &mut self.domain,
            Dimension::Campaign => &mut self.campaign,
        }
    }

    /// The dimensions that are narrowed, with their values.
    pub(super) fn given(&self) -> impl Iterator<Item = (Dimension, &[String])> {
        let all = Dimension::ALL.into_iter().map(|dimension| (dimension, self.values(dimension)));
        all.filter(|(_, values)| !values.is_empty())
    }

    /// The dimensions that a question touches: those that are narrowed, and the one it groups by.
    pub(super) fn asked(&self, by: Option<Dimension>) -> impl Iterator<Item = Dimension> {
        self.given().map(|(dimension, _)| dimension).chain(by)
    }

    /// What the filter asks of each row, the range apart: each table has its own grain.
    pub(super) fn conditions(&self) -> Vec<&'static str> {
        self.given().map(|(dimension, _)| dimension.condition()).collect()
    }

    /// The same, of a table with one dimension at a time (`one`).
    pub(super) fn value_conditions(&self) -> Vec<&'static str> {
        self.given().map(|(dimension, _)| dimension.value_condition()).collect()
    }
}

/// Reads an address as the tables hold it: IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2), no address as `::`.
pub(super) fn address_of(text: &str) -> Option<Ipv6Addr> {
    if text.is_empty() {
        return Some(Ipv6Addr::UNSPECIFIED);
    }
    text.trim().parse().ok().map(|address| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    })
}

/// Writes an address of the tables as people do: IPv4 dotted, no address as an empty text.
pub(super) fn address_text(stored: &str) -> String {
    match stored.parse::<Ipv6Addr>() {
        Ok(address) if address.is_unspecified() => String::new(),
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => stored.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stored_as_ipv6_and_shown_as_people_write_them() {
        for (typed, stored, shown) in [
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:DB8::1", "2001:db8::1", "2001:db8::1"),
            ("2001:db8::ffff:1", "2001:db8::ffff:1", "2001:db8::ffff:1"),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.7", "192.0.2.7"),
            ("", "::", ""),
        ] {
            assert_eq!(address_of(typed).unwrap().to_string(), stored);
            assert_eq!(address_text(stored), shown);
        }
        assert_eq!(address_of("192.0.2"), None);
        assert_eq!(address_of("mx.example.net"), None);
    }

    #[test]
    fn a_filter_asks_only_for_what_is_given() {
        let range = TimeRange { from_unix: 0, to_unix: 1 };
        assert_eq!(Filter::all(range).conditions(), Vec::<&str>::new());
        let filter =
            Filter { tenant: vec!["a".to_owned()], ip: vec!["nonsense".to_owned()], ..Filter::all(range) };
        assert_eq!(filter.conditions(), [Dimension::Ip.condition(), Dimension::Tenant.condition()]);
        assert_eq!(Dimension::Ip.stored(&filter.ip), Vec::<String>::new(), "and so takes no row");
    }

    #[test]
    fn each_condition_names_its_column_and_parameter() {
        for dimension in Dimension::ALL {
            let start = format!("{} IN {{{}:Array(", dimension.column(), dimension.name());
            assert!(dimension.condition().starts_with(&start), "{dimension:?}");
        }
    }

    #[test]
    fn whole_hours_contain_the_range() {
        let range = TimeRange { from_unix: 3_601, to_unix: 7_201 };
        assert_eq!(range.whole_hours(), TimeRange { from_unix: 3_600, to_unix: 10_800 });
        assert_eq!(range.whole_hours().whole_hours(), range.whole_hours());
    }

    #[test]
    fn a_step_is_a_multiple_of_the_grain_and_the_series_is_bounded() {
        let day = TimeRange { from_unix: 0, to_unix: 86_400 };
        assert_eq!(day.step_s(900, MINUTE_S), 900);
        assert_eq!(day.step_s(90, MINUTE_S), 120);
        assert_eq!(day.step_s(0, MINUTE_S), 60);
        assert_eq!(day.step_s(900, HOUR_S), HOUR_S);
        let years = TimeRange { from_unix: 0, to_unix: 4 * 365 * 86_400 };
        assert!(years.seconds() / years.step_s(60, MINUTE_S) <= i64::from(SERIES_STEPS_MAX));
    }

    #[test]
    fn a_range_outside_the_calendar_is_cut() {
        let range = TimeRange { from_unix: -5, to_unix: i64::MAX };
        assert_eq!(range.in_calendar(), TimeRange { from_unix: 0, to_unix: LAST_UNIX });
    }

    #[test]
    fn a_dimension_is_named_as_it_is_serialized() {
        for dimension in Dimension::ALL {
            assert_eq!(serde_json::to_value(dimension).unwrap(), dimension.name());
        }
    }
}
