//! The front page as HTML.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{
    class, command, legend, mark, table, table_of_versions, target_strip,
};
use crate::app::render::html::queue::running;
use crate::app::render::html::transitions::transitions;
use crate::app::render::view::compare::Headline;
use crate::app::render::view::feed::FeedScope;
use crate::app::render::view::front::{FrontView, PackageLine};

pub fn html(view: &FrontView) -> String {
    let title = match &view.search {
        Some(search) => format!("{search}: zigcheck"),
        None => "zigcheck: Zig packages under each Zig version".to_string(),
    };
    let head = Head {
        title,
        description:
            "Which Zig packages build, pass their tests and can be used under which Zig version."
                .to_string(),
        path: "/".to_string(),
        is_noindex: view.search.is_some(),
        refreshes: false,
        search: view.search.clone(),
        feed: Some(FeedScope::default().link()),
    };
    let main = html! {
        h1 {
            @match &view.search {
                Some(search) => { "Packages that match " q { (search) } },
                None => "Zig packages under each Zig version",
            }
        }
        @if let Some(images) = &view.images {
            p.soft { (images) "; until then checks under the other versions are refused." }
        }
        @for Headline(link) in &view.headlines { p { (link) } }
        @match &view.nothing {
            Some(sentence) => p.soft { (sentence) },
            None => { (packages(view)) (legend()) },
        }
        @if let Some(next) = &view.next {
            p { a href=(next) { "Page " (view.page + 1) " of " (view.last_page) } }
        }
        (transitions("Newly broken", &view.broken))
        (transitions("Newly fixed", &view.fixed))
        @if !view.running.is_empty() {
            h2 { "Running now" }
            (running(&view.running))
        }
        h2 { "Check the tree you are in" }
        (command(view.site.check_command().as_str()))
        @if !view.checks.is_empty() { (checks(view)) }
    };
    layout::page(&view.site, &head, &main)
}

fn packages(view: &FrontView) -> Markup {
    let rows = html! { @for line in &view.packages { (package(line, view.has_targets())) } };
    table_of_versions("Package", &view.toolchains, view.last_columns(), &rows)
}

fn package(line: &PackageLine, has_targets: bool) -> Markup {
    html! {
        tr {
            th scope="row" title=[line.description.as_ref()] { (line.name) }
            @for verdict in &line.marks { td { (mark(verdict.as_ref())) } }
            @if has_targets {
                td { @if let Some(strip) = &line.targets { (target_strip(strip)) } }
            }
            td { @match &line.checked { Some(moment) => (moment), None => "never" } }
        }
    }
}

fn checks(view: &FrontView) -> Markup {
    let rows = html! {
        @for entry in &view.checks {
            tr {
                td { (entry.check) }
                th scope="row" { (entry.name) }
                td class=[entry.grade.map(class)] { (entry.outcome) }
                td { (entry.started) }
            }
        }
    };
    html! {
        h2 { "Latest checks" }
        (table(["Check", "Name", "Builds", "Started"], &rows))
    }
}
