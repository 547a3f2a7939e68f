//! The page of a log: its lines, its parts, and how it grows.

use std::fs::File;

use zigcheck::app::live::line_index::LineIndex;
use zigcheck::app::render::view::errors::{LineKind, Tree};
use zigcheck::app::render::view::log::{LineReader, Span, Style};

use crate::common::core::{Inside, data};
use crate::common::html;
use crate::common::seed::Seed;
use crate::live_pages::{BROWSER, building, open, text};

fn spans(reader: &mut LineReader, line: &str) -> Vec<(String, bool, Option<u8>)> {
    let line = reader.line(line.as_bytes(), Some(1), &Tree::default());
    let span = |Span { text, style }: Span| (text, style.is_bold, style.color);
    line.spans.into_iter().map(span).collect()
}

#[test]
fn colours_are_kept_and_everything_else_is_dropped() {
    let plain = |text: &str| vec![(text.to_string(), false, None)];
    for (line, wanted) in [
        ("plain", plain("plain")),
        ("tab\there", plain("tab\there")),
        ("\x1b[2Kgone\x1b[1A", plain("gone")),
        ("\x1b]0;title\x07after", plain("after")),
        ("bell\x07 back\x08", plain("bell back")),
        ("turned \u{202e}around", plain("turned around")),
        ("\x1b[31mred", vec![("red".into(), false, Some(1))]),
        (
            "\x1b[1;91mred\x1b[0m no",
            vec![("red".into(), true, Some(1)), (" no".into(), false, None)],
        ),
        (
            "\x1b[38;5;2mgreen\x1b[39m",
            vec![("green".into(), false, Some(2))],
        ),
        ("\x1b[38;2;1;2;3;1mbold", vec![("bold".into(), true, None)]),
        ("\x1b[48;5;1mback", plain("back")),
        (
            "a\x1b[32mb\x1b[2Kc",
            vec![("a".into(), false, None), ("bc".into(), false, Some(2))],
        ),
        ("", Vec::new()),
        ("\x1b[", plain("")),
    ] {
        let wanted: Vec<_> = wanted
            .into_iter()
            .filter(|(text, ..)| !text.is_empty())
            .collect();
        assert_eq!(spans(&mut LineReader::default(), line), wanted, "{line:?}");
    }
}

#[test]
fn a_style_lasts_until_it_is_changed() {
    let mut reader = LineReader::default();
    spans(&mut reader, "\x1b[32mgreen");
    assert_eq!(
        spans(&mut reader, "still"),
        [("still".to_string(), false, Some(2))]
    );
    assert_eq!(
        spans(&mut reader, "\x1b[mno more"),
        [("no more".to_string(), false, None)]
    );
}

#[test]
fn errors_of_zig_are_found_and_lead_to_the_forge() {
    let tree = Tree {
        url: Some("https://github.com/x/zeit"),
        commit: Some("0123456789abcdef0123456789abcdef01234567"),
        dir: None,
    };
    let line = b"src/a.zig:12:3: error: no member";
    let line = LineReader::default().line(line, Some(7), &tree);
    assert_eq!((line.kind, line.number), (LineKind::Error, Some(7)));
    let place = line.place.unwrap();
    assert_eq!(place.text.as_str(), "src/a.zig:12:3");
    assert!(place.target.contains("/src/a.zig#L12"), "{}", place.target);
    assert_eq!(
        line.spans,
        [Span {
            text: ": error: no member".into(),
            style: Style::default()
        }]
    );
}

#[test]
fn a_place_is_found_from_the_directory_of_the_build_and_from_the_root() {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for (dir, path, wanted) in [
        (None, "src/a.zig", Some("src/a.zig")),
        (Some("lib"), "src/a.zig", Some("lib/src/a.zig")),
        (None, "/work/src/src/a.zig", Some("src/a.zig")),
        (Some("lib"), "/work/src/lib/a.zig", Some("lib/a.zig")),
        (Some("lib"), "/opt/zig/lib/std/Io.zig", None),
        (None, "/work/src/../a.zig", None),
    ] {
        let (url, commit) = (Some("https://github.com/x/zeit"), Some(commit));
        let line = format!("{path}:12:3: error: no");
        let tree = Tree { url, commit, dir };
        let line = LineReader::default().line(line.as_bytes(), None, &tree);
        let target = line.place.map(|place| place.target);
        let wanted = wanted.map(|file| {
            let commit = commit.unwrap_or_default();
            format!("https://github.com/x/zeit/blob/{commit}/{file}#L12")
        });
        assert_eq!(target, wanted, "{dir:?} {path}");
    }
}

#[test]
fn an_index_finds_each_line() {
    let path = data("log-index").join("log");
    for seed in 0..60 {
        let mut chance = Seed(seed);
        let mut text = Vec::new();
        for _ in 0..chance.below(3_000) {
            match chance.below(40) {
                0 => text.extend_from_slice(b"a.zig:1:2: error: x"),
                1 => text.extend(vec![b'x'; chance.below(9_000)]),
                _ => text.extend(vec![b'y'; chance.below(80)]),
            }
            text.push(b'\n');
        }
        if chance.once_in(2) {
            text.pop();
        }
        std::fs::write(&path, &text).unwrap();
        let file = File::open(&path).unwrap();
        let index = LineIndex::read(&file).unwrap();
        let whole = text.strip_suffix(b"\n").unwrap_or(&text);
        let lines: Vec<&[u8]> = match text.is_empty() {
            true => Vec::new(),
            false => whole.split(|byte| *byte == b'\n').collect(),
        };
        let first = lines
            .iter()
            .position(|line| line.windows(7).any(|w| w == b"error: "));
        assert_eq!(index.lines, lines.len() as u64, "SEED={seed}");
        assert_eq!(
            index.first_error,
            first.map(|at| at as u64 + 1),
            "SEED={seed}"
        );
        for _ in 0..20 {
            let from = chance.between(1, lines.len().max(1)) as u64;
            let to = from + chance.below(50) as u64;
            let to = to.min(index.lines);
            let found = index.lines(&file, from, to, 64 << 20).unwrap();
            let wanted = lines
                .get(from as usize - 1..to as usize)
                .unwrap_or_default();
            assert_eq!(found, wanted, "SEED={seed}: {from} to {to}");
        }
    }
}

fn page(inside: &mut Inside, target: &str) -> String {
    let page = inside.request("GET", target, &BROWSER, b"");
    assert_eq!(page.status, 200, "{page:?}");
    String::from_utf8(page.body).unwrap()
}

/// The numbers of the lines on a page.
fn numbers(page: &str) -> Vec<u64> {
    let ids = page.split("id=\"L").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn a_short_log_is_shown_whole_and_a_long_one_around_its_first_error() {
    for (lines, error) in [
        (3, 2),
        (1_999, 1_500),
        (2_001, 700),
        (30_000, 12_345),
        (30_000, 29_990),
    ] {
        let (mut inside, _memory) = building(&format!("log-page-{lines}-{error}"));
        let mut log = String::new();
        for number in 1..=lines {
            log += &match number == error {
                true => "src/a.zig:1:2: error: <b>\n".to_string(),
                false => format!("line {number}\n"),
            };
        }
        inside.logs("zigcheck-1-1", &log);
        inside.build_fails("zigcheck-1-1");
        let text = page(&mut inside, "/builds/1/log");
        html::parse(&text);
        let shown = numbers(&text);
        assert!(
            shown.contains(&error) && shown.contains(&lines),
            "{lines} {error}"
        );
        assert!(text.contains(&format!("/builds/1/log?line={error}#L{error}")));
        assert!(text.contains("error: &lt;b&gt;"));
        let gaps = text.split(" lines not shown").collect::<Vec<_>>();
        let missing: u64 = gaps[..gaps.len() - 1]
            .iter()
            .map(|before| before.rsplit('>').next().unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(shown.len() as u64 + missing, lines, "no line is lost");
        assert!(shown.len() <= 2_000);
        if lines > 2_000 {
            let other = page(&mut inside, "/builds/1/log?line=5");
            assert!(numbers(&other).contains(&5));
        }
        // The last line may stand before a number that is too large.
        page(&mut inside, "/builds/1/log?line=99999999");
    }
}

#[test]
fn a_log_grows_on_its_page_and_ends_with_the_verdict() {
    let (mut inside, _memory) = building("log-grows");
    let conn = open(&mut inside, "/builds/1/log").unwrap();
    let text = |inside: &Inside| text(inside, conn);
    inside.logs("zigcheck-1-1", "one\ntw");
    let (so_far, _) = text(&inside);
    assert!(
        so_far.contains(">one\n") && !so_far.contains("tw"),
        "{so_far}"
    );
    inside.logs("zigcheck-1-1", "o\n\x1b[31m<i>\n");
    let long = "z".repeat(40_000);
    inside.logs("zigcheck-1-1", &long);
    let (so_far, is_over) = text(&inside);
    assert!(so_far.contains(">two\n") && !is_over);
    inside.build_fails("zigcheck-1-1");
    let (whole, is_over) = text(&inside);
    assert!(is_over && whole.ends_with("</html>\n"));
    html::parse(&whole);
    assert_eq!(numbers(&whole), [1, 2, 3, 4, 5, 6]);
    assert!(whole.contains("\"a1\">&lt;i&gt;</span>"));
    let counts = whole.lines().map(|line| line.matches('z').count());
    let long: Vec<usize> = counts.filter(|count| *count > 1_000).collect();
    assert_eq!(long, [16 << 10, 16 << 10, 40_000 - (32 << 10)]);
    let page = html::parse(&whole);
    let paragraphs = page.named("p").into_iter();
    let states = paragraphs.filter_map(|p| p.attribute("slot").map(|slot| (slot, p.text.as_str())));
    let states: Vec<(&str, &str)> = states.collect();
    let first = ("begin", "\u{b7}building: zeit with Zig 0.16.0");
    assert_eq!(
        states,
        [first, ("end", "\u{2717}failed: zeit with Zig 0.16.0")]
    );
    assert!(whole.contains("<slot name=\"end\"><slot name=\"begin\"></slot></slot><slot></slot>"));
    assert!(whole.contains("</a> failed to compile.</p>"), "{whole}");
    // By curl it is the text.
    inside.streams = None;
    assert!(inside.curl("/builds/1/log").starts_with("one\ntwo\n"));
}

/// The values of a colour of the style sheet, light and dark.
fn color(style: &str, name: &str) -> [[f64; 3]; 2] {
    let (_, behind) = style.split_once(&format!("--{name}:light-dark(")).unwrap();
    let (values, _) = behind.split_once(')').unwrap();
    let part = |value: &str, at: usize| {
        let digits = match value.len() {
            4 => value[at + 1..=at + 1].repeat(2),
            _ => value[2 * at + 1..2 * at + 3].to_string(),
        };
        let c = f64::from(u8::from_str_radix(&digits, 16).unwrap()) / 255.0;
        match c <= 0.04045 {
            true => c / 12.92,
            false => ((c + 0.055) / 1.055).powf(2.4),
        }
    };
    let mut both = values
        .split(',')
        .map(|value| [0, 1, 2].map(|at| part(value, at)));
    [both.next().unwrap(), both.next().unwrap()]
}

/// By WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [a, b] =
        [a, b].map(|[red, green, blue]| 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
    f64::max(a, b) / f64::min(a, b)
}

/// How different two colours look, by Oklab; black and white differ by 1.
fn difference(a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot = |row: [f64; 3], of: [f64; 3]| row[0] * of[0] + row[1] * of[1] + row[2] * of[2];
    let [a, b] = [a, b].map(|color| {
        let cone = [
            dot([0.412_22, 0.536_33, 0.051_45], color).cbrt(),
            dot([0.211_90, 0.680_70, 0.107_40], color).cbrt(),
            dot([0.088_30, 0.281_72, 0.629_98], color).cbrt(),
        ];
        [
            dot([0.210_45, 0.793_62, -0.004_07], cone),
            dot([1.978_00, -2.428_59, 0.450_59], cone),
            dot([0.025_90, 0.782_77, -0.808_68], cone),
        ]
    });
    let square = |at: usize| (a[at] - b[at]).powi(2);
    (square(0) + square(1) + square(2)).sqrt()
}

#[test]
fn the_colours_of_a_log_are_told_apart_and_can_be_read() {
    let (mut inside, _memory) = building("log-colours");
    let style = page(&mut inside, "/packages/zeit");
    let of = |names: &[&str]| {
        names
            .iter()
            .map(|name| color(&style, name))
            .collect::<Vec<_>>()
    };
    // Black, red, green, yellow, blue, purple, cyan, and what has none.
    let colors = of(&[
        "soft", "bad", "good", "doubtful", "link", "purple", "cyan", "text",
    ]);
    let backs = of(&["back", "panel", "line"]);
    for scheme in [0, 1] {
        for (nth, color) in colors.iter().enumerate() {
            for back in &backs {
                let contrast = contrast(color[scheme], back[scheme]);
                assert!(contrast >= 4.5, "{nth} {scheme}: {contrast}");
            }
            for (other, unlike) in colors[..nth].iter().enumerate() {
                let difference = difference(color[scheme], unlike[scheme]);
                assert!(difference > 0.06, "{nth} {other} {scheme}: {difference}");
            }
        }
    }
}

#[test]
fn numbers_take_as_much_room_as_the_last_of_them() {
    for (lines, class) in [(9, "d1"), (10, "d2"), (1_000, "d4"), (30_000, "d5")] {
        let (mut inside, _memory) = building(&format!("log-digits-{lines}"));
        inside.logs("zigcheck-1-1", &"line\n".repeat(lines));
        inside.build_fails("zigcheck-1-1");
        let text = page(&mut inside, "/builds/1/log");
        let parts = html::parse(&text);
        let last = parts.named("pre").pop().unwrap();
        assert_eq!(last.attribute("class"), Some(class));
        let digits = &class[1..];
        assert!(text.contains(&format!(".{class}{{--digits:{digits}ch}}")));
    }
}
