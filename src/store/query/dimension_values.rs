//! What the filter bar offers.

use crate::store::query::question::Sql;
use crate::store::query::{Dimension, DimensionValue, TimeRange};
use crate::store::{Store, StoreError};

impl Store {
    /// The values of each dimension that sent mail in the whole hours that contain the range, at most `per_dimension`
    /// of each, those that sent most first. The empty value is left out.
    ///
    /// # Errors
    ///
    /// When `ClickHouse` refuses or cannot be reached.
    pub async fn dimension_values(
        &self,
        range: &TimeRange,
        per_dimension: u32,
    ) -> Result<Vec<DimensionValue>, StoreError> {
        let mut rows: Vec<DimensionValue> = self
            .ask("dimension_values", &Sql::of(include_str!("dimension_values.sql")))
            .range(range.whole_hours())
            .param("per_dimension", per_dimension)
            .rows()
            .await?;
        for row in rows.iter_mut().filter(|row| row.dimension == Dimension::Ip.name()) {
            row.value = Dimension::Ip.shown(std::mem::take(&mut row.value));
        }
        Ok(rows)
    }
}
