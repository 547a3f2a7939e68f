//! The words and rules of the program, as values.

pub mod disk_space;
pub mod git_url;
pub mod ids;
pub mod limits;
pub mod page_url;
pub mod popularity;
pub mod recheck;
pub mod repository;
pub mod task;
pub mod verdict;
