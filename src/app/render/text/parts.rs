//! Parts of text pages.

use crate::app::domain::verdict::Grade;
use crate::app::render::text::table::{Cell, Style};
use crate::app::render::view::parts::{Mark, Moment};

pub fn style(grade: Grade) -> Style {
    match grade {
        Grade::Green => Style::Good,
        Grade::Amber => Style::Doubtful,
        Grade::Red => Style::Bad,
        Grade::Grey => Style::Dim,
    }
}

pub fn dim(text: &str) -> Cell {
    Cell::new(text).styled(Style::Dim)
}

/// The latest verdict, and the state of a newer build if one is under way.
pub fn mark(mark: Option<&Mark>) -> Cell {
    let Some(mark) = mark else { return dim("-") };
    let text = match (mark.word, &mark.under_way) {
        ("pending", Some(newer)) => format!("{}\u{2026}", newer.state.as_str()),
        (word, Some(newer)) => format!("{word}, {}\u{2026}", newer.state.as_str()),
        (word, None) => word.to_string(),
    };
    Cell::new(&text).styled(style(mark.grade))
}

pub fn moment(moment: Option<&Moment>) -> Cell {
    moment.map_or_else(|| dim("-"), |moment| Cell::new(&moment.ago))
}
