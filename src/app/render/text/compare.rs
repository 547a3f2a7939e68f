//! The page of a comparison as text, and as Markdown.

use crate::app::render::limits::SHOWN_WORDS_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::text::parts::style;
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::compare::{BrokenLine, CompareView, GroupView, PastLine};
use crate::app::render::view::parts::sign;
use crate::app::render::view::site::count;

pub fn text(view: &CompareView) -> String {
    let (color, host) = (view.site.options.color, &view.site.options.host);
    let mut text = format!("{}\n\n", view.headline);
    let mut table = Table::default()
        .column("", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("", Align::Right, SHOWN_WORDS_LIMIT_CHARS);
    for line in &view.outcomes {
        let words = format!("{} {}", sign(line.grade), line.words);
        let words = Cell::new(&words).styled(style(line.grade));
        let cells = vec![words, Cell::new(&line.count.to_string())];
        table.push(cells, Vec::new());
    }
    let packages = view.packages.to_string();
    table.push(
        vec![Cell::new("  packages"), Cell::new(&packages)],
        Vec::new(),
    );
    text += &format!("{}\n", table.text(color));
    for remark in &view.remarks {
        text += &format!("{remark}\n");
    }
    for (title, groups) in [
        ("NEWLY BROKEN, BY THE FIRST ERROR", &view.own),
        ("NEWLY BROKEN BY A DEPENDENCY", &view.dependencies),
    ] {
        if !groups.is_empty() {
            text += &format!("\n{title}\n");
        }
        for group in groups {
            text += &self::group(group);
        }
    }
    if !view.remarks.is_empty() || view.total > 0 {
        text.push('\n');
    }
    if let Some(next) = &view.next {
        let (page, total) = (view.page + 1, view.total);
        text += &format!("Page {page} of {total} errors: curl '{host}{next}'\n");
    }
    for link in &view.downloads {
        text += &format!("{}: curl '{host}{}'\n", link.text, link.target);
    }
    text
}

fn group(group: &GroupView) -> String {
    let place = group
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!(", {place}"));
    let names: Vec<&str> = group
        .packages
        .iter()
        .map(|line| line.name.text.as_str())
        .collect();
    let more = group
        .more
        .as_ref()
        .map_or_else(String::new, |more| format!(" and {}", more.text));
    let mut text = format!("{:>4}  {}{place}\n", group.count, group.error);
    text += &format!("      {}{more}\n", names.join(", "));
    for line in &group.past {
        let diff = line.diff.as_deref().unwrap_or_default();
        let text_of_line = format!("{} {} {diff}", line.name.text, range(line));
        text += &format!("      got past it: {}\n", text_of_line.trim_end());
    }
    text
}

fn range(line: &PastLine) -> String {
    let [from, to] = &line.commits;
    format!("{}..{}", from.short, to.short)
}

/// The same to paste into an issue; links begin with the address of this server.
pub fn markdown(view: &CompareView) -> String {
    let origin = view.site.options.origin.as_deref().unwrap_or_default();
    let (older, newer) = (&view.older, &view.newer);
    let mut text = format!(
        "## Zig {older} to {newer}\n\n{}.\n\n{}\n",
        view.headline,
        view.sentence()
    );
    for remark in &view.remarks {
        text += &format!("{}\n", escaped(remark));
    }
    for (title, groups) in [
        ("Newly broken, by the first error", &view.own),
        ("Newly broken by a dependency", &view.dependencies),
    ] {
        if !groups.is_empty() {
            text += &format!("\n### {title}\n\n");
        }
        for group in groups {
            text += &item(group, origin);
        }
    }
    text + &format!("\n<{origin}{}>\n", view.path)
}

fn item(group: &GroupView, origin: &str) -> String {
    let place = group
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!(", {}", escaped(place)));
    let package =
        |line: &BrokenLine| format!("[{}]({origin}{})", code(&line.name.text), line.name.target);
    let packages: Vec<String> = group.packages.iter().map(package).collect();
    let more = group.more.as_ref().map_or_else(String::new, |more| {
        format!(" and [{}]({origin}{})", more.text, more.target)
    });
    let error = match group.is_message {
        true => code(&group.error),
        false => group.error.to_string(),
    };
    let mut text = format!(
        "- {}{place}: {}: {}{more}\n",
        error,
        count(group.count, "package"),
        packages.join(", ")
    );
    for line in &group.past {
        let range = match &line.diff {
            Some(diff) => format!("[{}]({diff})", range(line)),
            None => range(line),
        };
        text += &format!("  - got past it: {} {range}\n", code(&line.name.text));
    }
    text
}

/// Text as code, in which nothing has a meaning but a backtick.
fn code(text: &Clean) -> String {
    format!("`{}`", text.as_str().replace('`', "'"))
}

/// Text in which nothing has a meaning.
fn escaped(text: &Clean) -> String {
    let mut escaped = String::new();
    for c in text.as_str().chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | ':' | '-') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
