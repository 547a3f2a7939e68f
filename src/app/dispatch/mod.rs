//! Events go in, actions come out: the app as the shell sees it.

pub mod admission;
pub mod admitted;
pub mod dispatch;
pub mod engine_answers;
pub mod engine_waiter;
pub mod limits;
pub mod texts;
