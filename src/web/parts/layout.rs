//! The frame around every page: navigation, filter bar, freshness, and the first steps while nothing is stored.

use crate::store::StoreError;
use crate::web::Site;
use crate::web::assets;
use crate::web::params::Params;
use crate::web::parts::{FilterBar, Strip, newest_unix};

/// A link that is one of a few, such as the tabs of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) is_current: bool,
}

/// The pages of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NavPage {
    Overview,
    Providers,
    Bounces,
    Complaints,
    Suppressions,
    Dmarc,
    Tls,
    Reputation,
    Deferrals,
    Messages,
    Alerts,
    Sources,
    Health,
    Help,
}

impl NavPage {
    const ALL: [Self; 14] = [
        Self::Overview,
        Self::Providers,
        Self::Bounces,
        Self::Complaints,
        Self::Suppressions,
        Self::Dmarc,
        Self::Tls,
        Self::Reputation,
        Self::Deferrals,
        Self::Messages,
        Self::Alerts,
        Self::Sources,
        Self::Health,
        Self::Help,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Providers => "Providers",
            Self::Bounces => "Bounces",
            Self::Complaints => "Complaints",
            Self::Suppressions => "Suppressions",
            Self::Dmarc => "DMARC",
            Self::Tls => "TLS",
            Self::Reputation => "Reputation",
            Self::Deferrals => "Deferrals",
            Self::Messages => "Messages",
            Self::Alerts => "Alerts",
            Self::Sources => "Sources",
            Self::Health => "Health",
            Self::Help => "Definitions",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Providers => "/providers",
            Self::Bounces => "/bounces",
            Self::Complaints => "/complaints",
            Self::Suppressions => "/suppressions",
            Self::Dmarc => "/dmarc",
            Self::Tls => "/tls",
            Self::Reputation => "/reputation",
            Self::Deferrals => "/deferrals",
            Self::Messages => "/messages",
            Self::Alerts => "/alerts",
            Self::Sources => "/sources",
            Self::Health => "/health",
            Self::Help => "/help/metrics",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) assets: &'static str,
    pub(crate) has_charts: bool,
    pub(crate) nav: Vec<Tab>,
    pub(crate) demo: Option<String>,
    pub(crate) filter_bar: Option<FilterBar>,
    pub(crate) strip: Option<Strip>,
    /// Nothing was ever stored: the page shows how to begin instead of itself.
    pub(crate) first_steps: bool,
    newest_unix: Option<i64>,
}

impl Layout {
    /// A frame that needs no store: for errors.
    pub(crate) fn bare(title: &str) -> Self {
        let nav = NavPage::ALL.map(|page| Tab {
            label: page.label().to_owned(),
            href: page.path().to_owned(),
            is_current: false,
        });
        Self {
            title: title.to_owned(),
            assets: assets::base(),
            has_charts: assets::has_charts(),
            nav: nav.into(),
            demo: None,
            filter_bar: None,
            strip: None,
            first_steps: false,
            newest_unix: None,
        }
    }

    /// A frame for a page about mail, with the whole filter bar.
    pub(crate) async fn of_mail(
        site: &Site,
        params: &Params,
        page: NavPage,
        path: &str,
        title: &str,
    ) -> Result<Self, StoreError> {
        let (choices, sources) =
            tokio::try_join!(site.choices(params.by_whole_hours().range), site.freshness())?;
        let mut layout = Self::with_nav(site, Some(params), page, title);
        layout.filter_bar = Some(FilterBar::of(params, path, Some(&choices)));
        layout.first_steps = sources.is_empty();
        layout.newest_unix = newest_unix(&sources);
        layout.strip = Strip::of(&sources, site.now_unix());
        Ok(layout)
    }

    /// A frame for a page about time alone: the health pages, which must work without any mail.
    pub(crate) fn of_time(site: &Site, params: &Params, page: NavPage, path: &str, title: &str) -> Self {
        let mut layout = Self::with_nav(site, Some(params), page, title);
        layout.filter_bar = Some(FilterBar::of(params, path, None));
        layout
    }

    /// Since when there is no data, where the strip warns of that.
    pub(crate) fn stale_since(&self) -> Option<i64> {
        self.strip.as_ref().filter(|strip| strip.is_stale()).and(self.newest_unix)
    }

    /// When the newest event of all happened.
    pub(crate) const fn newest_unix(&self) -> Option<i64> {
        self.newest_unix
    }

    /// A frame without a filter bar.
    pub(crate) fn plain(site: &Site, page: NavPage, title: &str) -> Self {
        Self::with_nav(site, None, page, title)
    }

    /// The navigation keeps range and filters: going on to another page is going on with the question.
    fn with_nav(site: &Site, params: Option<&Params>, page: NavPage, title: &str) -> Self {
        let mut layout = Self::bare(title);
        for (tab, target) in layout.nav.iter_mut().zip(NavPage::ALL) {
            tab.is_current = target == page;
            if let Some(params) = params {
                tab.href = match target {
                    NavPage::Help | NavPage::Alerts => target.path().to_owned(),
                    _ => params.link(target.path()).to_string(),
                };
            }
        }
        layout.demo = site.demo_text();
        layout
    }
}
