//! The page of a build as HTML.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{command, error_lines, table, target_mark};
use crate::app::render::targets::Target;
use crate::app::render::view::build::{BuildView, Module, Neighbour, SameError};
use crate::app::render::view::check::Took;

pub fn html(view: &BuildView) -> String {
    let (head, main) = parts(view);
    layout::page(&view.site, &head, &main)
}

/// What the page says of itself, and what it shows.
pub fn parts(view: &BuildView) -> (Head, Markup) {
    let (package, version) = (&view.subject.text, &view.version);
    let head = Head {
        title: view.title.clone(),
        description: format!("{package} with Zig {version} {}", view.outcome),
        path: view.path.clone(),
        is_noindex: true,
        refreshes: layout::refreshes(&view.site, view.is_finished),
        ..Head::default()
    };
    let main = html! {
        h1 { "Build " (view.id) ": " (package) " with Zig " (version) }
        (sentence(view))
        @if let Some(advice) = view.advice { p { (advice) } }
        p { a href=(view.log) { "The whole log" } ", " (view.check) " with all versions" }
        @if !view.errors.is_empty() || view.detail.is_some() {
            h2 { "First errors" }
            @if let Some(detail) = &view.detail { p { (detail) } }
            @if !view.errors.is_empty() { (error_lines(&view.errors)) }
        }
        @if let Some(same) = &view.same_error { (same_error(same)) }
        (neighbours(view))
        (modules(&view.modules))
        (targets(&view.targets))
        h2 { "How it was run" }
        dl { @for (word, fact) in &view.facts { dt { (word) } dd { (fact) } } }
        @if !view.reproduce.is_empty() {
            h2 { "Do the same on your machine" }
            (command(&lines(view)))
        }
    };
    (head, main)
}

fn lines(view: &BuildView) -> String {
    let lines: Vec<&str> = view.reproduce.iter().map(|line| line.as_str()).collect();
    lines.join("\n")
}

fn sentence(view: &BuildView) -> Markup {
    html! {
        p.panel {
            (view.mark) ": " (view.subject) " "
            @if let Some(commit) = &view.commit { (commit) " " }
            "with Zig " (view.version) " " (view.outcome)
            @match &view.took {
                Took::Never => {},
                took => { " (" (took) ")" },
            }
            @if let Some(ended) = &view.ended { ", " (ended) }
            "."
        }
    }
}

fn same_error(same: &SameError) -> Markup {
    let rest = same.count - same.packages.len();
    html! {
        h2 {
            "The same error in " (same.count) " other package" @if same.count != 1 { "s" }
        }
        p { code { (same.key) } }
        p {
            @for (nth, package) in same.packages.iter().enumerate() { @if nth > 0 { ", " } (package) }
            @if rest > 0 { " and " (rest) " more" }
        }
    }
}

fn neighbours(view: &BuildView) -> Markup {
    let line = |word: &str, neighbour: &Neighbour| {
        html! {
            dt { (word) }
            dd { (neighbour.mark) ", " (neighbour.build) @if let Some(commit) = &neighbour.commit { ", " (commit) } }
        }
    };
    html! {
        @if view.before.is_some() || view.after.is_some() {
            h2 { "Before and after, with the same Zig" }
            dl {
                @if let Some(before) = &view.before { (line("before", before)) }
                @if let Some(after) = &view.after { (line("after", after)) }
            }
        }
    }
}

fn modules(modules: &[Module]) -> Markup {
    let rows = html! {
        @for module in modules {
            tr {
                th scope="row" { (module.name) }
                td { (module.kind) }
                td { (module.status) }
                td.wide { (module.first_error) }
            }
        }
    };
    html! {
        @if !modules.is_empty() {
            h2 { "As a dependency" }
            (table(["Name", "Kind", "Status", "First error"], &rows))
        }
    }
}

fn targets(targets: &[Target]) -> Markup {
    let rows = html! {
        @for target in targets {
            tr {
                th scope="row" { (target_mark(target)) }
                td.wide { @if let Some(error) = &target.first_error { (error) } }
            }
        }
    };
    html! {
        @if !targets.is_empty() {
            h2 id="targets" { "Compiles for other targets" }
            p { "Analysed only: no code was made, and nothing was run." }
            (table(["Target", "First error"], &rows))
        }
    }
}
