//! Packages that stopped to work under a version, or began to, as HTML.

use maud::{Markup, html};

use crate::app::render::html::parts::{class, table};
use crate::app::render::view::parts::sign;
use crate::app::render::view::transitions::TransitionLine;

/// A table under a title, where there are any.
pub fn transitions(title: &str, lines: &[TransitionLine]) -> Markup {
    let rows = html! { @for line in lines { (transition(line)) } };
    html! {
        @if !lines.is_empty() {
            h2 { (title) }
            (table(["Package", "Zig", "Verdict", "Commits", "When"], &rows))
        }
    }
}

fn transition(line: &TransitionLine) -> Markup {
    let word = html! { span.sign aria-hidden="true" { (sign(line.grade)) } (line.word) };
    html! {
        tr {
            th scope="row" { (line.name) }
            td { (line.zig_version) }
            td {
                span class=(class(line.grade)) {
                    @match &line.build { Some(build) => a href=(build) { (word) }, None => (word) }
                }
                small { " " (line.was) }
            }
            td {
                @match (&line.diff, &line.commits[..]) {
                    (Some(diff), _) => a href=(diff) { code { (line.range()) } },
                    (None, [commit]) => (commit),
                    (None, _) => code { (line.range()) },
                }
            }
            td { (line.at) }
        }
    }
}
