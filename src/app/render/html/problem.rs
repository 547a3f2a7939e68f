//! An error as HTML.

use maud::html;

use crate::app::render::html::layout::{self, Head};
use crate::app::render::view::problem::Problem;

pub fn html(problem: &Problem) -> String {
    let head = Head {
        title: format!("{}: zigcheck", problem.title()),
        description: problem.sentence.to_string(),
        path: "/".to_string(),
        is_noindex: true,
        refreshes: false,
        ..Head::default()
    };
    let main = html! {
        h1 { (problem.title()) }
        p { (problem.sentence) }
        p { (problem.advice()) }
        @for link in &problem.next { p { (link) } }
        p.soft { "Status " (problem.status) }
    };
    layout::page(&problem.site, &head, &main)
}
