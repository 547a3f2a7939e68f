//! Pages as HTML for browsers: nothing is loaded from elsewhere, and no script is needed.

pub mod build;
pub mod check;
pub mod compare;
pub mod docs;
pub mod front;
pub mod layout;
pub mod log;
pub mod package;
pub mod parts;
pub mod problem;
pub mod queue;
pub mod stats;
pub mod submit;
pub mod transitions;
pub mod upgrade;
