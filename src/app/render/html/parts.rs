//! Parts of HTML pages.

use maud::{Markup, Render, html};

use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::{Grade, State};
use crate::app::render::sanitize::Clean;
use crate::app::render::targets::{Target, TargetStrip};
use crate::app::render::view::errors::{ErrorLine, LineKind};
use crate::app::render::view::parts::{
    Commit, LEGEND, Link, Mark, Moment, UnderWay, build_path, sign,
};

/// The class of a verdict, which gives it its colour.
pub fn class(grade: Grade) -> &'static str {
    match grade {
        Grade::Green => "good",
        Grade::Amber => "doubtful",
        Grade::Red => "bad",
        Grade::Grey => "dim",
    }
}

impl Render for Link {
    fn render(&self) -> Markup {
        html! { a href=(self.target) { (self.text) } }
    }
}

impl Render for Moment {
    fn render(&self) -> Markup {
        html! { time datetime=(self.exact) title=(self.exact) { (self.ago) } }
    }
}

impl Render for Commit {
    fn render(&self) -> Markup {
        html! {
            @match &self.target {
                Some(target) => a href=(target) { code { (self.short) } },
                None => code { (self.short) },
            }
        }
    }
}

/// Sign, word and colour of a verdict, and the newer build.
impl Render for Mark {
    fn render(&self) -> Markup {
        let word = html! { span.sign aria-hidden="true" { (sign(self.grade)) } (self.word) };
        html! {
            span class=(class(self.grade)) {
                @match &self.target {
                    Some(target) => a href=(target) { (word) },
                    None => (word),
                }
            }
            @if let Some(newer) = &self.under_way { " " (newer) }
        }
    }
}

/// Its state, after a dot where it has a slot.
impl Render for UnderWay {
    fn render(&self) -> Markup {
        let word = html! {
            @if self.state != State::Queued { span aria-hidden="true" { "\u{25cf} " } }
            (self.state.as_str()) "\u{2026}"
        };
        html! {
            @match self.build {
                Some(id) => a href=(build_path(id)) { (word) },
                None => (word),
            }
        }
    }
}

/// A mark where there is one.
pub fn mark(mark: Option<&Mark>) -> Markup {
    html! {
        @match mark {
            Some(mark) => (mark),
            None => span.dim { span.sign aria-hidden="true" { (sign(Grade::Grey)) } "not tried" },
        }
    }
}

/// The other targets, with a sign each; the errors are on the page of the build.
pub fn compiles_for(targets: &[Target], build: Option<BuildId>) -> Markup {
    let page = build.map(|id| format!("{}#targets", build_path(id)));
    html! {
        @if !targets.is_empty() {
            br;
            small {
                @match &page {
                    Some(page) => a href=(page) { "compiles for" },
                    None => "compiles for",
                }
                @for target in targets {
                    " " (target_mark(target))
                }
            }
        }
    }
}

/// A target with its sign; the first error is its title.
pub fn target_mark(target: &Target) -> Markup {
    let title = target.first_error.as_ref().map(Clean::as_str);
    let word = if target.compiles() { "" } else { "not for " };
    let grade = target.grade();
    html! {
        span class=(class(grade)) title=[title] {
            span.sign aria-hidden="true" { (sign(grade)) } (word) (target.name)
        }
    }
}

/// A sign for each target, which together lead to the errors.
pub fn target_strip(strip: &TargetStrip) -> Markup {
    let sentence = strip.sentence();
    html! {
        a.strip href=(format!("{}#targets", build_path(strip.build))) title=(sentence) aria-label=(sentence) {
            @for target in &strip.targets {
                span class=(class(target.grade())) { (sign(target.grade())) }
            }
        }
    }
}

/// What signs and colours mean.
pub fn legend() -> Markup {
    html! {
        ul.legend aria-label="Legend" {
            @for (grade, meaning) in LEGEND {
                li class=(class(grade)) { span.sign { (sign(grade)) } (meaning) }
            }
        }
    }
}

/// The head of a row about a dependency: its name, which leads to its package or its repository.
pub fn dependency_name(name: &Clean, target: Option<&str>, is_lazy: bool) -> Markup {
    html! {
        th scope="row" {
            @match target {
                Some(target) => a href=(target) { (name) },
                None => (name),
            }
            @if is_lazy { small { " lazy" } }
        }
    }
}

/// A table that scrolls in a box of its own: the names of its columns, and its rows.
pub fn table<'n>(columns: impl IntoIterator<Item = &'n str>, rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { @for name in columns { th scope="col" { (name) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// The same with a column for each version, behind the first.
pub fn table_of_versions(first: &str, versions: &[Clean], last: &[&str], rows: &Markup) -> Markup {
    let versions = versions.iter().map(Clean::as_str);
    let last = last.iter().copied();
    table([first].into_iter().chain(versions).chain(last), rows)
}

/// Lines of errors, each place with its address.
pub fn error_lines(lines: &[ErrorLine]) -> Markup {
    let class = |kind: LineKind| match kind {
        LineKind::Plain => None,
        LineKind::Error => Some("bad"),
        LineKind::Note => Some("soft"),
        LineKind::Caret => Some("good"),
    };
    html! {
        pre tabindex="0" {
            @for (nth, line) in lines.iter().enumerate() {
                @if nth > 0 { "\n" }
                @if let Some(place) = &line.place { a href=(place.target) rel="nofollow" { (place.text) } }
                @match class(line.kind) {
                    Some(class) => span class=(class) { (line.text) },
                    None => (line.text),
                }
            }
        }
    }
}

/// A command, selected as a whole by a click.
pub fn command(command: &str) -> Markup {
    html! { pre.copy tabindex="0" { (command) } }
}
