//! Pages as plain values: what is shown, in the order in which it is shown, and not how.

pub mod blockers;
pub mod build;
pub mod check;
pub mod compare;
pub mod compat;
pub mod docs;
pub mod errors;
pub mod feed;
pub mod forge;
pub mod front;
pub mod log;
pub mod outcome;
pub mod package;
pub mod parts;
pub mod problem;
pub mod queue;
pub mod site;
pub mod stats;
pub mod submit;
pub mod transitions;
pub mod upgrade;
