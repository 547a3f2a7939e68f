//! `zigcheck doctor`: examines everything that a server needs, beside one that runs or without one.

mod answer;
mod builds;
pub mod facts;
pub mod findings;
mod gather;
mod limits;
pub mod report;

use crate::commands::doctor::findings::{Level, findings};
use crate::config::settings::Settings;
use crate::shell::clock::Clock;

pub use crate::commands::doctor::gather::Options;

/// Examines all that the settings name. Gives the report, and how bad the worst finding is.
pub fn run(settings: &Settings, options: &Options, is_json: bool) -> (String, Level) {
    let facts = gather::facts(settings, options, Clock::start());
    let found = findings(&facts);
    let report = match is_json {
        true => report::json(&found),
        false => report::text(&found),
    };
    (report, report::worst(&found))
}
