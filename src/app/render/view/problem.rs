//! The page in place of one that cannot be shown: what is wrong, and what to do next.

use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::Link;
use crate::app::render::view::site::Site;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub site: Site,
    pub status: u16,
    pub sentence: Clean,
    /// Where to go from here.
    pub next: Vec<Link>,
}

impl Problem {
    pub fn new(site: Site, status: u16, sentence: &str) -> Problem {
        let next = match status {
            404 => vec![Link::new("all packages", "/")],
            _ => vec![Link::new("back to the first page", "/")],
        };
        Problem {
            site,
            status,
            sentence: Clean::new(sentence),
            next,
        }
    }

    /// The status in words.
    pub fn title(&self) -> &'static str {
        match self.status {
            400 => "This cannot be read",
            403 => "This is not allowed",
            404 => "There is nothing here",
            405 | 501 => "This is not possible here",
            409 => "This is taken",
            411 | 413 | 415 => "This body cannot be taken",
            412 => "This has changed",
            429 => "Too many requests",
            500..=599 => "The server cannot do this now",
            _ => "This did not work",
        }
    }

    /// What helps.
    pub fn advice(&self) -> &'static str {
        match self.status {
            404 => {
                "It may have been deleted, or the address is wrong. Search for a package, or begin at the list."
            }
            429 => "Wait a little, then try again.",
            500..=599 => "Nothing was lost. Try again in a minute.",
            _ => "Change what the sentence names, and try again.",
        }
    }
}
