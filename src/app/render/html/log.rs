//! The page of a log as HTML: whole, or line by line while its build runs.

use maud::{Markup, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::view::errors::LineKind;
use crate::app::render::view::log::{LogLine, LogPart, LogState, LogView, Span};
use crate::app::render::view::parts::{build_path, log_path};

/// The slots of the state on the page of a log that grows.
const AT_BEGIN: &str = "begin";
const AT_END: &str = "end";

pub fn html(view: &LogView) -> String {
    let main = html! {
        (title(view))
        (state(&view.state, None))
        (links(view))
        div.log {
            @for part in &view.parts {
                @match part {
                    LogPart::Lines(lines) => (part_of_log(lines)),
                    LogPart::Gap { count, first } => p { (count) " lines not shown: " (first) },
                }
            }
        }
    };
    layout::page(&view.site, &head(view), &main)
}

/// Lines behind numbers that are as wide as the last one.
fn part_of_log(lines: &[LogLine]) -> Markup {
    let last = lines.last().and_then(|line| line.number);
    let digits = last.map(|number| format!("d{}", number.to_string().len()));
    html! {
        pre class=[digits] tabindex="0" { @for line in lines { (log_line(line)) } }
    }
}

/// The page of a log that grows, up to its first line. The state at its end takes the place of that at its beginning:
/// the slot of the one holds that of the other. A scroller that is filled from its end stays there, and nowhere else.
pub fn begin(view: &LogView) -> String {
    let begin = layout::begin(&view.site, &head(view));
    let top = html! { (title(view)) };
    let shadow = html! {
        template shadowrootmode="open" { slot name=(AT_END) { slot name=(AT_BEGIN) {} } slot {} }
    };
    let state = html! { (state(&view.state, Some(AT_BEGIN))) (links(view)) };
    format!(
        "{begin}{}<div>{}{}<div class=\"log tail\"><pre tabindex=\"0\">",
        top.0, shadow.0, state.0
    )
}

/// Its end, with the verdict.
pub fn end(last: &LogState, outcome: &str) -> String {
    let state = state(last, Some(AT_END));
    let verdict = html! {
        p { a href=(build_path(last.build)) { "Build " (last.build) } " " (outcome) "." }
    };
    format!(
        "</pre></div>\n{}{}</div>{}",
        state.0,
        verdict.0,
        layout::end()
    )
}

/// Its end where nothing is known of the build any more.
pub fn end_of_deleted() -> String {
    let state = html! { p slot=(AT_END) { "This build was deleted." } };
    format!("</pre></div>\n{}</div>{}", state.0, layout::end())
}

fn head(view: &LogView) -> Head {
    let LogState {
        build,
        subject,
        version,
        ..
    } = &view.state;
    let package = &subject.text;
    Head {
        title: format!("Log of build {build}: {package} with Zig {version}"),
        description: format!("What the build of {package} with Zig {version} wrote."),
        path: log_path(*build),
        is_noindex: true,
        refreshes: layout::refreshes(&view.site, !view.is_growing),
        ..Head::default()
    }
}

fn title(view: &LogView) -> Markup {
    let build = view.state.build;
    html! { h1 { "Log of " a href=(build_path(build)) { "build " (build) } } }
}

fn state(state: &LogState, slot: Option<&str>) -> Markup {
    html! { p slot=[slot] { (state.mark) ": " (state.subject) " with Zig " (state.version) } }
}

fn links(view: &LogView) -> Markup {
    let build = view.state.build;
    html! {
        p {
            @if let Some(first) = &view.first_error { (first) ", " }
            a href={ "/api" (log_path(build)) } download={ "build-" (build) ".log" } { "raw text" }
        }
    }
}

/// One line: its number leads to it, and is no part of what is copied.
pub fn log_line(line: &LogLine) -> Markup {
    let class = match line.kind {
        LineKind::Plain => None,
        LineKind::Error => Some("bad"),
        LineKind::Note => Some("soft"),
        LineKind::Caret => Some("good"),
    };
    html! {
        span.line id=[line.number.map(|number| format!("L{number}"))] {
            @if let Some(number) = line.number {
                a href={ "#L" (number) } aria-label={ "line " (number) } data-line=(number) {}
            }
            @if let Some(place) = &line.place { a href=(place.target) rel="nofollow" { (place.text) } }
            @match class {
                Some(class) => span class=(class) { (spans(&line.spans)) },
                None => (spans(&line.spans)),
            }
            "\n"
        }
    }
}

fn spans(spans: &[Span]) -> Markup {
    html! {
        @for span in spans {
            @match (span.style.color, span.style.is_bold) {
                (None, false) => (span.text),
                (None, true) => b { (span.text) },
                (Some(color), false) => span class={ "a" (color) } { (span.text) },
                (Some(color), true) => b class={ "a" (color) } { (span.text) },
            }
        }
    }
}
