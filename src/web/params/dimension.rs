//! The seven columns of the filter bar: their names on the page, and their values in a filter.

use crate::store::query::{Dimension, Filter};

/// How an empty value is written in a URL, a chip and a table: mail without a pool is mail, too.
pub(crate) const NO_VALUE: &str = "(none)";

pub(crate) const fn dimension_label(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Provider => "Provider",
        Dimension::Ip => "Sending IP",
        Dimension::Pool => "Pool",
        Dimension::Stream => "Stream",
        Dimension::Tenant => "Tenant",
        Dimension::Domain => "Sender domain",
        Dimension::Campaign => "Campaign",
    }
}

pub(crate) const fn values(filter: &Filter, dimension: Dimension) -> &Vec<String> {
    match dimension {
        Dimension::Provider => &filter.provider,
        Dimension::Ip => &filter.ip,
        Dimension::Pool => &filter.pool,
        Dimension::Stream => &filter.stream,
        Dimension::Tenant => &filter.tenant,
        Dimension::Domain => &filter.domain,
        Dimension::Campaign => &filter.campaign,
    }
}

pub(crate) const fn values_mut(filter: &mut Filter, dimension: Dimension) -> &mut Vec<String> {
    match dimension {
        Dimension::Provider => &mut filter.provider,
        Dimension::Ip => &mut filter.ip,
        Dimension::Pool => &mut filter.pool,
        Dimension::Stream => &mut filter.stream,
        Dimension::Tenant => &mut filter.tenant,
        Dimension::Domain => &mut filter.domain,
        Dimension::Campaign => &mut filter.campaign,
    }
}
