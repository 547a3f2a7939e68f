//! What the program does besides serving. A command runs in a process of its own, beside the server or instead of it.

pub mod admin;
pub mod backup;
pub mod checksums;
pub mod completions;
mod curl;
pub mod database;
pub mod doctor;
pub mod import;
pub mod man;
pub mod output;
pub mod restore;
pub mod secret_file;
pub mod server;
pub mod tally;
pub mod urls;
