//! Statistics: how many packages of a fixed set work under each version on each day, builds and their waiting times,
//! the slowest builds and the most common errors.

use crate::app::render::json;
use crate::app::render::limits::SHOWN_ERROR_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::{Link, duration, package_path};
use crate::app::render::view::site::{Site, count};
use crate::app::store::build_days::BuildDayRow;
use crate::app::store::durations::SlowRow;
use crate::app::store::history::ErrorRow;
use crate::app::store::shares::{DAY_MS, DayRow, SetRow};

#[derive(Debug, Clone, PartialEq)]
pub struct StatsView {
    pub site: Site,
    /// Which packages are counted.
    pub sentence: String,
    /// What is still missing.
    pub remark: Option<&'static str>,
    pub versions: Vec<Clean>,
    pub curves: Vec<CurveView>,
    /// The numbers of the curves, the newest day first; days on which none changed are left out.
    pub days: Vec<DayLine>,
    /// The first and the last day of the curves.
    pub first: String,
    pub last: String,
    /// The curves of other sets.
    pub others: Vec<Link>,
    pub builds: Vec<BuildDayLine>,
    pub slowest: Vec<SlowLine>,
    pub errors: Vec<(u64, Clean)>,
}

/// The packages of a set under one version, day by day.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveView {
    pub zig_version: Clean,
    /// All packages of the set.
    pub packages: u64,
    pub days: Vec<Counts>,
}

/// How many packages work, and how many fail; nothing is known of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub works: u64,
    pub fails: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DayLine {
    pub day: String,
    /// One for each version.
    pub cells: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BuildDayLine {
    pub day: String,
    pub builds: u64,
    pub cached: String,
    pub errors: u64,
    /// The mean, and the longest; none where no build waited for a slot.
    pub waits: Option<[String; 2]>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SlowLine {
    pub package: Link,
    pub zig_version: Clean,
    pub duration: String,
}

/// What the page is made of.
pub struct StatsRows {
    /// None before the first verdict.
    pub set: Option<SetRow>,
    /// All sets that are kept, the newest first.
    pub sets: Vec<SetRow>,
    /// Number of packages in the set.
    pub packages: u64,
    pub is_filling: bool,
    /// The first day that is shown, and today.
    pub from: i64,
    pub to: i64,
    /// By version, the newest first.
    pub curves: Vec<(String, Vec<DayRow>)>,
    pub builds: Vec<BuildDayRow>,
    pub slowest: Vec<SlowRow>,
    pub errors: Vec<ErrorRow>,
}

impl StatsRows {
    /// The first day of the curves: they begin with the first number.
    pub fn first_day(&self) -> i64 {
        let rows = self.curves.iter().flat_map(|(_, rows)| rows);
        let first = rows.map(|row| row.day).min().unwrap_or(self.to);
        first.clamp(self.from, self.to)
    }

    /// The counts of each day under each version. A day without a row has those of the day before it.
    pub fn counts(&self) -> Vec<Vec<Counts>> {
        let curves = self.curves.iter();
        let curve = |(_, rows): &(String, Vec<DayRow>)| {
            let mut rows = rows.iter().peekable();
            let mut counts = Counts::default();
            let mut of_day = |day| {
                while let Some(row) = rows.next_if(|row| row.day <= day) {
                    counts = Counts {
                        works: row.works,
                        fails: row.fails,
                    };
                }
                counts
            };
            (self.first_day()..=self.to).map(&mut of_day).collect()
        };
        curves.map(curve).collect()
    }
}

/// A day as people and programs read it: `2026-11-29`.
pub fn day(day: i64) -> String {
    let time = json::time(day * DAY_MS);
    let (date, _) = time.split_once('T').unwrap_or((&time, ""));
    date.to_string()
}

/// `56 %`, of none: nothing.
fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => String::new(),
        _ => format!("{} %", (100 * part + whole / 2) / whole),
    }
}

impl StatsView {
    pub fn new(site: Site, rows: &StatsRows) -> StatsView {
        let counts = rows.counts();
        let packages = rows.packages;
        let curve = |((version, _), days): (&(String, Vec<DayRow>), &Vec<Counts>)| CurveView {
            zig_version: Clean::new(version),
            packages,
            days: days.clone(),
        };
        let curves = rows.curves.iter().zip(&counts).map(curve);
        let is_other = |set: &&SetRow| rows.set.as_ref().is_some_and(|shown| shown.id != set.id);
        let other = |set: &SetRow| {
            let text = format!("{} of {}", count(set.packages, "package"), day(set.day));
            Link::new(&text, format!("/stats?set={}", set.id))
        };
        let remark =
            "The history is still being entered after an upgrade: these numbers are too low yet.";
        StatsView {
            sentence: sentence(rows),
            remark: rows.is_filling.then_some(remark),
            versions: rows
                .curves
                .iter()
                .map(|(version, _)| Clean::new(version))
                .collect(),
            curves: curves.filter(|_| rows.set.is_some()).collect(),
            days: day_lines(rows, &counts),
            first: day(rows.first_day()),
            last: day(rows.to),
            others: rows.sets.iter().filter(is_other).map(other).collect(),
            builds: rows.builds.iter().map(BuildDayLine::new).collect(),
            slowest: rows.slowest.iter().map(SlowLine::new).collect(),
            errors: rows.errors.iter().map(error).collect(),
            site,
        }
    }
}

fn sentence(rows: &StatsRows) -> String {
    let Some(set) = &rows.set else {
        return "No package was tried yet.".to_string();
    };
    let packages = count(rows.packages, "package");
    let were = if rows.packages == 1 { "was" } else { "were" };
    match set.last_package {
        Some(_) => format!("Of the {packages} that {were} known on {}.", day(set.day)),
        None => format!("Of the {packages} known so far; those of today stay in this set."),
    }
}

/// The days on which a number changed, the newest first.
fn day_lines(rows: &StatsRows, counts: &[Vec<Counts>]) -> Vec<DayLine> {
    let first = rows.first_day();
    let mut lines = Vec::new();
    for (nth, at) in (first..=rows.to).enumerate() {
        let of_day = |nth: usize| counts.iter().map(move |days| days[nth]);
        if nth > 0 && of_day(nth).eq(of_day(nth - 1)) {
            continue;
        }
        let cell = |counts: Counts| match counts {
            Counts { works: 0, fails: 0 } => "-".to_string(),
            Counts { works, fails } => {
                format!(
                    "{}: {works} work, {fails} fail",
                    percent(works, rows.packages)
                )
            }
        };
        lines.push(DayLine {
            day: day(at),
            cells: of_day(nth).map(cell).collect(),
        });
    }
    lines.reverse();
    lines.retain(|_| rows.set.is_some());
    lines
}

impl CurveView {
    /// The newest numbers in words.
    pub fn caption(&self) -> String {
        let Counts { works, fails } = self.days.last().copied().unwrap_or_default();
        let rest = self.packages.saturating_sub(works + fails);
        let share = percent(works, self.packages);
        format!(
            "{works} of {} work ({share}), {fails} fail, {rest} without a verdict",
            self.packages
        )
    }
}

impl BuildDayLine {
    fn new(row: &BuildDayRow) -> BuildDayLine {
        let mean = row.waited_ms.checked_div(row.started);
        BuildDayLine {
            day: day(row.day),
            builds: row.builds,
            cached: percent(row.cached, row.builds),
            errors: row.errors,
            waits: mean.map(|mean| [mean, row.longest_wait_ms].map(duration)),
        }
    }
}

impl SlowLine {
    fn new(row: &SlowRow) -> SlowLine {
        SlowLine {
            package: Link::new(&row.package, package_path(&row.package)),
            zig_version: Clean::new(&row.zig_version),
            duration: duration(row.duration_ms),
        }
    }
}

fn error(row: &ErrorRow) -> (u64, Clean) {
    (
        row.count,
        Clean::new(&row.text).clipped(SHOWN_ERROR_LIMIT_CHARS),
    )
}
