//! The lines of the log as the journal of systemd gets them.

use log::Level;
use zigcheck::shell::journal::for_journal;

#[test]
fn no_line_passes_for_another_or_controls_the_terminal() {
    let text = "why: \x1b]0;x\x07remote\r\n2026-01-01 INFO all is well\u{202e}\u{9b}2J\rx";
    let mut out = Vec::new();
    for_journal(&mut out, Level::Warn, text).unwrap();
    let wanted = "<4>why: remote\n<4>2026-01-01 INFO all is wellx\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}
