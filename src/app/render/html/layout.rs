//! What all pages have in common: head, style, the line of links at the top.

use std::sync::LazyLock;

use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::app::render::sanitize::{Clean, sanitize};
use crate::app::render::view::feed::FeedLink;
use crate::app::render::view::site::Site;

/// The whole style sheet. A page loads nothing else.
const STYLE: &str = include_str!("style.css");

/// The icon: the sign of a package that works.
pub const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\">\
    <rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#116329\"/>\
    <path d=\"M3.5 8.5l3 3 6-7\" fill=\"none\" stroke=\"#fff\" stroke-width=\"2\"/></svg>\n";

/// How often such a page is loaded.
const REFRESH_S: u32 = 5;

/// The links at the top of each page, before and behind that to the newest comparison.
const FIRST_PAGES: [(&str, &str); 2] = [("/", "packages"), ("/queue", "queue")];
const LAST_PAGES: [(&str, &str); 3] = [
    ("/stats", "stats"),
    ("/submit", "submit"),
    ("/docs", "docs"),
];

/// What a page says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// With the verdict, where the page has one.
    pub title: String,
    /// One sentence for those who see only a link to the page.
    pub description: String,
    /// The one address of what is shown.
    pub path: String,
    /// Search engines pass it by: there are many such pages, and none lasts.
    pub is_noindex: bool,
    /// The browser loads it again every few seconds: it changes, and this browser shows no live pages.
    pub refreshes: bool,
    /// What is in the search box.
    pub search: Option<Clean>,
    /// The feed of what is shown.
    pub feed: Option<FeedLink>,
}

/// True for a page that changes, in a browser that does not show the changes as they come.
pub fn refreshes(site: &Site, has_ended: bool) -> bool {
    !has_ended && !site.options.is_live
}

/// The Content-Security-Policy of a page: it may use its own style and icon, and send forms to this server; no scripts,
/// no framing.
pub fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let style = BASE64.encode(&Sha256::digest(STYLE));
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; img-src 'self'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        )
    });
    &POLICY
}

/// A whole page.
pub fn page(site: &Site, head: &Head, main: &Markup) -> String {
    begin(site, head) + &main.0 + &end()
}

/// A page up to the beginning of what it is about.
pub fn begin(site: &Site, head: &Head) -> String {
    let (title, description) = (sanitize(&head.title), sanitize(&head.description));
    let path = sanitize(&head.path);
    let address = format!(
        "{}{path}",
        site.options.origin.as_deref().unwrap_or_default()
    );
    let top = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                meta name="description" content=(description);
                meta property="og:site_name" content="zigcheck";
                meta property="og:type" content="website";
                meta property="og:title" content=(title);
                meta property="og:description" content=(description);
                @if site.options.origin.is_some() { meta property="og:url" content=(address); }
                @if head.refreshes { meta http-equiv="refresh" content=(REFRESH_S); }
                @if head.is_noindex { meta name="robots" content="noindex"; }
                link rel="canonical" href=(address);
                @if let Some(feed) = &head.feed {
                    link rel="alternate" type="application/atom+xml" title=(feed.title) href=(feed.path);
                }
                link rel="icon" type="image/svg+xml" href="/favicon.ico";
                style { (PreEscaped(STYLE)) }
            }
            body { (header(site, head)) }
        }
    };
    // The page goes on inside its body.
    let open = top.0.strip_suffix("</body></html>").unwrap_or(&top.0);
    format!("{open}\n<main>\n")
}

fn header(site: &Site, head: &Head) -> Markup {
    html! {
        header {
            a.name href="/" { "zigcheck" }
            form role="search" action="/" {
                input type="search" name="search" aria-label="Search packages" placeholder="Search packages"
                    value=[head.search.as_ref()];
                button { "Search" }
            }
            nav aria-label="Pages" {
                @for (target, word) in FIRST_PAGES { a href=(target) { (word) } }
                @if let Some(compare) = &site.compare { a href=(compare) { "compare" } }
                @for (target, word) in LAST_PAGES { a href=(target) { (word) } }
            }
            p.load { (site.load()) }
        }
    }
}

/// A page whose watched part is sent in so many versions at most, up to the first of them.
pub fn begin_live(site: &Site, head: &Head, versions: usize) -> String {
    let slots = (1..=versions).fold(html! {}, |before, version| {
        html! { slot name=(version) { (before) } }
    });
    let live = html! { template shadowrootmode="open" { (slots) } };
    format!("{}<div class=\"live\">{}\n", begin(site, head), live.0)
}

/// The beginning of a version; `</div>` is its end.
pub fn begin_version(version: usize) -> String {
    format!("<div slot=\"{version}\">")
}

/// The end of such a page; `again`: the browser loads it anew.
pub fn end_of_live(again: bool) -> String {
    let refresh = match again {
        true => "<meta http-equiv=\"refresh\" content=\"0\">\n",
        false => "",
    };
    format!("</div>\n{refresh}{}", end())
}

/// The end of a page.
pub fn end() -> String {
    let end = html! {
        footer { "zigcheck " (env!("CARGO_PKG_VERSION")) ": each page is text for curl, at the same address" }
    };
    format!("\n</main>\n{}\n</body>\n</html>\n", end.0)
}
