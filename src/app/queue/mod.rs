//! The queue of tasks: what waits is in the database, in the order of a policy.

pub mod forecast;
pub mod limits;
pub mod lookahead;
pub mod policy;
pub mod queue;
