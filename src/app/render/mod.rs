//! Database rows rendered as JSON, text and HTML.

pub mod json;
pub mod limits;
pub mod matrix;
pub mod page;
pub mod pages;
pub mod sanitize;
pub mod table;
