//! Pages as text for terminals.

pub mod build;
pub mod compare;
pub mod docs;
pub mod front;
pub mod package;
pub mod parts;
pub mod problem;
pub mod queue;
pub mod stats;
pub mod submit;
pub mod table;
pub mod transitions;
pub mod upgrade;
