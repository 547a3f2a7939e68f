//! Requests become calls: one table of routes, and one file of readers for each branch of `Call`.

pub mod admin;
pub mod pages;
pub mod read;
pub mod route_request;
pub mod submit;
pub mod table;
pub mod watch;
