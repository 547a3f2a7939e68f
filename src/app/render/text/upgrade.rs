//! The pages of what holds packages back under a Zig version, as text.

use crate::app::render::limits::{
    SHOWN_ERROR_LIMIT_CHARS, SHOWN_PACKAGE_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS,
};
use crate::app::render::sanitize::Clean;
use crate::app::render::text::parts::mark;
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::blockers::BlockersView;
use crate::app::render::view::upgrade::{Outcome, UpgradeView};

pub fn text(view: &UpgradeView) -> String {
    let color = view.site.options.color;
    let own = mark(Some(&view.own.mark)).render(color);
    let because = match view.own.because.as_str() {
        "" => String::new(),
        because => format!(", {because}"),
    };
    let mut text = format!(
        "{} under Zig {}: {own}{because}\n",
        view.package.text, view.version
    );
    if !view.lines.is_empty() {
        text += &format!("\n{}\n", tree(view).text(color));
    }
    if view.is_cut {
        text += &format!("{}\n", view.cut());
    }
    text + &format!("{}\n", view.summary)
}

fn tree(view: &UpgradeView) -> Table {
    let mut table = Table::default()
        .column("DEPENDENCY", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS)
        .column("NEEDED BY", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS);
    table = outcome_columns(table);
    let host = &view.site.options.host;
    for line in &view.lines {
        let lazy = if line.is_lazy { " (lazy)" } else { "" };
        let mut cells = vec![
            Cell::new(&format!("{}{lazy}", line.name)),
            Cell::new(line.needed_by.text.as_str()),
        ];
        cells.extend(outcome(&line.outcome));
        let submit = line.submit.iter();
        let submit = submit.map(|path| Cell::new(&format!("submit it: {host}{path}")));
        table.push(cells, submit.collect());
    }
    table
}

fn outcome_columns(table: Table) -> Table {
    table
        .column("VERDICT", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("COMMIT", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("TAG", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("BECAUSE", Align::Left, SHOWN_ERROR_LIMIT_CHARS)
}

fn outcome(outcome: &Outcome) -> [Cell; 4] {
    let commit = outcome.commit.as_ref().map(|commit| commit.short.as_str());
    let tag = outcome.tag.as_ref().map(Clean::as_str);
    [
        mark(Some(&outcome.mark)),
        Cell::new(commit.unwrap_or_default()),
        Cell::new(tag.unwrap_or_default()),
        Cell::new(outcome.because.as_str()),
    ]
}

/// The page of what holds back most.
pub fn blockers(view: &BlockersView) -> String {
    let mut table = Table::default()
        .column("PACKAGE", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS)
        .column("USED BY", Align::Right, SHOWN_WORDS_LIMIT_CHARS);
    table = outcome_columns(table);
    for line in &view.lines {
        let mut cells = vec![
            Cell::new(line.package.text.as_str()),
            Cell::new(&line.users.to_string()),
        ];
        cells.extend(outcome(&line.outcome));
        table.push(cells, Vec::new());
    }
    let mut text = format!("What holds back most packages under Zig {}\n", view.version);
    if !view.lines.is_empty() {
        text += &format!("\n{}\n", table.text(view.site.options.color));
    }
    text += &format!("{}\n", view.summary);
    if let Some(next) = &view.next {
        text += &format!("Next page: curl '{}{next}'\n", view.site.options.host);
    }
    text
}
