//! The page of a check as HTML.

use maud::{Markup, Render, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{command, error_lines, legend, table};
use crate::app::render::view::check::{BuildLine, CheckView, ErrorGroup, Took};
use crate::app::render::view::parts::build_path;

pub fn html(view: &CheckView) -> String {
    let (head, main) = parts(view);
    layout::page(&view.site, &head, &main)
}

/// What the page says of itself, and what it shows.
pub fn parts(view: &CheckView) -> (Head, Markup) {
    let head = Head {
        title: view.title.clone(),
        description: format!("{} of {}", view.result, view.subject.text),
        path: view.path.clone(),
        is_noindex: true,
        refreshes: layout::refreshes(&view.site, view.is_finished),
        ..Head::default()
    };
    let main = html! {
        h1 { "Check " (view.id) " of " (view.subject) }
        p {
            @match view.is_finished {
                true => (view.result),
                false => { "In progress: " (view.result) " so far" },
            }
            ". Started " (view.started) "."
        }
        (facts(view))
        (rows(&view.rows))
        (legend())
        (errors(&view.errors))
        h2 { "Check it again" }
        @if view.is_package {
            form method="post" action=(format!("{}/check", view.subject.target)) { button { "Check it again now" } }
            p.screen { "Or by curl:" }
        }
        (command(view.again.as_str()))
    };
    (head, main)
}

fn facts(view: &CheckView) -> Markup {
    html! {
        dl {
            @if let Some((url, target)) = &view.repository {
                dt { "repository" }
                dd { @match target { Some(target) => a href=(target) rel="nofollow" { (url) }, None => (url) } }
            }
            @if let Some(reference) = &view.reference { dt { "ref" } dd { (reference) } }
            @if let Some(dir) = &view.dir { dt { "dir" } dd { (dir) } }
            @if let Some(commit) = &view.commit { dt { "commit" } dd { (commit) } }
            @if view.repository.is_none() { dt { "source" } dd { "an uploaded tree" } }
        }
    }
}

/// The builds of a check, one row each.
pub fn rows(lines: &[BuildLine]) -> Markup {
    // Why a build waits is a sentence.
    let is_wide = lines
        .iter()
        .any(|line| matches!(line.took, Took::Waiting(_)));
    let rows = html! {
        @for line in lines {
            tr {
                th scope="row" { (line.version) }
                td { (line.mark) }
                td { (line.because) }
                td { (line.import) }
                td.wide[is_wide] { (line.took) }
                td { a href=(build_path(line.build)) { "build " (line.build) } }
            }
        }
    };
    table(
        [
            "Zig",
            "Verdict",
            "Because",
            "As a dependency",
            "Time",
            "Build",
        ],
        &rows,
    )
}

/// The first errors, equal ones once with their versions.
pub fn errors(groups: &[ErrorGroup]) -> Markup {
    html! {
        @for group in groups {
            h2 {
                "First errors with Zig "
                @for (nth, version) in group.versions.iter().enumerate() { @if nth > 0 { ", " } (version) }
            }
            (error_lines(&group.lines))
        }
    }
}

impl Render for Took {
    fn render(&self) -> Markup {
        html! {
            @match self {
                Took::Time(time) => (time),
                Took::Cached(build) => { "as " (build) },
                Took::Running(progress) => (progress),
                Took::Waiting(wait) => (wait),
                Took::Never => {},
            }
        }
    }
}
