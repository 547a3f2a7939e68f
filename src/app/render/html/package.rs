//! The page of a package as HTML.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{command, legend, lines, mark};
use crate::app::render::view::package::{PackageView, ToolchainRow};
use crate::app::render::view::parts::log_path;

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
        ..Head::default()
    };
    let (host, name) = (&view.site.options.host, &view.name.text);
    let main = html! {
        h1 { (name) }
        (facts(view))
        h2 { "Under each Zig version" }
        div.scroll {
            table {
                thead {
                    tr {
                        th scope="col" { "Zig" }
                        th scope="col" { "Verdict" }
                        th scope="col" { "Because" }
                        th scope="col" { "Commit" }
                        th scope="col" { "Checked" }
                        th scope="col" { "Log" }
                    }
                }
                tbody { @for row in &view.rows { (toolchain(row)) } }
            }
        }
        (legend())
        @for row in &view.rows {
            @if !row.errors.is_empty() {
                h2 { "First errors with Zig " (row.version) }
                (lines(&row.errors))
            }
        }
        h2 { "Check it again" }
        (command(&format!("curl -X POST '{host}/api/packages/{name}/builds'")))
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
        }
    }
}

fn toolchain(row: &ToolchainRow) -> Markup {
    html! {
        tr {
            th scope="row" { (row.version) }
            td { (mark(row.mark.as_ref())) }
            td { (row.because) }
            td { @if let Some(commit) = &row.commit { (commit) } }
            td { @match &row.checked { Some(moment) => (moment), None => "never" } }
            td { @if let Some(id) = row.build { a href=(log_path(id)) { "log of build " (id) } } }
        }
    }
}
