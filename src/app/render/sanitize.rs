//! Text from outside made fit for a terminal: nothing moves the cursor or turns the line around,
//! and how wide it is can be said.

use crate::app::render::limits::MARKS_LIMIT_COUNT;
use crate::base::control_chars::is_control;

/// The text without what is not to be seen: control characters (escapes with them), what changes
/// the direction of writing, what has no width. Tabs and line ends become spaces.
pub fn sanitize(text: &str) -> String {
    let mut marks = 0;
    let plain = |c: char| if matches!(c, '\t' | '\n') { ' ' } else { c };
    let shown = text.chars().map(plain).filter(|c| !is_control(*c));
    // Marks upon marks would fill the lines above and below.
    let shown = shown.filter(|c| {
        marks = if is_mark(*c) { marks + 1 } else { 0 };
        marks <= MARKS_LIMIT_COUNT
    });
    shown.collect()
}

/// How many cells of a terminal the text takes: none for marks, two for what is drawn wide.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// The text, or as much of it as fits with an ellipsis behind.
pub fn clip(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_string();
    }
    let mut room = limit.saturating_sub(1);
    let fits = |c: &char| {
        let rest = room.checked_sub(width_of(*c));
        room = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut clipped: String = text.chars().take_while(fits).collect();
    clipped.truncate(clipped.trim_end().len());
    clipped + "\u{2026}"
}

fn width_of(c: char) -> usize {
    match c {
        _ if is_mark(c) => 0,
        _ if is_wide(c) => 2,
        _ => 1,
    }
}

/// Drawn over the character before it.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}'
        | '\u{64b}'..='\u{65f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// East Asian scripts, their punctuation and full-width forms, and pictures.
fn is_wide(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}' | '\u{20000}'..='\u{3fffd}')
}
