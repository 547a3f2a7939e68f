//! An error as text.

use crate::app::render::view::problem::Problem;

pub fn text(problem: &Problem) -> String {
    format!("{}\n", problem.sentence)
}
