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

/// Pages that belong together; one that stands alone is a group of its own.
#[derive(Debug, Clone)]
pub(crate) struct NavGroup {
    pub(crate) label: &'static str,
    pub(crate) tabs: Vec<Tab>,
}

impl NavGroup {
    /// The page of this group that one is on.
    pub(crate) fn current(&self) -> Option<&Tab> {
        self.tabs.iter().find(|tab| tab.is_current)
    }
}

/// The pages of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NavPage {
    Overview,
    Providers,
    Bounces,
    Deferrals,
    Messages,
    Complaints,
    Suppressions,
    Audit,
    Dmarc,
    Tls,
    Reputation,
    Blocklists,
    Dns,
    Compliance,
    Warmup,
    Alerts,
    Sources,
    Health,
    Help,
}

/// Groups in the order in which they stand: more would not fit beside each other into 1000 pixels.
const GROUPS: [(&str, &[NavPage]); 7] = [
    ("Overview", &[NavPage::Overview]),
    ("Delivery", &[NavPage::Providers, NavPage::Bounces, NavPage::Deferrals, NavPage::Messages]),
    ("Feedback", &[NavPage::Complaints, NavPage::Suppressions]),
    ("Reports", &[NavPage::Dmarc, NavPage::Tls]),
    (
        "Reputation",
        &[NavPage::Reputation, NavPage::Blocklists, NavPage::Dns, NavPage::Compliance, NavPage::Warmup],
    ),
    ("Alerts", &[NavPage::Alerts]),
    ("System", &[NavPage::Sources, NavPage::Health, NavPage::Audit, NavPage::Help]),
];

impl NavPage {
    const fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Providers => "Providers",
            Self::Bounces => "Bounces",
            Self::Deferrals => "Deferrals",
            Self::Messages => "Messages",
            Self::Complaints => "Complaints",
            Self::Suppressions => "Suppressions",
            Self::Audit => "Audit log",
            Self::Dmarc => "DMARC",
            Self::Tls => "TLS",
            Self::Reputation => "IPs and domains",
            Self::Blocklists => "Blocklists",
            Self::Dns => "Authentication and DNS",
            Self::Compliance => "Receivers' rules",
            Self::Warmup => "Warm-up",
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
            Self::Deferrals => "/deferrals",
            Self::Messages => "/messages",
            Self::Complaints => "/complaints",
            Self::Suppressions => "/suppressions",
            Self::Audit => "/audit",
            Self::Dmarc => "/dmarc",
            Self::Tls => "/tls",
            Self::Reputation => "/reputation",
            Self::Blocklists => "/reputation/blocklists",
            Self::Dns => "/reputation/dns",
            Self::Compliance => "/reputation/compliance",
            Self::Warmup => "/reputation/warmup",
            Self::Alerts => "/alerts",
            Self::Sources => "/sources",
            Self::Health => "/health",
            Self::Help => "/help/metrics",
        }
    }

    /// Whether the page takes the range and filters of the one before.
    const fn is_about_a_range(self) -> bool {
        !matches!(self, Self::Help | Self::Alerts | Self::Audit)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) assets: &'static str,
    pub(crate) has_charts: bool,
    pub(crate) nav: Vec<NavGroup>,
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
        Self {
            title: title.to_owned(),
            assets: assets::base(),
            has_charts: assets::has_charts(),
            nav: groups(None, None),
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

    /// What the page is called in the navigation.
    pub(crate) fn here(&self) -> Option<&str> {
        self.nav.iter().find_map(NavGroup::current).map(|tab| tab.label.as_str())
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
        layout.nav = groups(params, Some(page));
        layout.demo = site.demo_text();
        layout
    }
}

fn groups(params: Option<&Params>, current: Option<NavPage>) -> Vec<NavGroup> {
    let tab = |page: &NavPage| Tab {
        label: page.label().to_owned(),
        href: match params.filter(|_| page.is_about_a_range()) {
            Some(params) => params.link(page.path()).to_string(),
            None => page.path().to_owned(),
        },
        is_current: current == Some(*page),
    };
    GROUPS.map(|(label, pages)| NavGroup { label, tabs: pages.iter().map(tab).collect() }).into()
}
