//! A badge for a README: how a package does under each toolchain, as SVG and as JSON for shields.io.

use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};

use crate::app::domain::verdict::Grade;
use crate::app::render::limits::{BADGE_CACHE_S, SHOWN_COMMIT_CHARS};
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::sign;
use crate::app::store::compat::CompatRow;
use crate::app::store::results::ResultRow;

const LABEL: &str = "zig";
const UNKNOWN: &str = "unknown package";
/// Height and margins in pixels, as the badges beside it have them.
const HEIGHT_PX: u32 = 20;
const MARGIN_PX: u32 = 5;
const BASELINE_PX: u32 = 14;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// What it says for those who do not see it.
    pub title: Clean,
    pub cells: Vec<Cell>,
    /// There is such a package.
    pub is_known: bool,
}

/// One toolchain: its version in short, and its sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: Clean,
    pub grade: Grade,
}

impl Badge {
    /// The badge of a package with these verdicts, one cell for each toolchain, newest first.
    /// Where the latest commit fails and an older one works, the cell names that one.
    pub fn of_package(
        name: &str,
        results: &[ResultRow],
        compat: &[CompatRow],
        toolchains: &[String],
    ) -> Badge {
        let mut cells = Vec::new();
        let mut words = Vec::new();
        for version in toolchains {
            let result = results.iter().find(|row| row.zig_version == *version);
            let statuses = result.map(ResultRow::statuses);
            let grade = statuses.map_or(Grade::Grey, |statuses| statuses.grade());
            let word = statuses.map_or("not tried", |statuses| statuses.describe());
            let older = compat.iter().find(|row| row.zig_version == *version);
            let older = older.filter(|row| !row.is_head && grade == Grade::Red);
            let older = older.and_then(|row| row.works.as_ref());
            let older = older.map(|works| works.commit.chars().take(SHOWN_COMMIT_CHARS));
            let (sign, word, grade) = match older.map(Iterator::collect::<String>) {
                Some(commit) => (commit.clone(), format!("works at {commit}"), Grade::Amber),
                None => (sign(grade).to_string(), word.to_string(), grade),
            };
            let text = format!("{} {sign}", short(version, toolchains));
            cells.push(Cell {
                text: Clean::new(&text),
                grade,
            });
            words.push(format!("{version} {word}"));
        }
        Badge {
            title: Clean::new(&format!("{name} under Zig: {}", words.join(", "))),
            cells,
            is_known: true,
        }
    }

    pub fn unknown() -> Badge {
        Badge {
            title: Clean::new(&format!("{LABEL}: {UNKNOWN}")),
            cells: vec![Cell {
                text: Clean::new(UNKNOWN),
                grade: Grade::Grey,
            }],
            is_known: false,
        }
    }

    /// The form of shields.io's endpoint badges.
    pub fn json(&self) -> Value {
        let message: Vec<&str> = self.cells.iter().map(|cell| cell.text.as_str()).collect();
        json!({
            "schemaVersion": 1,
            "label": LABEL,
            "message": message.join(" "),
            "color": self.color(),
            "isError": !self.is_known,
            "cacheSeconds": BADGE_CACHE_S,
        })
    }

    /// One colour for all cells, in the words of shields.io.
    fn color(&self) -> &'static str {
        let works = |cell: &Cell| matches!(cell.grade, Grade::Green | Grade::Amber);
        let all = |grades: &[Grade]| self.cells.iter().all(|cell| grades.contains(&cell.grade));
        match () {
            () if all(&[Grade::Green]) => "brightgreen",
            () if all(&[Grade::Grey]) => "lightgrey",
            () if self.cells.iter().any(works) => "yellow",
            () => "red",
        }
    }

    pub fn svg(&self) -> String {
        let label = Cell {
            text: Clean::new(LABEL),
            grade: Grade::Grey,
        };
        let mut boxes = vec![draw(&label, "#3d444d", 0)];
        for cell in &self.cells {
            let end = boxes.iter().map(|drawn| drawn.width_px).sum();
            boxes.push(draw(cell, fill(cell.grade), end));
        }
        let width_px: u32 = boxes.iter().map(|drawn| drawn.width_px).sum();
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width_px) height=(HEIGHT_PX) role="img"
                aria-label=(self.title) {
                title { (self.title) }
                g shape-rendering="crispEdges" {
                    @for drawn in &boxes { (drawn.area) }
                }
                g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" {
                    @for drawn in &boxes { (drawn.text) }
                }
            }
        };
        svg.0 + "\n"
    }
}

/// `0.17` of `0.17.1`, unless another toolchain has the same.
fn short<'v>(version: &'v str, toolchains: &[String]) -> &'v str {
    let minor = |version: &'v str| -> Option<&'v str> {
        let (second, _) = version.match_indices('.').nth(1)?;
        let is_release = version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        is_release.then(|| &version[..second])
    };
    let Some(short) = minor(version) else {
        return version;
    };
    let same = |other: &&String| {
        other
            .strip_prefix(short)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    match toolchains.iter().filter(same).count() {
        0 | 1 => short,
        _ => version,
    }
}

/// A colour on which white text has a contrast of 4.5 at least.
fn fill(grade: Grade) -> &'static str {
    match grade {
        Grade::Green => "#1a7f37",
        Grade::Amber => "#8a6100",
        Grade::Red => "#b3261e",
        Grade::Grey => "#59636e",
    }
}

/// A cell at its place.
struct Drawn {
    width_px: u32,
    area: Markup,
    text: Markup,
}

fn draw(cell: &Cell, fill: &str, x_px: u32) -> Drawn {
    let text_px = width_px(cell.text.as_str());
    let width_px = text_px + 2 * MARGIN_PX;
    // maud writes no empty elements but those of HTML.
    let area =
        format!(r#"<rect x="{x_px}" width="{width_px}" height="{HEIGHT_PX}" fill="{fill}"/>"#);
    Drawn {
        width_px,
        area: PreEscaped(area),
        text: html! {
            text x=(x_px + MARGIN_PX) y=(BASELINE_PX) textLength=(text_px) { (cell.text) }
        },
    }
}

/// How wide a text is in Verdana at 11 pixels, by its characters. A viewer with another font stretches it to that.
fn width_px(text: &str) -> u32 {
    let centipixels: u32 = text.chars().map(width_of).sum();
    centipixels.div_ceil(100)
}

fn width_of(c: char) -> u32 {
    match c {
        'i' | 'l' | 'j' | '|' => 330,
        ' ' | '.' | ',' | ':' | ';' | '!' | '/' | 'f' | 't' | 'r' | '\u{b7}' => 430,
        '-' => 500,
        'm' | 'w' | 'M' | 'W' => 1_050,
        '~' | '\u{2713}' | '\u{2717}' => 920,
        '0'..='9' | 'a'..='z' => 699,
        _ => 850,
    }
}
