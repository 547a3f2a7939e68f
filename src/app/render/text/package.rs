//! The page of a package as text.

use crate::app::render::limits::{SHOWN_URL_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS};
use crate::app::render::sanitize::Clean;
use crate::app::render::targets::lines;
use crate::app::render::text::parts::{dim, mark, moment};
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::package::{PackageView, ToolchainRow};
use crate::app::render::view::parts::log_path;

pub fn text(view: &PackageView) -> String {
    let (color, host, name) = (
        view.site.options.color,
        &view.site.options.host,
        &view.name.text,
    );
    let mut text = format!("{name}\n{}\n", facts(view).text(color));
    if !view.compat.is_empty() {
        text += &(compat(view).text(color) + "\n");
    }
    text += &verdicts(view).text(color);
    text += "\n";
    if !view.is_paused {
        text += &format!("Check it again:\n  curl -X POST '{host}/api/packages/{name}/builds'\n");
    }
    if let Some(link) = &view.upgrade {
        text += &format!("{} {}\n", link.text, link.target);
    }
    text + &format!("More: /api/packages/{name}, all packages at /\n")
}

fn facts(view: &PackageView) -> Table {
    let mut table = Table::default()
        .column("", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("", Align::Left, SHOWN_URL_LIMIT_CHARS);
    table.push(vec![dim("url"), Cell::new(view.url.as_str())], Vec::new());
    for (word, fact) in &view.facts {
        table.push(vec![dim(word), Cell::new(fact.as_str())], Vec::new());
    }
    for issue in &view.issues {
        let word = format!("issue, Zig {}", issue.version);
        table.push(vec![dim(&word), Cell::new(issue.url.as_str())], Vec::new());
    }
    table
}

/// Which commit works with which Zig.
fn compat(view: &PackageView) -> Table {
    let mut table = Table::default()
        .column("ZIG", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("WORKS", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("OF", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("", Align::Left, SHOWN_URL_LIMIT_CHARS);
    for line in &view.compat {
        let commit = line.commit.as_ref().map(|commit| commit.short.as_str());
        let of = line.tag.as_ref().map(Clean::as_str).or(line.day.as_deref());
        let cells = vec![
            Cell::new(line.version.as_str()),
            Cell::new(commit.unwrap_or_default()),
            Cell::new(of.unwrap_or_default()),
            Cell::new(line.sentence.as_str()),
        ];
        let fetch = line.fetch.iter().map(|fetch| Cell::new(fetch.as_str()));
        table.push(cells, fetch.collect());
    }
    table
}

fn verdicts(view: &PackageView) -> Table {
    let mut table = Table::default();
    for title in [
        "ZIG", "VERDICT", "BECAUSE", "COMMIT", "CHECKED", "BUILD", "LOG",
    ] {
        let align = match title {
            "BUILD" => Align::Right,
            _ => Align::Left,
        };
        table = table.column(title, align, SHOWN_WORDS_LIMIT_CHARS);
    }
    for row in &view.rows {
        let build = row.build.map_or_else(String::new, |id| id.to_string());
        let log = row.build.map_or_else(String::new, log_path);
        let commit = row.commit.as_ref().map(|commit| commit.short.as_str());
        let cells = vec![
            Cell::new(row.version.as_str()),
            mark(row.mark.as_ref()),
            Cell::new(row.because.as_str()),
            Cell::new(commit.unwrap_or_default()),
            moment(row.checked.as_ref()),
            Cell::new(&build),
            Cell::new(&log),
        ];
        table.push(cells, notes(row));
    }
    table
}

/// The errors, the targets, and the newer build that is under way.
fn notes(row: &ToolchainRow) -> Vec<Cell> {
    let mut notes: Vec<Cell> = row
        .errors
        .iter()
        .map(|line| Cell::new(line.as_str()))
        .collect();
    notes.extend(lines(&row.targets).iter().map(|line| Cell::new(line)));
    let newer = row.mark.as_ref().and_then(|mark| mark.under_way.as_ref());
    if let Some(newer) = newer
        && let Some(id) = newer.build.filter(|id| Some(*id) != row.build)
    {
        let (state, log) = (newer.state.as_str(), log_path(id));
        notes.push(dim(&format!("build {id} is {state}: {log}")));
    }
    notes
}
