//! What a feed is called, and where it is.

use form_urlencoded::Serializer;

use crate::app::domain::transition::Transition;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::package_path;

/// The changes that a feed has.
#[derive(Debug, Clone, Copy, Default)]
pub struct FeedScope<'a> {
    /// None: of all packages.
    pub package: Option<&'a str>,
    /// None: under all versions.
    pub zig_version: Option<&'a str>,
    /// Only what stopped to work, or began to.
    pub only: Option<Transition>,
}

/// A feed that readers find by the address of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLink {
    pub title: Clean,
    pub path: String,
}

impl FeedScope<'_> {
    /// The feed, as a page names it in its head.
    pub fn link(&self) -> FeedLink {
        FeedLink {
            title: self.title(),
            path: self.path(),
        }
    }

    /// Its name, as feed readers list it.
    pub fn title(&self) -> Clean {
        let package = self.package.unwrap_or("packages");
        let version = self
            .zig_version
            .map(|version| format!(" under Zig {version}"));
        let version = version.unwrap_or_default();
        let what = self.only.map_or("verdicts that changed", category);
        Clean::new(&format!("zigcheck: {package}{version}, {what}"))
    }

    /// The page that shows the same to people.
    pub fn page(&self) -> String {
        self.package.map_or_else(|| "/".to_string(), package_path)
    }

    /// Its one address: a package has one name here, whatever it was asked by.
    pub fn path(&self) -> String {
        let mut query = Serializer::new(String::new());
        if let Some(version) = self.zig_version {
            query.append_pair("zig_version", version);
        }
        if let Some(only) = self.only {
            query.append_pair("only", category(only));
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!(
            "{}/feed.atom{mark}{query}",
            self.page().trim_end_matches('/')
        )
    }
}

/// What entries of a feed are called that have it, and the feed that has them alone.
pub fn category(transition: Transition) -> &'static str {
    match transition {
        Transition::NewlyBroken => "broken",
        Transition::NewlyFixed => "fixed",
    }
}
