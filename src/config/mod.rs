//! Settings, and the limits that several folders share.

pub mod commands;
pub mod flags;
pub mod hook_secret;
pub mod launcher;
pub mod limits;
pub mod proxies;
pub mod settings;
pub mod token;
pub mod values;
