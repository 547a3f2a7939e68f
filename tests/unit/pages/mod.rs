//! The pages for people, whole.

mod data;
mod html;
mod more;
mod text;
