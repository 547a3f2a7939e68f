//! The page of a build as text.

use crate::app::render::limits::{SHOWN_URL_LIMIT_CHARS, SHOWN_WORDS_LIMIT_CHARS};
use crate::app::render::targets::lines;
use crate::app::render::text::parts::{dim, style};
use crate::app::render::text::table::{Align, Cell, Table};
use crate::app::render::view::build::{BuildView, Neighbour};
use crate::app::render::view::check::Took;
use crate::app::render::view::parts::duration;

pub fn text(view: &BuildView) -> String {
    let color = view.site.options.color;
    let mut text = format!("{}\n\n", sentence(view));
    if let Some(advice) = view.advice {
        text += &format!("{advice}\n\n");
    }
    if let Some(detail) = &view.detail {
        text += &format!("{detail}\n\n");
    }
    for line in &view.errors {
        let place = line.place.as_ref().map_or("", |place| place.text.as_str());
        text += &format!("{}\n", format!("    {place}{}", line.text).trim_end());
    }
    if !view.errors.is_empty() {
        text.push('\n');
    }
    if let Some(same) = &view.same_error {
        let names: Vec<&str> = same
            .packages
            .iter()
            .map(|link| link.text.as_str())
            .collect();
        text += &format!(
            "the same error in {} other packages: {}\n\n",
            same.count,
            names.join(", ")
        );
    }
    text += &facts(view).text(color);
    if !view.reproduce.is_empty() {
        text += "\nDo the same on your machine:\n";
        for command in &view.reproduce {
            text += &format!("  {command}\n");
        }
    }
    text + &format!("More: {}, {}\n", view.log, view.check.target)
}

fn sentence(view: &BuildView) -> String {
    let color = view.site.options.color;
    let mark = Cell::new(view.mark.word).styled(style(view.mark.grade));
    let commit = view
        .commit
        .as_ref()
        .map_or_else(String::new, |commit| format!("{} ", commit.short));
    let took = match &view.took {
        Took::Time(time) => format!(" ({time})"),
        Took::Cached(build) => format!(" (as {})", build.text),
        Took::Running(progress) => format!(" for {}", duration(progress.elapsed_ms)),
        Took::Waiting(wait) => format!(": {}", wait.reason),
        Took::Never => String::new(),
    };
    let ended = view
        .ended
        .as_ref()
        .map_or_else(String::new, |ended| format!(", {}", ended.ago));
    let (mark, package, version) = (mark.render(color), &view.subject.text, &view.version);
    format!(
        "{mark}: {package} {commit}with Zig {version} {}{took}{ended}",
        view.outcome
    )
}

fn facts(view: &BuildView) -> Table {
    let mut table = Table::default()
        .column("", Align::Left, SHOWN_WORDS_LIMIT_CHARS)
        .column("", Align::Left, SHOWN_URL_LIMIT_CHARS);
    for (word, fact) in &view.facts {
        table.push(vec![dim(word), Cell::new(fact.as_str())], Vec::new());
    }
    for (word, neighbour) in [("before", &view.before), ("after", &view.after)] {
        if let Some(Neighbour { build, mark, .. }) = neighbour {
            let text = format!("{} {}", mark.word, build.target);
            table.push(vec![dim(word), Cell::new(&text)], Vec::new());
        }
    }
    for module in &view.modules {
        let text = format!("{} {} {}", module.name, module.status, module.first_error);
        let text = Cell::new(text.trim_end());
        table.push(vec![dim("exports"), text], Vec::new());
    }
    for line in lines(&view.targets) {
        table.push(vec![dim("targets"), Cell::new(&line)], Vec::new());
    }
    table
}
