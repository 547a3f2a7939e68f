//! The page of statistics as text.

use crate::app::render::limits::{
    SHOWN_ERROR_LIMIT_CHARS, SHOWN_PACKAGE_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS,
};
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::stats::StatsView;

/// Days that are shown: a screen.
const DAYS_LIMIT: usize = 14;

pub fn text(view: &StatsView) -> String {
    let (color, host) = (view.site.options.color, &view.site.options.host);
    let mut text = format!(
        "Packages that work under each Zig version\n{}\n",
        view.sentence
    );
    if let Some(remark) = view.remark {
        text += &format!("{remark}\n");
    }
    for table in [days(view), builds(view), slowest(view), errors(view)] {
        if !table.rows.is_empty() {
            text += &format!("\n{}", table.text(color));
        }
    }
    for link in &view.others {
        text += &format!("\n{}: curl '{host}{}'", link.text, link.target);
    }
    text + &format!("\nMore: curl '{host}/api/stats'\n")
}

fn words(table: Table, titles: &[&str], align: Align) -> Table {
    let column = |table: Table, title: &&str| table.column(title, align, SHOWN_WORDS_LIMIT_CHARS);
    titles.iter().fold(table, column)
}

fn days(view: &StatsView) -> Table {
    let versions: Vec<&str> = view
        .versions
        .iter()
        .map(|version| version.as_str())
        .collect();
    let mut table = words(Table::default(), &["DAY"], Align::Left);
    table = words(table, &versions, Align::Left);
    for line in view.days.iter().take(DAYS_LIMIT) {
        let mut cells = vec![Cell::new(&line.day)];
        cells.extend(line.cells.iter().map(|cell| Cell::new(cell)));
        table.push(cells, Vec::new());
    }
    table
}

fn builds(view: &StatsView) -> Table {
    let titles = ["BUILDS", "CACHED", "ERRORS", "MEAN WAIT", "LONGEST"];
    let mut table = words(Table::default(), &["DAY"], Align::Left);
    table = words(table, &titles, Align::Right);
    for line in &view.builds {
        let [mean, longest] = line
            .waits
            .clone()
            .unwrap_or_else(|| ["-", "-"].map(String::from));
        let (builds, errors) = (line.builds.to_string(), line.errors.to_string());
        let cells = [&line.day, &builds, &line.cached, &errors, &mean, &longest];
        table.push(cells.map(|cell| Cell::new(cell)).to_vec(), Vec::new());
    }
    table
}

fn slowest(view: &StatsView) -> Table {
    let mut table = Table::default().column("SLOWEST", Align::Left, SHOWN_PACKAGE_LIMIT_CHARS);
    table = words(table, &["ZIG", "USUALLY"], Align::Left);
    for line in &view.slowest {
        let cells = [
            line.package.text.as_str(),
            line.zig_version.as_str(),
            &line.duration,
        ];
        table.push(cells.map(Cell::new).to_vec(), Vec::new());
    }
    table
}

fn errors(view: &StatsView) -> Table {
    let mut table = words(Table::default(), &["VERDICTS"], Align::Right);
    table = table.column("MOST COMMON ERRORS", Align::Left, SHOWN_ERROR_LIMIT_CHARS);
    for (count, error) in &view.errors {
        let cells = vec![Cell::new(&count.to_string()), Cell::new(error.as_str())];
        table.push(cells, Vec::new());
    }
    table
}
