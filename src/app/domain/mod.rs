//! The words and rules of the program, as values.

pub mod commit_list;
pub mod commit_search;
pub mod comparison;
pub mod declared;
pub mod disk_space;
pub mod error_key;
pub mod error_place;
pub mod error_text;
pub mod git_url;
pub mod ids;
pub mod limits;
pub mod package_name;
pub mod page_url;
pub mod popularity;
pub mod push;
pub mod recheck;
pub mod repository;
pub mod scope;
pub mod search;
pub mod targets;
pub mod task;
pub mod transition;
pub mod upgrade;
pub mod verdict;
pub mod zig_version;
