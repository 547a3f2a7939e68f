//! Log lines on standard error: with a priority for the journal, else with the time.

use std::io::{self, Write};
use std::time::SystemTime;

use log::{Level, LevelFilter};

use crate::base::control_chars::{is_control, without_escapes};

/// Sends the program's log to standard error from now on.
pub fn start(level: LevelFilter) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level);
    match is_read_by_journal() {
        true => builder.format(|out, record| {
            let text = record.args().to_string();
            for_journal(out, record.level(), &text)
        }),
        false => builder.format(|out, record| {
            let time = humantime::format_rfc3339_seconds(SystemTime::now());
            let level = record.level();
            lines(&record.args().to_string())
                .try_for_each(|line| writeln!(out, "{time} {level:<5} {line}"))
        }),
    };
    builder.init();
}

/// Prints the one line of a program that cannot go on.
pub fn fatal(program: &str, sentence: &str) {
    let mut out = io::stderr().lock();
    // Without standard error there is nowhere to report to.
    let _ = match is_read_by_journal() {
        true => for_journal(&mut out, Level::Error, sentence),
        false => writeln!(out, "{program}: {sentence}"),
    };
}

/// Writes each line with its own priority and without a time: sd-daemon(3).
pub fn for_journal(out: &mut impl Write, level: Level, text: &str) -> io::Result<()> {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    lines(text).try_for_each(|line| writeln!(out, "<{priority}>{line}"))
}

/// The lines of `text` without control characters. Remote text is logged too: each of its lines gets a prefix of its
/// own, so that none can pass for another log line.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let printable = |line: &str| {
        without_escapes(line)
            .chars()
            .filter(|c| !is_control(*c))
            .collect()
    };
    text.lines().map(printable)
}

/// True where standard error is the stream that the service manager connected to the journal.
fn is_read_by_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stat = rustix::fs::fstat(io::stderr());
    stat.is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}
