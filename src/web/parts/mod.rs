//! What pages are put together from: frame, filter bar, cards, charts, tables. Each is a struct with a template of its
//! name in `templates/parts/`, and is shown by writing it into a page's template.
//!
//! Not here: what a figure means (`dictionary`), how it is written (`format`).

mod breakdown;
mod card;
mod chart;
mod filter_bar;
mod heatmap;
mod layout;
mod marks;
mod nothing;
mod replies;
mod shares;
mod strip;
mod table;
mod term;

pub(crate) use breakdown::breakdown_table;
pub(crate) use card::{Card, Difference, sparkline};
pub(crate) use chart::{Chart, ChartBuilder, ChartKind, ChartUnit};
pub(crate) use filter_bar::{CHOICES_MAX, Choices, FilterBar};
pub(crate) use heatmap::{HEAT_CELLS_MAX, Heatmap};
pub(crate) use layout::{Layout, NavPage, Tab};
pub(crate) use marks::{MARKS_MAX, MarkList, Marks};
pub(crate) use nothing::Nothing;
pub(crate) use replies::{reply_table, short_reply_table};
pub(crate) use shares::{Share, Shares};
pub(crate) use strip::{STALE_AFTER_S, Strip, newest_unix};
pub(crate) use table::{Cell, Column, Row, Table};
pub(crate) use term::Term;
