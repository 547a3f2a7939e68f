//! The page of the queue as HTML.

use maud::{Markup, Render, html};

use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::table;
use crate::app::render::view::parts::duration;
use crate::app::render::view::queue::{Progress, QueueView, RunningLine, Wait, WaitingLine};

pub fn html(view: &QueueView) -> String {
    let (head, main) = parts(view);
    layout::page(&view.site, &head, &main)
}

/// What the page says of itself, and what it shows.
pub fn parts(view: &QueueView) -> (Head, Markup) {
    let head = Head {
        title: format!("{}: zigcheck", view.site.load()),
        description: "What runs, what waits, and why.".to_string(),
        path: "/queue".to_string(),
        is_noindex: true,
        refreshes: layout::refreshes(&view.site, false),
        ..Head::default()
    };
    let main = html! {
        h1 { "Queue" }
        h2 { "Running" }
        @if view.running.is_empty() { p.soft { "Nothing runs." } } @else { (running(&view.running)) }
        h2 { "Waiting" }
        @if view.waiting.is_empty() { p.soft { "Nothing waits." } } @else { (waiting(view)) }
        @if let Some(next) = &view.next {
            p { a href=(next) { "Page " (view.page + 1) " of " (view.last_page) } }
        }
    };
    (head, main)
}

/// A table of builds that run.
pub fn running(lines: &[RunningLine]) -> Markup {
    let rows = html! {
        @for line in lines {
            tr {
                th scope="row" { (line.subject) }
                td { (line.version) }
                td { (line.phase()) "\u{2026}" }
                td { (line.progress) }
                td { (line.build) }
            }
        }
    };
    table(["Package", "Zig", "Phase", "Time", "Build"], &rows)
}

fn waiting(view: &QueueView) -> Markup {
    let rows = html! { @for line in &view.waiting { (waiting_line(line)) } };
    table(
        [
            "Position",
            "Package",
            "Zig",
            "Starts",
            "Why it waits",
            "Build",
        ],
        &rows,
    )
}

fn waiting_line(line: &WaitingLine) -> Markup {
    html! {
        tr {
            td { @if let Some(position) = line.wait.position { (position) } }
            th scope="row" { (line.subject) }
            td { (line.version) }
            td { @match &line.wait.start { Some(start) => (start), None => span.soft { "not known" } } }
            td.wide { (line.wait.reason) }
            td { (line.build) }
        }
    }
}

/// A bar where the end is known, and the times in words.
impl Render for Progress {
    fn render(&self) -> Markup {
        let elapsed = duration(self.elapsed_ms);
        html! {
            @match self.expected_ms.filter(|expected| *expected > 0) {
                Some(expected) => {
                    progress max=(expected) value=(self.elapsed_ms.min(expected)) aria-label="time passed" {}
                    " " (elapsed) " of about " (duration(expected))
                },
                None => { (elapsed) ", not built before" },
            }
        }
    }
}

/// Position, reason and start in one sentence.
impl Render for Wait {
    fn render(&self) -> Markup {
        html! {
            @if let Some(position) = self.position { a href="/queue" { "number " (position) " in the queue" } "; " }
            (self.reason)
            @if let Some(start) = &self.start { "; starts " (start) }
        }
    }
}
