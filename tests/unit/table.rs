//! Tables and what is in them: columns that hold their line whatever stands in the cells.

use crate::common::seed::Seed;
use zigcheck::app::render::sanitize::{clip, sanitize, width};
use zigcheck::app::render::text::table::{Align, Cell, Style, Table};

fn cells(texts: &[&str]) -> Vec<Cell> {
    texts.iter().map(|text| Cell::new(text)).collect()
}

#[test]
fn columns_are_as_wide_as_what_is_in_them() {
    let mut table = Table::default()
        .column("NAME", Align::Left, 8)
        .column("N", Align::Right, 8)
        .column("LAST", Align::Left, 8);
    table.push(cells(&["a", "1", "x"]), Vec::new());
    table.push(cells(&["abcdefghij", "100", ""]), cells(&["a note"]));
    table.push(cells(&["", "", ""]), Vec::new());
    table.push(cells(&["", "22", "y"]), Vec::new());
    let wanted = "\
NAME        N  LAST
a           1  x
abcdefg…  100
    a note

           22  y
";
    assert_eq!(table.text(false), wanted);
    assert_eq!(table.text(true), wanted, "nothing has a tone");
}

#[test]
fn without_titles_there_is_no_line_of_them() {
    let mut table = Table::default()
        .column("", Align::Left, 8)
        .column("", Align::Left, 8);
    table.push(cells(&["url", "x"]), Vec::new());
    assert_eq!(table.text(false), "url  x\n");
    assert_eq!(
        Table::default().column("A", Align::Left, 8).text(false),
        "A\n"
    );
}

#[test]
fn a_colour_stands_around_its_word_alone() {
    let mut table = Table::default()
        .column("", Align::Right, 8)
        .column("", Align::Left, 8);
    let mut row = cells(&["1", "ok"]);
    row[1] = Cell::new("ok").styled(Style::Good);
    table.push(row, vec![Cell::new("why").styled(Style::Dim)]);
    table.push(cells(&["22", "longer"]), Vec::new());
    let wanted = " 1  \x1b[32mok\x1b[0m\n    \x1b[2mwhy\x1b[0m\n22  longer\n";
    assert_eq!(table.text(true), wanted);
    assert_eq!(
        Cell::new("").styled(Style::Bad).render(true),
        "",
        "no word, no colour"
    );
}

#[test]
fn what_cannot_be_seen_is_left_out() {
    for (text, wanted) in [
        ("plain", "plain"),
        ("\u{1b}[1;31mred\u{1b}[0m", "red"),
        ("\u{9b}31mred", "red"),
        ("a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}b", "alinkb"),
        ("a\u{1b}(Bb\u{1b}7c\u{1b}[?25ld\u{1b}Mx", "abcdx"),
        ("cut \u{1b}[1;3", "cut "),
        ("no string \u{1b}]of its own", "no string of its own"),
        ("\u{1b}\u{1b}[1mtwice", "twice"),
        ("\u{1b}]a\u{1b}\u{1b}\\b", "b"),
        ("\u{1b}]a\u{1b}]b", "ab"),
        ("a\u{7}b\u{8}c\0d\u{7f}e", "abcde"),
        ("one\ntwo\tthree\r", "one two three"),
        ("a\u{202e}b\u{2066}c\u{2069}d\u{200f}e\u{61c}f", "abcdef"),
        ("a\u{200b}b\u{feff}c\u{2028}d\u{ad}e\u{2060}f", "abcdef"),
        ("a\u{e0041}b\u{fff9}c", "abc"),
        (
            "e\u{301}\u{302}\u{303}\u{304}x\u{301}",
            "e\u{301}\u{302}\u{303}x\u{301}",
        ),
        // A syllable of Tibetan: one letter with two more and a vowel under it.
        (
            "\u{f66}\u{f92}\u{fb2}\u{f74}",
            "\u{f66}\u{f92}\u{fb2}\u{f74}",
        ),
        ("\u{e9}\u{4e2d}\u{1f980}", "\u{e9}\u{4e2d}\u{1f980}"),
    ] {
        assert_eq!(sanitize(text), wanted, "{text:?}");
    }
}

#[test]
fn widths_are_those_of_a_terminal() {
    for (text, wanted) in [
        ("", 0),
        ("abc", 3),
        ("\u{e9}", 1),
        ("e\u{301}", 1),
        ("\u{4e2d}\u{6587}", 4),
        ("\u{ac00}\u{ff21}", 4),
        ("\u{1f980}", 2),
        ("\u{2615}", 2),
        ("\u{e01}\u{e31}", 1),
        ("…", 1),
    ] {
        assert_eq!(width(text), wanted, "{text:?}");
    }
}

#[test]
fn what_is_too_wide_is_clipped_with_an_ellipsis() {
    for (text, limit, wanted) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a  bcd", 4, "a…"),
        ("\u{4e2d}\u{6587}\u{4e2d}", 6, "\u{4e2d}\u{6587}\u{4e2d}"),
        ("\u{4e2d}\u{6587}\u{4e2d}", 5, "\u{4e2d}\u{6587}…"),
        ("\u{4e2d}\u{6587}\u{4e2d}", 4, "\u{4e2d}…"),
        ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ("abc", 1, "…"),
        ("", 0, ""),
    ] {
        assert_eq!(clip(text, limit), wanted, "{text:?} in {limit}");
    }
}

/// What a terminal may be sent, and what may be hidden in it.
const PIECES: [&str; 14] = [
    "a",
    "word",
    " ",
    "\u{e9}",
    "\u{4e2d}",
    "\u{1f980}",
    "e\u{301}",
    "\u{1b}[2J",
    "\u{202e}",
    "\n",
    "\t",
    "\0",
    "\u{200d}",
    "\u{9b}H",
];

#[test]
fn every_line_holds_whatever_is_in_the_cells() {
    for seed in 1..=300 {
        let mut chance = Seed(seed);
        let limits = [chance.between(1, 12), chance.between(1, 12)];
        let mut table = Table::default()
            .column("A", Align::Left, limits[0])
            .column("B", Align::Right, limits[1])
            .column("C", Align::Left, 9);
        let rows = chance.between(1, 6);
        for _ in 0..rows {
            let mut text = || {
                let count = chance.below(9);
                (0..count)
                    .map(|_| *chance.pick(&PIECES))
                    .collect::<String>()
            };
            let mut row = vec![Cell::new(&text()), Cell::new(&text()), Cell::new("|")];
            row[0].style = Style::Bad;
            table.push(row, Vec::new());
        }
        let text = table.text(false);
        let bars: Vec<usize> = text
            .lines()
            .skip(1)
            .map(|line| width(line.strip_suffix('|').expect("a bar at the end")))
            .collect();
        assert_eq!(bars.len(), rows, "seed {seed}: a cell left its line");
        assert!(
            bars.iter().all(|bar| *bar == bars[0]),
            "seed {seed}:\n{text}"
        );
        assert!(bars[0] <= limits[0] + limits[1] + 4, "seed {seed}:\n{text}");
        let colored = table.text(true);
        let without = colored.replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        assert_eq!(without, text, "seed {seed}");
    }
}
