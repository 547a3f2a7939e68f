//! Pages as plain values: what is shown, in the order in which it is shown, and not how.

pub mod forge;
pub mod front;
pub mod package;
pub mod parts;
pub mod problem;
pub mod site;
