//! The page of a comparison as HTML.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::class;
use crate::app::render::view::compare::{BrokenLine, CompareView, GroupView, PastLine};
use crate::app::render::view::parts::{Link, sign};
use crate::app::render::view::site::count;

pub fn html(view: &CompareView) -> String {
    let head = Head {
        title: format!("Zig {}", view.headline),
        description: view.sentence(),
        path: view.path.clone(),
        is_noindex: view.page > 1 || view.path.contains('?'),
        ..Head::default()
    };
    let (older, newer) = (&view.older, &view.newer);
    let main = html! {
        h1 { "Zig " (older) " to " (newer) }
        p.panel { (view.headline) "." }
        (bar(view))
        (outcomes(view))
        @for remark in &view.remarks { p { (remark) } }
        (groups("Newly broken, by the first error", &view.own, view))
        (groups("Newly broken by a dependency", &view.dependencies, view))
        @if let Some(next) = &view.next {
            p {
                a href=(next) {
                    "Page " (view.page + 1) " of " (view.total) @if view.is_bounded { " and more" } " errors"
                }
            }
        }
        h2 { "To take away" }
        p { (links(&view.downloads)) }
        @if !view.others.is_empty() {
            h2 { "Other versions" }
            p { (links(&view.others)) }
        }
    };
    layout::page(&view.site, &head, &main)
}

fn links(links: &[Link]) -> Markup {
    html! { @for (nth, link) in links.iter().enumerate() { @if nth > 0 { ", " } (link) } }
}

/// The shares of the outcomes, side by side.
fn bar(view: &CompareView) -> Markup {
    let mut from = 0;
    let mut parts = Vec::new();
    for line in view.outcomes.iter().filter(|line| line.count > 0) {
        parts.push((from, line));
        from += line.count;
    }
    html! {
        @if view.packages > 0 {
            svg width="100%" height="20" viewBox={ "0 0 " (view.packages) " 1" } preserveAspectRatio="none"
                role="img" aria-label=(view.sentence()) {
                @for (from, line) in parts {
                    rect class=(class(line.grade)) x=(from) width=(line.count) height="1" fill="currentColor" {}
                }
            }
        }
    }
}

fn outcomes(view: &CompareView) -> Markup {
    html! {
        @if view.packages == 0 { p { (view.sentence()) } }
        @if view.packages > 0 { ul.legend aria-label="Outcomes" {
            li { (count(view.packages, "package")) }
            @for line in view.outcomes.iter().filter(|line| line.count > 0) {
                li class=(class(line.grade)) {
                    span.sign aria-hidden="true" { (sign(line.grade)) }
                    a href=(line.target) { (line.count) " " (line.words) }
                }
            }
        } }
    }
}

fn groups(title: &str, groups: &[GroupView], view: &CompareView) -> Markup {
    html! {
        @if !groups.is_empty() {
            h2 { (title) }
            @for (nth, group) in groups.iter().enumerate() { (self::group(group, nth == 0, view)) }
        }
    }
}

fn group(group: &GroupView, is_open: bool, view: &CompareView) -> Markup {
    html! {
        details open[is_open] {
            summary {
                strong { (group.count) " package" @if group.count != 1 { "s" } } ": "
                @if group.is_message { code { (group.error) } } @else { (group.error) }
                @if let Some(place) = &group.place { ", " (place) }
                @if group.past_count > 0 { " (" (group.past_count) " got past it)" }
            }
            (packages(group, view))
            @if let Some(more) = &group.more { p { "and " (more) } }
            (past(group))
        }
    }
}

fn packages(group: &GroupView, view: &CompareView) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "Package" }
                        th scope="col" { "Commit" }
                        th scope="col" { (view.older) }
                        th scope="col" { (view.newer) }
                    }
                }
                tbody { @for line in &group.packages { (package(line)) } }
            }
        }
    }
}

fn package(line: &BrokenLine) -> Markup {
    html! {
        tr {
            th scope="row" { (line.name) }
            td { (line.commit) }
            @for log in &line.logs { td { @match log { Some(log) => (log), None => "deleted" } } }
        }
    }
}

fn past(group: &GroupView) -> Markup {
    let rest = group.past_count - group.past.len() as u64;
    html! {
        @if !group.past.is_empty() {
            p {
                "Got past it: "
                @for (nth, line) in group.past.iter().enumerate() { @if nth > 0 { ", " } (past_line(line)) }
                @if rest > 0 { " and " (rest) " more" }
            }
        }
    }
}

fn past_line(line: &PastLine) -> Markup {
    let [from, to] = &line.commits;
    html! {
        (line.name) " "
        @match &line.diff {
            Some(diff) => a href=(diff) { code { (from.short) ".." (to.short) } },
            None => { (from) ".." (to) },
        }
    }
}
