//! The page of a package as HTML.

use maud::{Markup, html};

use crate::app::render::html::check::errors;
use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{
    class, command, compiles_for, dependency_name, legend, mark, table, table_of_versions,
};
use crate::app::render::view::compat::CompatLine;
use crate::app::render::view::package::{Dependency, PackageView, Square, Strip, ToolchainRow};
use crate::app::render::view::parts::{log_path, sign};

pub fn html(view: &PackageView) -> String {
    let title = view.title();
    let description = match &view.description {
        Some(text) => text.to_string(),
        None => format!("{} under each Zig version", view.name.text),
    };
    let head = Head {
        title,
        description,
        path: view.name.target.clone(),
        feed: Some(view.feed.clone()),
        ..Head::default()
    };
    let (host, name) = (&view.site.options.host, &view.name.text);
    let main = html! {
        h1 { (name) }
        (facts(view))
        (compat(view))
        (verdicts(view))
        (legend())
        @if let Some((declared, measured)) = &view.minimum {
            p { "Declared minimum: Zig " (declared) ". Lowest that works here: " (measured) "." }
        }
        (errors(&view.errors))
        (history(&view.history))
        (dependencies(view))
        (used_by(view))
        @if !view.is_paused {
            h2 { "Check it again" }
            form method="post" action=(format!("{}/check", view.name.target)) { button { "Check it again now" } }
            p.screen { "Or by curl:" }
            (command(&format!("curl -X POST '{host}/api/packages/{name}/builds'")))
        }
        (badges(view))
    };
    layout::page(&view.site, &head, &main)
}

fn facts(view: &PackageView) -> Markup {
    html! {
        dl {
            dt { "repository" }
            dd {
                @match &view.web {
                    Some(target) => a href=(target) rel="nofollow" { (view.url) },
                    None => (view.url),
                }
            }
            @for (word, fact) in &view.facts { dt { (word) } dd { (fact) } }
            @for issue in &view.issues {
                dt { "open issue, Zig " (issue.version) }
                dd {
                    @match &issue.web {
                        Some(target) => a href=(target) rel="nofollow" { (issue.url) },
                        None => (issue.url),
                    }
                }
            }
        }
    }
}

/// Which commit works with which Zig.
fn compat(view: &PackageView) -> Markup {
    html! {
        h2 { "Which commit works with which Zig" }
        @if !view.compat.is_empty() {
            dl { @for line in &view.compat { dt { (line.version) } dd { (compat_line(line)) } } }
        }
        @if let Some(link) = &view.upgrade { p { (link) } }
        @if view.can_search {
            form method="post" action=(format!("{}/compat", view.name.target)) {
                button { "Search for commits that work" }
            }
        }
    }
}

fn compat_line(line: &CompatLine) -> Markup {
    html! {
        @if let Some(commit) = &line.commit { (commit) " " }
        @if let Some(tag) = &line.tag { (tag) " " }
        @if let Some(day) = &line.day { "of " (day) ", " }
        (line.sentence)
        @if let Some(target) = &line.diff { "; " a href=(target) rel="nofollow" { "what changed" } }
        @if let Some(fetch) = &line.fetch { (command(fetch.as_str())) }
    }
}

fn verdicts(view: &PackageView) -> Markup {
    let rows = html! { @for row in &view.rows { (toolchain(row)) } };
    table(
        [
            "Zig",
            "Verdict",
            "Because",
            "As a dependency",
            "Commit",
            "Checked",
            "Log",
        ],
        &rows,
    )
}

fn toolchain(row: &ToolchainRow) -> Markup {
    html! {
        tr {
            th scope="row" { (row.version) }
            td class=[(!row.targets.is_empty()).then_some("wide")] {
                (mark(row.mark.as_ref()))
                (compiles_for(&row.targets, row.build))
            }
            td { (row.because) }
            td { (row.import) }
            td { @if let Some(commit) = &row.commit { (commit) } }
            td { @match &row.checked { Some(moment) => (moment), None => "never" } }
            td { @if let Some(id) = row.build { a href=(log_path(id)) { "log of build " (id) } } }
        }
    }
}

/// A square for each commit and version.
fn history(strips: &[Strip]) -> Markup {
    html! {
        @if !strips.is_empty() {
            h2 { "Earlier commits, the newest first" }
            dl {
                @for strip in strips {
                    dt { (strip.version) }
                    dd.strip { @for square in &strip.squares { (history_square(square)) } }
                }
            }
        }
    }
}

fn history_square(square: &Square) -> Markup {
    let title = format!(
        "{}: {}, {}",
        square.commit.short, square.word, square.checked.ago
    );
    html! {
        @match &square.commit.target {
            Some(target) => a class=(class(square.grade)) href=(target) title=(title) aria-label=(title) {
                (sign(square.grade))
            },
            None => span class=(class(square.grade)) title=(title) { (sign(square.grade)) },
        }
    }
}

fn dependencies(view: &PackageView) -> Markup {
    let rows =
        html! { @for line in &view.dependencies { (dependency(line, view.toolchains.len())) } };
    html! {
        @if !view.dependencies.is_empty() {
            h2 { "Dependencies" }
            (table_of_versions("Name", &view.toolchains, &[], &rows))
        }
    }
}

fn dependency(line: &Dependency, versions: usize) -> Markup {
    html! {
        tr {
            (dependency_name(&line.name, line.target.as_deref(), line.is_lazy))
            @match &line.marks {
                Some(marks) => { @for verdict in marks { td { (mark(verdict.as_ref())) } } },
                None => td.soft colspan=(versions) {
                    "not known here"
                    @if let Some(target) = &line.submit { "; " a href=(target) { "submit it" } }
                },
            }
        }
    }
}

fn used_by(view: &PackageView) -> Markup {
    let count = view.used_by_count.max(view.used_by.len() as u64);
    let rest = count - view.used_by.len() as u64;
    html! {
        @if !view.used_by.is_empty() {
            h2 { "Used by" }
            p {
                @for (nth, package) in view.used_by.iter().enumerate() { @if nth > 0 { ", " } (package) }
                @if rest > 0 { " and " (rest) " more" }
            }
        }
    }
}

fn badges(view: &PackageView) -> Markup {
    html! {
        @if !view.badges.is_empty() {
            details {
                summary { "Badge for its README" }
                @for (language, markup) in &view.badges { p { (language) } (command(markup.as_str())) }
            }
        }
    }
}
