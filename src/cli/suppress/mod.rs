//! `relaylens suppress …`: the suppression list from the command line.
//!
//! Way: a command asks the API of the running server, or opens the data folder and asks its own (`api`).

mod api;
mod change;
mod files;
mod show;
mod simulate;

pub(super) use api::Api;

use clap::{Args, Subcommand};

/// Ask, change, import and export the suppression list
#[derive(Debug, Subcommand)]
pub(super) enum Suppress {
    /// Put addresses onto the list
    Add(change::AddArgs),
    /// Lift the entries of an address
    Remove(change::RemoveArgs),
    /// Say whether mail to an address is held back, and why
    Show(show::ShowArgs),
    /// Print the living entries, by address
    List(show::ListArgs),
    /// Take in a list: CSV, NDJSON, or one address a line
    Import(files::ImportArgs),
    /// Write the list, as it is or in the shape that others import
    Export(files::ExportArgs),
    /// Take back a whole import, bulk request or run of a rule
    Undo(change::UndoArgs),
    /// Say whom changed rules would put onto the list or free, by the events of the last days
    Simulate(simulate::SimulateArgs),
}

pub(super) async fn run(command: &Suppress) -> anyhow::Result<()> {
    match command {
        Suppress::Add(args) => change::add(args).await,
        Suppress::Remove(args) => change::remove(args).await,
        Suppress::Show(args) => show::show(args).await,
        Suppress::List(args) => show::list(args).await,
        Suppress::Import(args) => files::import(args).await,
        Suppress::Export(args) => files::export(args).await,
        Suppress::Undo(args) => change::undo(args).await,
        Suppress::Simulate(args) => simulate::run(args).await,
    }
}

/// How far an entry reaches, and what it holds back.
#[derive(Debug, Clone, Default, Args)]
struct Reach {
    /// global (default), tenant, stream or list
    #[arg(long, default_value = "")]
    scope: String,
    #[arg(long, default_value = "")]
    tenant: String,
    /// Name of the stream or list
    #[arg(long, default_value = "")]
    name: String,
    /// all (default), marketing or transactional
    #[arg(long = "type", value_name = "TYPE", default_value = "all")]
    mail_type: String,
}
