//! The filter bar: range, filters and what is chosen, all as links and one plain form.

use crate::store::query::{Dimension, DimensionValue};
use crate::web::format;
use crate::web::params::{NO_VALUE, Params, Preset, dimension_label, values};
use crate::web::parts::Tab;
use askama::Template;

/// Most values offered for one dimension. Rarer ones are reached by a click in a table or by the URL.
pub(crate) const CHOICES_MAX: u32 = 50;

/// The values that a range of mail offers.
pub(crate) type Choices = std::sync::Arc<Vec<DimensionValue>>;

#[derive(Debug, Clone, Template)]
#[template(path = "parts/filter_bar.html")]
pub(crate) struct FilterBar {
    path: String,
    presets: Vec<Tab>,
    is_custom: bool,
    range_label: String,
    from: String,
    to: String,
    /// What the form for a custom range carries along.
    kept_by_range: Vec<(String, String)>,
    /// What the form that adds a filter carries along.
    kept_by_filters: Vec<(String, String)>,
    selects: Vec<Select>,
    chips: Vec<Chip>,
    clear_href: String,
    now: String,
}

impl askama::filters::HtmlSafe for FilterBar {}

#[derive(Debug, Clone)]
struct Select {
    key: &'static str,
    label: &'static str,
    options: Vec<(String, String)>,
}

/// A filter in force, and the address without it.
#[derive(Debug, Clone)]
struct Chip {
    label: &'static str,
    value: String,
    without: String,
}

impl FilterBar {
    /// `choices` is `None` on pages that filter by time alone.
    pub(crate) fn of(params: &Params, path: &str, choices: Option<&[DimensionValue]>) -> Self {
        // a page of a list makes no sense in another list
        let here = params.here(path).without("before");
        let range = params.range();
        let preset = |preset: Preset| Tab {
            label: preset.key().to_owned(),
            href: here.clone().without_range().with("range", preset.key()).to_string(),
            is_current: range.is_preset(preset),
        };
        let selects = choices.map_or_else(Vec::new, |choices| {
            Dimension::ALL
                .into_iter()
                .filter_map(|dimension| Select::of(dimension, params, choices))
                .collect()
        });
        let cleared =
            Dimension::ALL.into_iter().fold(here.clone(), |link, dimension| link.without(dimension.name()));
        Self {
            path: path.to_owned(),
            presets: Preset::ALL.map(preset).into(),
            is_custom: range.is_custom(),
            range_label: range.label(),
            from: format::url_minute(range.time().from_unix),
            to: format::url_minute(range.time().to_unix),
            kept_by_range: here.clone().without_range().pairs().to_vec(),
            kept_by_filters: here.pairs().to_vec(),
            selects,
            chips: chips(params, path),
            clear_href: cleared.to_string(),
            now: format::clock(range.now_unix()),
        }
    }
}

fn chips(params: &Params, path: &str) -> Vec<Chip> {
    let here = params.here(path).without("before");
    let chip = |dimension: Dimension, value: &String| Chip {
        label: dimension_label(dimension),
        value: if value.is_empty() { NO_VALUE.to_owned() } else { value.clone() },
        without: here.clone().without_value(dimension, value).to_string(),
    };
    Dimension::ALL
        .into_iter()
        .flat_map(|dimension| values(params.filter(), dimension).iter().map(move |value| (dimension, value)))
        .map(|(dimension, value)| chip(dimension, value))
        .collect()
}

impl Select {
    /// `None` when the mail has only one value of the dimension, or none: then there is nothing to choose.
    fn of(dimension: Dimension, params: &Params, choices: &[DimensionValue]) -> Option<Self> {
        let key = dimension.name();
        let chosen = values(params.filter(), dimension);
        let known = choices.iter().filter(|choice| choice.dimension == key);
        if known.clone().all(|choice| choice.value.is_empty()) {
            return None;
        }
        let options: Vec<_> = known
            .filter(|choice| !chosen.contains(&choice.value))
            .map(|choice| {
                let value = if choice.value.is_empty() { NO_VALUE } else { &choice.value };
                (value.to_owned(), format!("{value} · {}", format::short_count(choice.sent)))
            })
            .collect();
        (!options.is_empty()).then(|| Self { key, label: dimension_label(dimension), options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_785_585_270;

    fn bar(query: &str) -> FilterBar {
        let params = Params::parse(query, NOW, &[]).unwrap();
        let value = |dimension: &str, value: &str| DimensionValue {
            dimension: dimension.to_owned(),
            value: value.to_owned(),
            sent: 10,
        };
        let choices = [value("provider", "gmail"), value("provider", "yahoo"), value("pool", "")];
        FilterBar::of(&params, "/", Some(&choices))
    }

    #[test]
    fn a_chip_leads_to_the_address_without_it() {
        let bar = bar("range=1h&provider=gmail&provider=yahoo");
        assert_eq!(bar.chips[0].without, "/?range=1h&provider=yahoo");
        assert_eq!(bar.clear_href, "/?range=1h");
    }

    #[test]
    fn only_values_that_can_be_added_are_offered() {
        let bar = bar("provider=gmail");
        let offered: Vec<_> = bar.selects.iter().flat_map(|s| &s.options).map(|(value, _)| value).collect();
        assert_eq!(offered, ["yahoo"]);
    }
}
