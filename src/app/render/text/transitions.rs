//! Packages that stopped to work under a version, or began to, as text.

use crate::app::render::text::parts::style;
use crate::app::render::text::table::Cell;
use crate::app::render::view::parts::sign;
use crate::app::render::view::transitions::TransitionLine;

/// Lines under a title, where there are any: what changed, then its addresses.
pub fn transitions(title: &str, lines: &[TransitionLine], color: bool) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for line in lines {
        let word =
            Cell::new(&format!("{} {}", sign(line.grade), line.word)).styled(style(line.grade));
        let commits = match line.range() {
            range if range.is_empty() => String::new(),
            range => format!(", {range}"),
        };
        text += &format!(
            "  {} under {}: {} ({}){commits}, {}\n",
            line.name.text,
            line.zig_version,
            word.render(color),
            line.was,
            line.at.ago
        );
        for address in [&line.build, &line.diff].into_iter().flatten() {
            text += &format!("    {address}\n");
        }
    }
    text
}
