//! What was: incidents with their steps, messages, annotations, read back from the store.

use crate::alert::desk::Alerts;
use crate::alert::figures::Figures;
use crate::alert::incident::Incident;
use crate::store::StoreError;
use crate::store::query::{AnnotationOf, DeliveryAttempt, IncidentBody, StepToTell, TimeRange};

impl<F: Figures> Alerts<F> {
    /// Incidents that are open or ended since then, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn history(&self, since_unix: i64, limit: u32) -> Result<Vec<Incident>, StoreError> {
        let stored = self.store.incidents(since_unix, limit).await?;
        Ok(stored.iter().filter_map(read).collect())
    }

    /// An incident after each of its steps, oldest first; empty when there is none of the id.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn steps(&self, id: u128) -> Result<Vec<(Incident, StepToTell)>, StoreError> {
        let id = uuid::Uuid::from_u128(id).to_string();
        let steps = self.store.incident_steps(&id).await?;
        let read = |step: StepToTell| Some((serde_json::from_str(&step.body).ok()?, step));
        Ok(steps.into_iter().filter_map(read).collect())
    }

    /// The newest attempts to tell somebody, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn deliveries(&self, since_unix: i64, limit: u32) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.store.delivery_attempts(since_unix, limit).await
    }

    /// What users posted, and the incidents, in a range.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn annotations(&self, range: TimeRange, limit: u32) -> Result<Vec<AnnotationOf>, StoreError> {
        self.store.annotations(range, limit).await
    }
}

pub(super) fn read(stored: &IncidentBody) -> Option<Incident> {
    serde_json::from_str(&stored.body)
        .inspect_err(|error| {
            tracing::error!(%error, incident = stored.incident_id, "a stored incident cannot be read; it is left out");
        })
        .ok()
}
