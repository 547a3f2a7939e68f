//! Text from outside made safe for a terminal: nothing moves the cursor or reverses the line, and its
//! width is known.

use std::fmt;

use unicode_width::UnicodeWidthChar;

use crate::app::render::limits::MARKS_LIMIT_COUNT;
use crate::base::control_chars::{is_control, without_escapes};

/// The text without control characters, escapes, and characters that change the direction of writing or
/// are invisible. Tabs and line ends become spaces.
pub fn sanitize(text: &str) -> String {
    let mut marks = 0;
    let plain = |c: char| if matches!(c, '\t' | '\n') { ' ' } else { c };
    let text = without_escapes(text);
    let shown = text.chars().map(plain).filter(|c| !is_control(*c));
    // A stack of combining marks would cover the lines above and below.
    let shown = shown.filter(|c| {
        marks = if width_of(*c) == 0 { marks + 1 } else { 0 };
        marks <= MARKS_LIMIT_COUNT
    });
    shown.collect()
}

/// The number of terminal cells that the text takes: none for combining marks, two for wide characters.
pub fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// The text, or as much of it as fits, followed by an ellipsis.
pub fn clip(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_string();
    }
    let mut space = limit.saturating_sub(1);
    let fits = |c: &char| {
        let rest = space.checked_sub(width_of(*c));
        space = rest.unwrap_or(0);
        rest.is_some()
    };
    let mut clipped: String = text.chars().take_while(fits).collect();
    clipped.truncate(clipped.trim_end().len());
    clipped + "\u{2026}"
}

/// Terminals count character by character, so joined pictures count each of their parts.
fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Text from outside that was sanitized. Pages hold text of strangers in this form alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clean(String);

impl Clean {
    pub fn new(text: &str) -> Clean {
        Clean(sanitize(text))
    }

    /// Clips the text to `limit` terminal cells.
    pub fn clipped(self, limit: usize) -> Clean {
        Clean(clip(&self.0, limit))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Clean {
    fn from(text: &str) -> Clean {
        Clean::new(text)
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes for HTML elements and attributes.
impl maud::Render for Clean {
    fn render_to(&self, buffer: &mut String) {
        self.0.render_to(buffer);
    }
}
