//! The database: one file per table, with its row, its columns and its statements.

pub mod builds;
pub mod checks;
pub mod columns;
pub mod declared;
pub mod dependencies;
pub mod durations;
pub mod events;
pub mod history;
pub mod lanes;
pub mod limits;
pub mod list;
pub mod migrations;
pub mod open;
pub mod packages;
pub mod queue;
pub mod refused_hosts;
pub mod removals;
pub mod results;
pub mod scan;
pub mod server;
pub mod sources;
pub mod store;
pub mod toolchains;
pub mod totals;
pub mod uses;
