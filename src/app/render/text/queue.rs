//! The page of the queue as text.

use crate::app::render::limits::{
    SHOWN_ERROR_LIMIT_CHARS, SHOWN_PACKAGE_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS,
};
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::parts::duration;
use crate::app::render::view::queue::QueueView;

pub fn text(view: &QueueView) -> String {
    let mut text = format!("{}\n", view.site.load());
    if !view.running.is_empty() {
        text += &format!("\n{}", running(view).text(view.site.options.color));
    }
    if !view.waiting.is_empty() {
        text += &format!("\n{}", waiting(view).text(view.site.options.color));
    }
    if let Some(next) = &view.next {
        let (page, last, host) = (view.page + 1, view.last_page, &view.site.options.host);
        text += &format!("\nPage {page} of {last}: curl '{host}{next}'\n");
    }
    text
}

fn table(titles: &[(&str, Align, usize)]) -> Table {
    let add = |table: Table, (title, align, limit): &(&str, Align, usize)| {
        table.column(title, *align, *limit)
    };
    titles.iter().fold(Table::default(), add)
}

fn running(view: &QueueView) -> Table {
    let mut table = table(&[
        ("RUNNING", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS),
        ("ZIG", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
        ("PHASE", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
        ("TIME", Align::Right, SHOWN_WORDS_LIMIT_CHARS),
        ("USUALLY", Align::Right, SHOWN_WORDS_LIMIT_CHARS),
        ("BUILD", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
    ]);
    for line in &view.running {
        let expected = line.progress.expected_ms.map_or_else(String::new, duration);
        let cells = vec![
            Cell::new(line.subject.text.as_str()),
            Cell::new(line.version.as_str()),
            Cell::new(&line.phase()),
            Cell::new(&duration(line.progress.elapsed_ms)),
            Cell::new(&expected),
            Cell::new(&line.build.target),
        ];
        table.push(cells, Vec::new());
    }
    table
}

fn waiting(view: &QueueView) -> Table {
    let mut table = table(&[
        ("WAITING", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS),
        ("ZIG", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
        ("AT", Align::Right, SHOWN_WORDS_LIMIT_CHARS),
        ("STARTS", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
        ("BUILD", Align::Left, SHOWN_WORDS_LIMIT_CHARS),
        ("WHY", Align::Left, SHOWN_ERROR_LIMIT_CHARS),
    ]);
    for line in &view.waiting {
        let position = line
            .wait
            .position
            .map_or_else(String::new, |nth| nth.to_string());
        let start = line.wait.start.as_ref().map_or("-", |start| &start.ago);
        let cells = vec![
            Cell::new(line.subject.text.as_str()),
            Cell::new(line.version.as_str()),
            Cell::new(&position),
            Cell::new(start),
            Cell::new(&line.build.target),
            Cell::new(line.wait.reason.as_str()),
        ];
        table.push(cells, Vec::new());
    }
    table
}
