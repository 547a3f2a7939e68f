//! The pages of what holds packages back under a Zig version.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{dependency_name, mark, table};
use crate::app::render::view::blockers::{BlockerLine, BlockersView};
use crate::app::render::view::upgrade::{Outcome, UpgradeLine, UpgradeView};

pub fn html(view: &UpgradeView) -> String {
    let head = Head {
        title: view.title(),
        description: view.title(),
        path: view.path.clone(),
        ..Head::default()
    };
    let rows = html! { @for line in &view.lines { (dependency(line)) } };
    let main = html! {
        h1 { "What holds " (view.package) " back under Zig " (view.version) }
        p {
            "The package itself: " (mark(Some(&view.own.mark)))
            @if !view.own.because.as_str().is_empty() { ", " (view.own.because) }
        }
        @if !view.lines.is_empty() {
            (table(["Dependency", "Needed by", "Verdict", "Commit", "Because"], &rows))
        }
        @if view.is_cut { p { (view.cut()) } }
        p { strong { (view.summary) } }
        p { (view.blockers) }
    };
    layout::page(&view.site, &head, &main)
}

fn dependency(line: &UpgradeLine) -> Markup {
    html! {
        tr {
            (dependency_name(&line.name, line.target.as_deref(), line.is_lazy))
            td { (line.needed_by) }
            (outcome(&line.outcome))
            td.wide {
                (line.outcome.because)
                @if let Some(target) = &line.submit { "; " a href=(target) { "submit it" } }
            }
        }
    }
}

/// Verdict and commit.
fn outcome(outcome: &Outcome) -> Markup {
    html! {
        td { (mark(Some(&outcome.mark))) }
        td {
            @if let Some(commit) = &outcome.commit { (commit) }
            @if let Some(tag) = &outcome.tag { " " (tag) }
        }
    }
}

/// The page of what holds back most.
pub fn blockers(view: &BlockersView) -> String {
    let title = format!("What holds back most packages under Zig {}", view.version);
    let head = Head {
        title: title.clone(),
        description: view.summary.clone(),
        path: view.path.clone(),
        ..Head::default()
    };
    let rows = html! { @for line in &view.lines { (blocker(line)) } };
    let main = html! {
        h1 { (title) }
        @if !view.lines.is_empty() {
            (table(["Package", "Used by", "Verdict", "Commit", "Because", "Its dependencies"], &rows))
        }
        p { (view.summary) }
        @if let Some(next) = &view.next { p { a href=(next) rel="next" { "next page" } } }
    };
    layout::page(&view.site, &head, &main)
}

fn blocker(line: &BlockerLine) -> Markup {
    html! {
        tr {
            th scope="row" { (line.package) }
            td { (line.users) }
            (outcome(&line.outcome))
            td.wide { (line.outcome.because) }
            td { a href=(line.upgrade) { "what holds " (line.package.text) " back" } }
        }
    }
}
