//! Lines of a log, with their numbers, the places that they name, and the colours that a program gave them.

use crate::app::domain::ids::BuildId;
use crate::app::render::sanitize::{Clean, sanitize};
use crate::app::render::view::errors::{ErrorLine, LineKind, Place, Tree};
use crate::app::render::view::parts::{Link, Mark, subject};
use crate::app::render::view::site::Site;
use crate::app::store::builds::BuildRow;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// From 1; none where it is not known how many came before.
    pub number: Option<u64>,
    pub place: Option<Place>,
    pub kind: LineKind,
    pub spans: Vec<Span>,
}

/// Text in one style, without control characters but tabs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// A style of a terminal, as far as pages have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    pub is_bold: bool,
    /// One of the eight colours; bright ones are the same.
    pub color: Option<u8>,
}

/// Reads lines one after the other: a style lasts until it is changed.
#[derive(Debug, Clone, Default)]
pub struct LineReader {
    style: Style,
}

impl LineReader {
    /// The line of these bytes, without its end.
    pub fn line(&mut self, bytes: &[u8], number: Option<u64>, tree: &Tree) -> LogLine {
        let text = String::from_utf8_lossy(bytes);
        let spans = self.spans(&text);
        match spans.as_slice() {
            // Zig gives no colours to a pipe: its errors are found by their form.
            [span] if span.style == Style::default() => {
                let line = ErrorLine::new(&span.text, tree);
                let text = match &line.place {
                    Some(place) => &span.text[place.text.as_str().len()..],
                    None => &span.text,
                };
                LogLine {
                    number,
                    kind: line.kind,
                    spans: vec![Span {
                        text: text.to_string(),
                        style: span.style,
                    }],
                    place: line.place,
                }
            }
            _ => LogLine {
                number,
                place: None,
                kind: LineKind::Plain,
                spans,
            },
        }
    }

    fn spans(&mut self, text: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut rest = text;
        while let Some((before, codes, behind)) = next_style(rest) {
            push(&mut spans, before, self.style);
            self.style = self.style.with(codes);
            rest = behind;
        }
        push(&mut spans, rest, self.style);
        spans
    }
}

fn push(spans: &mut Vec<Span>, text: &str, style: Style) {
    let parts: Vec<String> = text.split('\t').map(sanitize).collect();
    let text = parts.join("\t");
    if !text.is_empty() {
        spans.push(Span { text, style });
    }
}

/// The next sequence that selects styles: what stands before it, its numbers, what stands behind it.
fn next_style(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find("\u{1b}[")?;
        let behind = &text[at + 2..];
        let end = behind.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'))?;
        if behind[end..].starts_with('m') {
            return Some((&text[..at], &behind[..end], &behind[end + 1..]));
        }
        from = at + 2;
    }
}

impl Style {
    /// The style after a sequence with these numbers.
    fn with(mut self, codes: &str) -> Style {
        let mut codes = codes
            .split([';', ':'])
            .map(|code| code.parse().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => self = Style::default(),
                1 => self.is_bold = true,
                22 => self.is_bold = false,
                30..=37 => self.color = Some(code as u8 - 30),
                90..=97 => self.color = Some(code as u8 - 90),
                39 => self.color = None,
                // One of 256 colours, of which the first 16 are known; or three parts of a colour. 48: background.
                38 | 48 => match codes.next() {
                    Some(5) => {
                        let chosen = codes.next().unwrap_or(0);
                        if code == 38 {
                            self.color = (chosen < 16).then_some(chosen as u8 % 8);
                        }
                    }
                    Some(2) => codes.by_ref().take(3).for_each(drop),
                    _ => {}
                },
                _ => {}
            }
        }
        self
    }
}

/// The build that a log is of, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    pub build: BuildId,
    pub subject: Link,
    pub version: Clean,
    pub mark: Mark,
}

impl LogState {
    pub fn new(row: &BuildRow) -> LogState {
        LogState {
            build: row.id,
            subject: subject(row),
            version: Clean::new(&row.zig_version),
            mark: Mark {
                target: None,
                ..Mark::of_build(row)
            },
        }
    }
}

/// The page of a log that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct LogView {
    pub site: Site,
    pub state: LogState,
    /// Its build has not ended.
    pub is_growing: bool,
    pub first_error: Option<Link>,
    pub parts: Vec<LogPart>,
}

/// A part of a log, or a gap between two of them.
#[derive(Debug, Clone, PartialEq)]
pub enum LogPart {
    Lines(Vec<LogLine>),
    /// The number of lines that are left out, and a link to the first.
    Gap {
        count: u64,
        first: Link,
    },
}
