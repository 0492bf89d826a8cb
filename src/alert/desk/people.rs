//! What people do: take an incident on, keep it quiet, try a channel, note something.

use crate::alert::desk::Alerts;
use crate::alert::figures::Figures;
use crate::alert::incident::{Acknowledgement, Advanced, Incident};
use crate::alert::judge::Labels;
use crate::alert::notify::NotifyError;
use crate::alert::silence::{Silence, SilenceError};
use crate::model::Timestamp;
use crate::model::alert::{IncidentState, IncidentStep};
use crate::store::{AnnotationRow, StoreError};

/// Longest text that a person may give, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// Why something that a person asked for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Silence(#[from] SilenceError),
    #[error("no incident of this id is firing")]
    NoIncident,
    #[error("no silence of this id is in force")]
    NoSilence,
    #[error("say who you are")]
    Nameless,
    #[error("an annotation needs a title, and an end after its beginning")]
    Annotation,
    #[error(transparent)]
    Notify(#[from] NotifyError),
}

/// What there is to tell of a new annotation.
#[derive(Debug, Clone, Default)]
pub struct NewAnnotation {
    pub at: Timestamp,
    /// `None` for a moment.
    pub until: Option<Timestamp>,
    pub title: String,
    pub text: String,
    pub author: String,
    pub labels: Labels,
}

impl<F: Figures> Alerts<F> {
    /// Somebody takes a firing incident on: no more reminders.
    ///
    /// # Errors
    ///
    /// [`DeskError::NoIncident`], [`DeskError::Nameless`], [`DeskError::Store`].
    pub async fn acknowledge(
        &self,
        id: u128,
        by: &str,
        comment: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        if by.trim().is_empty() {
            return Err(DeskError::Nameless);
        }
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        let fires = |incident: &&Incident| incident.state == IncidentState::Firing;
        let mut incident = standing.get(id).filter(fires).ok_or(DeskError::NoIncident)?.clone();
        incident.acknowledged = Some(Acknowledgement { by: cut(by), at: now, comment: cut(comment) });
        incident.seq += 1;
        let tells = incident.told.is_some();
        let advanced = vec![Advanced { incident, step: Some(IncidentStep::Acknowledged), tells }];
        let stored = self.store_steps(&advanced, now).await;
        Self::kept(stored, &mut work)?;
        if let Some(standing) = work.standing.as_mut() {
            standing.apply(advanced, now);
            self.show(standing);
        }
        Ok(())
    }

    /// Keeps incidents quiet that fit.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn silence(&self, silence: Silence, now: Timestamp) -> Result<(), DeskError> {
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        self.store.insert_silence(&silence.row()).await?;
        standing.silences.retain(|other| other.id != silence.id && other.until > now);
        standing.silences.push(silence);
        self.show(standing);
        Ok(())
    }

    /// Ends a silence before its time.
    ///
    /// # Errors
    ///
    /// [`DeskError::NoSilence`], [`DeskError::Store`].
    pub async fn end_silence(&self, id: u128, now: Timestamp) -> Result<(), DeskError> {
        let mut work = self.work.lock().await;
        let standing = self.standing(&mut work.standing, now).await?;
        let known = standing.silences.iter().find(|silence| silence.id == id && silence.until > now);
        let mut silence = known.ok_or(DeskError::NoSilence)?.clone();
        silence.until = now;
        silence.version += 1;
        self.store.insert_silence(&silence.row()).await?;
        standing.silences.retain(|other| other.id != id);
        self.show(standing);
        Ok(())
    }

    /// Sends an example message, at once and without the outbox.
    ///
    /// # Errors
    ///
    /// [`DeskError::Notify`], with what the channel said.
    pub async fn test_channel(&self, name: &str, now: Timestamp) -> Result<(), DeskError> {
        Ok(self.channels.test(name, now).await?)
    }

    /// Marks a moment or a time on the charts.
    ///
    /// # Errors
    ///
    /// [`DeskError::Annotation`], [`DeskError::Nameless`], [`DeskError::Store`].
    pub async fn annotate(&self, new: NewAnnotation) -> Result<u128, DeskError> {
        let until = new.until.unwrap_or(new.at);
        if new.title.trim().is_empty() || until < new.at {
            return Err(DeskError::Annotation);
        }
        if new.author.trim().is_empty() {
            return Err(DeskError::Nameless);
        }
        let row = AnnotationRow {
            annotation_id: uuid::Uuid::new_v4().as_u128(),
            at: new.at,
            until,
            kind: "user".to_owned(),
            title: cut(&new.title),
            text: cut(&new.text),
            author: cut(&new.author),
            labels: new.labels.into_iter().take(20).map(|(name, value)| (cut(&name), cut(&value))).collect(),
        };
        self.store.insert_annotations(std::slice::from_ref(&row)).await?;
        Ok(row.annotation_id)
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().take(TEXT_CHARS_MAX).collect()
}
