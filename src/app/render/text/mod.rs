//! Pages as text for terminals.

pub mod front;
pub mod package;
pub mod parts;
pub mod problem;
pub mod table;
