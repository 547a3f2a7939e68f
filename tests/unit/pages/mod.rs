//! The pages for people, whole.

mod data;
mod forms;
mod html;
mod more;
mod text;
