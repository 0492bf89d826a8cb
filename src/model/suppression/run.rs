//! Runs and reviews: in which state they are, and of what kind.

use crate::model::named::named;

named! {
    /// What made the records of a run. The numbers are those of the `Enum8` column and never change.
    RunKind: i8 {
        /// What one rule did in one hour.
        Rule = 1, "rule";
        /// A file.
        Import = 2, "import";
        /// One request with several addresses.
        Bulk = 3, "bulk";
        /// The undo of another run.
        Undo = 4, "undo";
        /// What a review had held, let go by a person.
        Release = 5, "release";
    }
}

named! {
    /// How far a run has come. The numbers are those of the `Enum8` column and never change.
    RunState: i8 {
        /// Under way; after a crash it is done again.
        Running = 1, "running";
        Done = 2, "done";
        /// Given up; its records stay until they are undone.
        Failed = 3, "failed";
    }
}

named! {
    /// What became of a burst's review. The numbers are those of the `Enum8` column and never change.
    #[derive(Default)]
    ReviewState: i8 {
        #[default]
        Waiting = 0, "waiting";
        /// What was held is suppressed.
        Released = 1, "released";
        /// What was held is forgotten.
        Dismissed = 2, "dismissed";
    }
}
