//! The documentation as pages: the calls of the API, and the pages of the manual.

use crate::app::render::sanitize::Clean;
use crate::app::render::view::site::Site;

/// The calls of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct DocsView {
    pub site: Site,
    pub calls: Vec<CallLine>,
}

/// One call, with a command to copy and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLine {
    pub method: &'static str,
    pub path: &'static str,
    pub summary: &'static str,
    /// The parameters of the query, and the fields of a JSON body.
    pub parameters: &'static str,
    pub fields: &'static str,
    pub needs_token: bool,
    pub curl: Option<Clean>,
    pub example: Option<&'static str>,
}

/// A page of the manual, in Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManualPage {
    pub name: &'static str,
    pub title: &'static str,
    pub markdown: &'static str,
}

macro_rules! manual {
    ($($name:literal: $title:literal,)*) => {
        &[$(ManualPage {
            name: $name,
            title: $title,
            markdown: include_str!(concat!("../../../../docs/", $name, ".md")),
        }),*]
    };
}

/// The manual: the pages of `docs/`.
pub const MANUAL: &[ManualPage] = manual! {
    "ci": "One curl in CI",
    "verdicts": "Verdicts and reasons",
    "api": "The API in words",
    "container": "What a build finds in its container",
    "settings": "Settings and limits",
    "operations": "Running a server",
    "notify": "Notifications",
    "figures": "Figures",
};

pub fn manual_page(name: &str) -> Option<&'static ManualPage> {
    MANUAL.iter().find(|page| page.name == name)
}
