//! The front page as text.

use crate::app::render::limits::{SHOWN_PACKAGE_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS};
use crate::app::render::targets::TargetStrip;
use crate::app::render::text::parts::{dim, mark, moment, style};
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::text::transitions::transitions;
use crate::app::render::view::compare::Headline;
use crate::app::render::view::front::FrontView;

pub fn text(view: &FrontView) -> String {
    let (color, host) = (view.site.options.color, &view.site.options.host);
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!("zigcheck {version}: {}\n\n", view.site.load());
    if let Some(images) = &view.images {
        text += &format!("{images}; until then checks under the other versions are refused.\n\n");
    }
    for Headline(link) in &view.headlines {
        text += &format!("{}: curl '{host}{}'\n\n", link.text, link.target);
    }
    text += &match &view.nothing {
        Some(sentence) => format!("{}\n", dim(sentence.as_str()).render(color)),
        None => packages(view).text(color),
    };
    text += &transitions("NEWLY BROKEN", &view.broken, color);
    text += &transitions("NEWLY FIXED", &view.fixed, color);
    if !view.checks.is_empty() {
        text += &format!("\n{}", checks(view).text(color));
    }
    text += &format!(
        "\nCheck the tree you are in:\n  {}\n",
        view.site.check_command()
    );
    text += "More: /packages/NAME, /queue, /stats, /api/packages\n";
    if let Some(next) = &view.next {
        let (page, last) = (view.page + 1, view.last_page);
        text += &format!("Page {page} of {last}: curl '{host}{next}'\n");
    }
    text
}

fn packages(view: &FrontView) -> Table {
    let mut table = Table::default().column("PACKAGE", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS);
    for version in &view.toolchains {
        table = table.column(version.as_str(), Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    }
    for title in view.last_columns() {
        table = table.column(&title.to_uppercase(), Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    }
    for line in &view.packages {
        let mut cells = vec![Cell::new(line.name.text.as_str())];
        cells.extend(line.marks.iter().map(|verdict| mark(verdict.as_ref())));
        if view.has_targets() {
            let count = line.targets.as_ref().map(TargetStrip::count);
            cells.push(count.map_or_else(|| dim("-"), |count| Cell::new(&count)));
        }
        cells.push(moment(line.checked.as_ref()));
        table.push(cells, Vec::new());
    }
    table
}

fn checks(view: &FrontView) -> Table {
    let mut table = Table::default()
        .column("CHECK", Align::Right, SHOWN_WORDS_LIMIT_CHARS)
        .column("NAME", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS)
        .column("BUILDS", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("STARTED", Align::Left, SHOWN_WORDS_LIMIT_CHARS);
    for entry in &view.checks {
        let cells = vec![
            Cell::new(entry.check.text.as_str()),
            Cell::new(entry.name.text.as_str()),
            Cell::new(&entry.outcome).styled(entry.grade.map(style).unwrap_or_default()),
            Cell::new(&entry.started.ago),
        ];
        table.push(cells, Vec::new());
    }
    table
}
