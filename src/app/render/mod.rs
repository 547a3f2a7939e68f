//! Rows become JSON, text and HTML.

pub mod json;
pub mod limits;
pub mod matrix;
pub mod pages;
pub mod sanitize;
pub mod sheet;
pub mod table;
