//! The state of a page, as its URL says it: time range, filters, and what the page itself asks for.
//!
//! Way: a handler calls [`Params::parse`] on the query string, asks the store with [`Params::filter`], and builds every
//! further address with [`Params::link`], so that the whole state stays in the URL.
//! Not here: drawing the filter bar (`parts::filter_bar`).

mod dimension;
mod link;
mod range;
mod report;
mod search;

pub(crate) use dimension::{NO_VALUE, dimension_label, values, values_mut};
pub(crate) use link::Link;
pub(crate) use range::{Preset, Range};
pub(crate) use search::{MessageSearch, RejectSearch, TRACE_EXTRAS, TraceKey};

use crate::store::query::{Dimension, Filter, TimeRange};

/// Longest query string read, in bytes: some proxies and browsers give up at 8 KiB too.
pub(crate) const QUERY_BYTES_MAX: usize = 8 * 1024;

/// Most values of one parameter. More make no readable chips, and each is a parameter of every query.
pub(crate) const VALUES_MAX: usize = 50;

/// Longest value in bytes: an address has at most 320 (RFC 5321 section 4.5.3.1), a Message-ID at most 998 (RFC 5322 section 2.1.1).
pub(crate) const VALUE_BYTES_MAX: usize = 998;

/// What is wrong with an address, and what to change in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParamsError {
    #[error("the query is {bytes} bytes long, limit is {QUERY_BYTES_MAX}: take some filters away")]
    TooLong { bytes: usize },
    #[error("there is no parameter `{name}` here; this page takes {known}")]
    Unknown { name: String, known: String },
    #[error("`{name}` stands more than once: keep one")]
    Twice { name: String },
    #[error("`{name}` has more than {VALUES_MAX} values: take some away")]
    TooMany { name: String },
    #[error("`{name}={value}` cannot be: {change}")]
    BadValue { name: String, value: String, change: String },
}

impl ParamsError {
    pub(crate) fn bad_value(name: &str, value: &str, change: impl Into<String>) -> Self {
        let value = value.chars().take(60).collect();
        Self::BadValue { name: name.to_owned(), value, change: change.into() }
    }
}

/// A parameter that one page takes besides range and filters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extra {
    One(&'static str),
    Many(&'static str),
}

impl Extra {
    const fn name(self) -> &'static str {
        match self {
            Self::One(name) | Self::Many(name) => name,
        }
    }
}

/// A parsed query string.
#[derive(Debug, Clone)]
pub(crate) struct Params {
    range: Range,
    filter: Filter,
    extras: Vec<(&'static str, String)>,
}

impl Params {
    /// Reads a query string at the time `now_unix`. Empty values count as absent: an HTML form sends them for every
    /// field that was left alone.
    ///
    /// # Errors
    ///
    /// A [`ParamsError`] for anything that would otherwise be silently left out of the question.
    pub(crate) fn parse(query: &str, now_unix: i64, extras: &[Extra]) -> Result<Self, ParamsError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(ParamsError::TooLong { bytes: query.len() });
        }
        let mut filter = Filter::all(TimeRange { from_unix: 0, to_unix: 0 });
        let mut taken: Vec<(&'static str, String)> = Vec::new();
        let (mut preset, mut from, mut to) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.len() > VALUE_BYTES_MAX {
                let change = format!("it is {} bytes long, limit is {VALUE_BYTES_MAX}", value.len());
                return Err(ParamsError::bad_value(&name, &value, change));
            }
            let value = value.trim();
            let slot = match &*name {
                "range" => Some(&mut preset),
                "from" => Some(&mut from),
                "to" => Some(&mut to),
                _ => None,
            };
            if let Some(slot) = slot {
                if !value.is_empty() && slot.replace(value.to_owned()).is_some() {
                    return Err(ParamsError::Twice { name: name.into_owned() });
                }
            } else if let Some(dimension) =
                Dimension::ALL.into_iter().find(|dimension| dimension.name() == name)
            {
                add_value(values_mut(&mut filter, dimension), &name, value)?;
            } else {
                add_extra(&mut taken, extras, &name, value)?;
            }
        }
        let range = Range::parse(preset.as_deref(), from.as_deref(), to.as_deref(), now_unix)?;
        filter.range = range.time();
        Ok(Self { range, filter, extras: taken })
    }

    pub(crate) const fn range(&self) -> &Range {
        &self.range
    }

    pub(crate) const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The same mail in the period of equal length before.
    pub(crate) fn previous(&self) -> Filter {
        Filter { range: self.filter.range.previous(), ..self.filter.clone() }
    }

    /// The filter widened to whole hours, for what is kept by the hour (latencies, replies).
    pub(crate) fn by_whole_hours(&self) -> Filter {
        Filter { range: whole_hours(self.filter.range), ..self.filter.clone() }
    }

    pub(crate) fn is_filtered(&self) -> bool {
        Dimension::ALL.into_iter().any(|dimension| !values(&self.filter, dimension).is_empty())
    }

    /// A parameter of the page, where it is given.
    pub(crate) fn extra<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.extras(name).next()
    }

    /// All values of a parameter of the page.
    pub(crate) fn extras<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.extras.iter().filter(move |(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be one of `allowed`, whose first is the default.
    pub(crate) fn choice<'a>(&self, name: &str, allowed: &[&'a str]) -> Result<&'a str, ParamsError> {
        let Some(value) = self.extra(name) else { return Ok(allowed[0]) };
        let known = allowed.iter().find(|known| **known == value);
        known.copied().ok_or_else(|| {
            ParamsError::bad_value(name, value, format!("choose one of {}", allowed.join(", ")))
        })
    }

    /// An address with the same range and filters, at any page.
    pub(crate) fn link(&self, path: &str) -> Link {
        let mut link = Link::to(path);
        for (name, value) in self.range.pairs() {
            link = link.with(name, value);
        }
        for dimension in Dimension::ALL {
            for value in values(&self.filter, dimension) {
                link = link.and_value(dimension, value);
            }
        }
        link
    }

    /// The address of this page itself, with what it asked for.
    pub(crate) fn here(&self, path: &str) -> Link {
        self.extras.iter().fold(self.link(path), |link, (name, value)| link.with(name, value.clone()))
    }
}

const fn whole_hours(range: TimeRange) -> TimeRange {
    const HOUR_S: i64 = 3_600;
    TimeRange {
        from_unix: range.from_unix.div_euclid(HOUR_S) * HOUR_S,
        to_unix: (range.to_unix + HOUR_S - 1).div_euclid(HOUR_S) * HOUR_S,
    }
}

fn add_value(list: &mut Vec<String>, name: &str, value: &str) -> Result<(), ParamsError> {
    if value.is_empty() {
        return Ok(());
    }
    let value = if value == NO_VALUE { "" } else { value };
    if list.iter().any(|known| known == value) {
        return Ok(());
    }
    if list.len() == VALUES_MAX {
        return Err(ParamsError::TooMany { name: name.to_owned() });
    }
    list.push(value.to_owned());
    Ok(())
}

fn add_extra(
    taken: &mut Vec<(&'static str, String)>,
    extras: &[Extra],
    name: &str,
    value: &str,
) -> Result<(), ParamsError> {
    let Some(extra) = extras.iter().find(|extra| extra.name() == name) else {
        let known: Vec<_> = ["range", "from", "to"]
            .into_iter()
            .chain(Dimension::ALL.into_iter().map(Dimension::name))
            .chain(extras.iter().map(|extra| extra.name()))
            .collect();
        return Err(ParamsError::Unknown { name: name.chars().take(60).collect(), known: known.join(", ") });
    };
    if value.is_empty() || taken.iter().any(|(key, old)| *key == extra.name() && old == value) {
        return Ok(());
    }
    let standing = taken.iter().filter(|(key, _)| *key == extra.name()).count();
    match extra {
        Extra::One(_) if standing > 0 => return Err(ParamsError::Twice { name: name.to_owned() }),
        Extra::Many(_) if standing == VALUES_MAX => {
            return Err(ParamsError::TooMany { name: name.to_owned() });
        }
        _ => taken.push((extra.name(), value.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
