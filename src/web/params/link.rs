//! Addresses of pages, built from parts and written once.

use crate::store::query::Dimension;
use crate::web::format;
use crate::web::params::NO_VALUE;

/// A path with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Link {
    pub(crate) fn to(path: &str) -> Self {
        Self { path: path.to_owned(), pairs: Vec::new() }
    }

    /// Adds a parameter; its other values stay.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.pairs.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn with_all(self, pairs: &[(&str, &str)]) -> Self {
        pairs.iter().fold(self, |link, (name, value)| link.with(name, *value))
    }

    /// Takes a parameter away, with all its values.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.pairs.retain(|(key, _)| key != name);
        self
    }

    /// Takes one value of a dimension away.
    pub(crate) fn without_value(mut self, dimension: Dimension, value: &str) -> Self {
        let written = written(value);
        self.pairs.retain(|(key, old)| key != dimension.name() || old != written);
        self
    }

    /// Adds one value of a dimension.
    pub(crate) fn and_value(self, dimension: Dimension, value: &str) -> Self {
        self.with(dimension.name(), written(value))
    }

    /// Narrows a dimension to one value.
    pub(crate) fn only(self, dimension: Dimension, value: &str) -> Self {
        self.without(dimension.name()).and_value(dimension, value)
    }

    /// Sets the time range.
    pub(crate) fn during(self, from_unix: i64, to_unix: i64) -> Self {
        self.without_range()
            .with("from", format::url_minute(from_unix))
            .with("to", format::url_minute(to_unix))
    }

    pub(crate) fn without_range(self) -> Self {
        self.without("range").without("from").without("to")
    }

    /// The address with `{from}` and `{to}` in it, which the chart script fills in with the step that was clicked.
    pub(crate) fn with_range_open(self) -> String {
        let link = self.without_range().to_string();
        let joint = if link.contains('?') { '&' } else { '?' };
        format!("{link}{joint}from={{from}}&to={{to}}")
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

fn written(value: &str) -> &str {
    if value.is_empty() { NO_VALUE } else { value }
}

impl std::fmt::Display for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.path)?;
        if self.pairs.is_empty() {
            return Ok(());
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.pairs).finish();
        // colons may stand in a query (RFC 3986 section 3.4), and times are easier to read with them
        write!(out, "?{}", query.replace("%3A", ":"))
    }
}
