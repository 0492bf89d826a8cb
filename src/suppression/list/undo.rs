//! Taking back a whole run.

use crate::model::Text;
use crate::model::suppression::{RunId, RunKind, RunState};
use crate::store::RunEntry;
use crate::suppression::fold::{self, Undoing};
use crate::suppression::list::{Actor, List, ListError, WRITE_CHANGES_MAX, Written, run_of};

/// Records of the run looked at at once, with the whole story of their addresses.
const PAGE: u32 = 10_000;

impl List {
    /// Undoes a run: after it every address stands as if the run had never been. What others wrote of the same
    /// addresses, before or after, keeps its effect.
    ///
    /// It goes through the addresses in parts and notes the run of the undo, by which it can be undone itself. One
    /// that was interrupted is finished by undoing again: what is done already is not done twice.
    ///
    /// # Errors
    ///
    /// As [`List::write_as`]: an actor who may not lift one of the entries lifts none of its part.
    pub async fn undo(&self, run: RunId, actor: &Actor, note: &str) -> Result<Written, ListError> {
        let undoing = Undoing {
            origin: actor.origin(),
            run: run_of([b"undo".as_slice(), run.0.as_bytes()]),
            note: Text::from(note),
        };
        let begun = self.now();
        let entry = |state, changed| RunEntry {
            run: undoing.run,
            kind: RunKind::Undo,
            name: Text::default(),
            actor: actor.name.clone(),
            state,
            begun,
            changed,
            target: Some(run.0),
            rows: 0,
            faults: 0,
            note: Text::from(note),
        };
        self.note_run(&entry(RunState::Running, begun)).await?;
        let done = self.undo_in_parts(run, actor, &undoing).await;
        let state = if done.is_ok() { RunState::Done } else { RunState::Failed };
        self.note_run(&entry(state, self.now())).await?;
        done
    }

    async fn undo_in_parts(
        &self,
        run: RunId,
        actor: &Actor,
        undoing: &Undoing,
    ) -> Result<Written, ListError> {
        let mut written = Written::default();
        let mut after = Text::default();
        loop {
            let records = self.store().suppressions_of_run(run, &after, PAGE).await?;
            let Some(last) = records.last() else { return Ok(written) };
            after = last.change.key.address.clone();
            let mut addresses: Vec<Text> =
                records.into_iter().map(|record| record.change.key.address).collect();
            addresses.dedup();
            let history = self.store().suppressions_of(&addresses).await?;
            let changes = fold::undo(&history, |record| record.change.run == Some(run), undoing, self.now());
            for changes in changes.chunks(WRITE_CHANGES_MAX) {
                written.add_counts(&self.write_as(actor, changes.to_vec()).await?);
            }
        }
    }
}
