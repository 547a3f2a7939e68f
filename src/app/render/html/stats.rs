//! The page of statistics as HTML.

use maud::{Markup, html};

use crate::app::domain::verdict::Grade;
use crate::app::render::html::layout::{self, Head};
use crate::app::render::html::parts::{class, table, table_of_versions};
use crate::app::render::view::parts::sign;
use crate::app::render::view::stats::{CurveView, StatsView};

/// What the areas of a curve mean, from below.
const AREAS: [(Grade, &str); 3] = [
    (Grade::Green, "works"),
    (Grade::Red, "fails"),
    (Grade::Grey, "without a verdict"),
];

pub fn html(view: &StatsView) -> String {
    let head = Head {
        title: "Statistics: zigcheck".to_string(),
        description: "How many packages work under each Zig version, day by day.".to_string(),
        path: "/stats".to_string(),
        ..Head::default()
    };
    let main = html! {
        h1 { "Packages that work under each Zig version" }
        p { (view.sentence) }
        @if let Some(remark) = view.remark { p.panel { (remark) } }
        @if !view.curves.is_empty() { (curves(view)) (days(view)) }
        @if !view.others.is_empty() {
            p { "Other sets: " @for (nth, link) in view.others.iter().enumerate() { @if nth > 0 { ", " } (link) } }
        }
        @if !view.builds.is_empty() { (builds(view)) }
        @if !view.slowest.is_empty() { (slowest(view)) }
        @if !view.errors.is_empty() { (errors(view)) }
    };
    layout::page(&view.site, &head, &main)
}

fn curves(view: &StatsView) -> Markup {
    html! {
        ul.legend aria-label="Areas, from below" {
            @for (grade, meaning) in AREAS {
                li class=(class(grade)) { span.sign aria-hidden="true" { (sign(grade)) } (meaning) }
            }
        }
        div.curves {
            @for curve in &view.curves {
                figure {
                    figcaption { strong { (curve.zig_version) } ": " (curve.caption()) }
                    (areas(curve))
                    p.soft { time { (view.first) } time { (view.last) } }
                }
            }
        }
    }
}

/// The packages that work, those that fail above them, and above both those without a verdict.
fn areas(curve: &CurveView) -> Markup {
    let (days, packages) = (curve.days.len(), curve.packages);
    let label = format!("Zig {}: {}", curve.zig_version, curve.caption());
    let fails = |nth: usize| curve.days[nth].works + curve.days[nth].fails;
    html! {
        svg width="100%" height="120" viewBox={ "0 0 " (days) " " (packages) } preserveAspectRatio="none" role="img"
            aria-label=(label) {
            path.bad fill="currentColor" d=(area(days, packages, fails)) {}
            path.good fill="currentColor" d=(area(days, packages, |nth| curve.days[nth].works)) {}
        }
    }
}

/// An area below a line that has one height for each day.
fn area(days: usize, packages: u64, height: impl Fn(usize) -> u64) -> String {
    let mut path = format!("M0 {packages}");
    let mut last = None;
    for nth in 0..days {
        let top = packages.saturating_sub(height(nth));
        if last != Some(top) {
            path += &format!("H{nth}V{top}");
        }
        last = Some(top);
    }
    path + &format!("H{days}V{packages}Z")
}

fn days(view: &StatsView) -> Markup {
    let rows = html! {
        @for line in &view.days {
            tr { th scope="row" { time { (line.day) } } @for cell in &line.cells { td { (cell) } } }
        }
    };
    html! {
        h2 { "Day by day" }
        p.soft { "Days (UTC) on which a number changed. The share is that of all packages of the set." }
        (table_of_versions("Day", &view.versions, &[], &rows))
    }
}

fn builds(view: &StatsView) -> Markup {
    let rows = html! {
        @for line in &view.builds {
            tr {
                th scope="row" { time { (line.day) } }
                td { (line.builds) }
                td { (line.cached) }
                td { (line.errors) }
                @match &line.waits {
                    Some(waits) => @for wait in waits { td { (wait) } },
                    None => { td { "-" } td { "-" } }
                }
            }
        }
    };
    let columns = [
        "Day",
        "Builds",
        "From the cache",
        "Errors",
        "Mean wait",
        "Longest wait",
    ];
    html! { h2 { "Builds a day" } (table(columns, &rows)) }
}

fn slowest(view: &StatsView) -> Markup {
    let rows = html! {
        @for line in &view.slowest {
            tr { th scope="row" { (line.package) } td { (line.zig_version) } td { (line.duration) } }
        }
    };
    html! { h2 { "Slowest builds" } (table(["Package", "Zig", "Usual duration"], &rows)) }
}

fn errors(view: &StatsView) -> Markup {
    let rows = html! {
        @for (count, error) in &view.errors { tr { td { (count) } td.wide { code { (error) } } } }
    };
    html! { h2 { "Most common errors" } (table(["Verdicts", "First error"], &rows)) }
}
