//! Database rows rendered as JSON, text and HTML. A page is a struct of `view`, made from rows; `html` and `text` are
//! its two renderings.

pub mod atom;
pub mod badge;
pub mod comparison;
pub mod exposition;
pub mod html;
pub mod json;
pub mod limits;
pub mod matrix;
pub mod required;
pub mod sanitize;
pub mod stats;
pub mod targets;
pub mod text;
pub mod view;
