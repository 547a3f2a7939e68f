//! Lines of errors, with the places in the source that they name.

use crate::app::render::sanitize::Clean;
use crate::app::render::view::forge;

/// One line; its place stands at its beginning, and the rest behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorLine {
    pub place: Option<Place>,
    pub text: Clean,
    pub kind: LineKind,
}

/// `src/a.zig:12:3`, with its address at the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub text: Clean,
    pub target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineKind {
    #[default]
    Plain,
    Error,
    Note,
    /// Marks a place in the line above.
    Caret,
}

/// The root of the source in a container; some tools name files by their whole path.
const SOURCE_DIR: &str = "/work/src/";

/// Where the files of a build are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tree<'a> {
    pub url: Option<&'a str>,
    pub commit: Option<&'a str>,
    /// Where its build.zig is; none: at the root.
    pub dir: Option<&'a str>,
}

impl ErrorLine {
    /// A line as the compiler wrote it, without its end.
    pub fn new(line: &str, tree: &Tree) -> ErrorLine {
        let kind = kind(line);
        let found = place(line).and_then(|(length, path, number)| {
            let path = match (path.strip_prefix(SOURCE_DIR), tree.dir) {
                (Some(from_root), _) => from_root.to_string(),
                (None, Some(dir)) => format!("{dir}/{path}"),
                (None, None) => path.to_string(),
            };
            let target = forge::line_url(tree.url?, tree.commit?, &path, number)?;
            Some((length, target))
        });
        let (place, rest) = match found {
            None => (None, line),
            Some((length, target)) => {
                let text = Clean::new(&line[..length]);
                (Some(Place { text, target }), &line[length..])
            }
        };
        ErrorLine {
            place,
            text: Clean::new(rest),
            kind,
        }
    }
}

fn kind(line: &str) -> LineKind {
    let is_caret = |c: char| matches!(c, '^' | '~' | ' ' | '\t');
    match () {
        () if line.contains('^') && line.chars().all(is_caret) => LineKind::Caret,
        () if line.starts_with("error: ") || line.contains(": error: ") => LineKind::Error,
        () if line.starts_with("note: ") || line.contains(": note: ") => LineKind::Note,
        () => LineKind::Plain,
    }
}

/// The place that a line begins with: its length, its path in the package, and its line number.
fn place(line: &str) -> Option<(usize, &str, u32)> {
    let (path, behind) = line.split_once(':')?;
    let (number, behind) = behind.split_once(':')?;
    let column = behind.split([':', ' ']).next()?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_file = path.ends_with(".zig") || path.ends_with(".zon") || path.ends_with(".c");
    if !is_file || !is_number(number) || !is_number(column) {
        return None;
    }
    let length = path.len() + 1 + number.len() + 1 + column.len();
    Some((length, path, number.parse().ok()?))
}
