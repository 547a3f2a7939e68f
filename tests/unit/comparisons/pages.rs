//! The page of a comparison as text, as HTML and as Markdown.

use super::data::{Data, FIRST, OWN, SECOND, fails, some, works};
use crate::common::core::Inside;
use crate::common::html::{Document, parse};

const PAGE: &str = "/compare/0.15.2..0.16.0";

fn document(inside: &mut Inside, target: &str) -> Document {
    let headers = [("accept", "text/html"), ("host", "zig.example")];
    let response = inside.request("GET", target, &headers, b"");
    assert_eq!(response.status, 200);
    parse(&String::from_utf8(response.body).unwrap())
}

#[test]
fn text_says_what_broke_why_and_how_others_got_past_it() {
    let mut inside = Inside::open("compare-text", some(), 1);
    let diff = format!("https://github.com/x/log/compare/{FIRST}...{SECOND}");
    let expected = "\
0.16.0 breaks 4 of 8 packages that 0.15.2 built

✓ still work          3
✗ newly broken        4
✓ newly fixed         1
· still fail          1
~ not exercised       1
· without a verdict   1
  packages           11

Tried under one alone: 1 package under 0.15.2, 1 package under 0.16.0.

NEWLY BROKEN, BY THE FIRST ERROR
   2  struct 'std' has no member named 'lang'
      many, few
      got past it: log 0123456789ab..1123456789ab DIFF
   1  no error message: it took too long
      slow

NEWLY BROKEN BY A DEPENDENCY
   1  struct 'std' has no member named 'lang', in its dependency zul
      user

JSON: curl 'zig.example.org/api/compare/0.15.2..0.16.0'
Markdown: curl 'zig.example.org/api/compare/0.15.2..0.16.0?format=markdown'
names of what broke: curl 'zig.example.org/api/compare/0.15.2..0.16.0?format=names'
";
    assert_eq!(inside.curl(PAGE), expected.replace("DIFF", &diff));
    let coloured = inside.curl(&format!("{PAGE}?color"));
    assert!(
        coloured.contains("\u{1b}[31m✗ newly broken\u{1b}[0m"),
        "{coloured}"
    );
}

#[test]
fn markdown_can_be_pasted() {
    let mut inside = Inside::open("compare-markdown", some(), 1);
    let host = [("host", "zig.example")];
    let response = inside.request("GET", &format!("/api{PAGE}?format=markdown"), &host, b"");
    let diff = format!("https://github.com/x/log/compare/{FIRST}...{SECOND}");
    let expected = "\
## Zig 0.15.2 to 0.16.0

0.16.0 breaks 4 of 8 packages that 0.15.2 built.

11 packages: 3 still work, 4 newly broken, 1 newly fixed, 1 still fail, 1 not exercised, 1 without a verdict.
Tried under one alone: 1 package under 0.15.2, 1 package under 0.16.0.

### Newly broken, by the first error

- `struct 'std' has no member named 'lang'`: 2 packages: [`many`](ORIGIN/packages/many), [`few`](ORIGIN/packages/few)
  - got past it: `log` [0123456789ab..1123456789ab](DIFF)
- no error message: it took too long: 1 package: [`slow`](ORIGIN/packages/slow)

### Newly broken by a dependency

- `struct 'std' has no member named 'lang'`, in its dependency zul: 1 package: [`user`](ORIGIN/packages/user)

<ORIGIN/compare/0.15.2..0.16.0>
";
    let expected = expected
        .replace("DIFF", &diff)
        .replace("ORIGIN", "http://zig.example");
    assert_eq!(String::from_utf8(response.body).unwrap(), expected);
}

#[test]
fn what_markdown_would_read_as_markup_is_text() {
    let mut data = Data::new();
    let error = "src/a.zig:1:1: error: `*bold*` [x](javascript:1) <b>";
    data.both("p", 0, works(), fails(error));
    let mut inside = Inside::open("compare-escaped", data.store, 1);
    let text = inside.curl(&format!("/api{PAGE}?format=markdown"));
    let line = text.lines().find(|line| line.starts_with("- ")).unwrap();
    assert!(line.starts_with("- `'*bold*' [x](javascript:"), "{line}");
    assert_eq!(line.matches('`').count(), 4, "{line}");
    let key = "error_key=%60*x*%60+%3Cb%3E";
    let text = inside.curl(&format!("/api{PAGE}?format=markdown&{key}"));
    let said = "Only packages with this error: \\`\\*x\\*\\` \\<b\\>";
    assert!(text.contains(said), "{text}");
}

#[test]
fn a_browser_sees_a_bar_and_groups_that_fold_out() {
    let mut inside = Inside::open("compare-html", some(), 1);
    let page = document(&mut inside, PAGE);
    assert_eq!(page.text("h1"), "Zig 0.15.2 to 0.16.0");
    assert_eq!(
        page.text("title"),
        "Zig 0.16.0 breaks 4 of 8 packages that 0.15.2 built"
    );
    let bar = page.named("rect");
    let widths = bar.iter().map(|rect| rect.attribute("width").unwrap());
    assert_eq!(
        widths
            .map(|width| width.parse::<u64>().unwrap())
            .sum::<u64>(),
        11
    );
    let image = page.named("svg");
    let said = "11 packages: 3 still work, 4 newly broken, 1 newly fixed, 1 still fail, 1 not exercised, \
                1 without a verdict.";
    assert_eq!(image[0].attribute("aria-label"), Some(said));
    let legend: Vec<&str> = page
        .named("li")
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    assert_eq!(
        legend[..3],
        ["11 packages", "✓3 still work", "✗4 newly broken"]
    );
    let summaries: Vec<&str> = page
        .named("summary")
        .iter()
        .map(|line| line.text.as_str())
        .collect();
    let key = "struct 'std' has no member named 'lang'";
    let expected = [
        format!("2 packages: {key} (1 got past it)"),
        "1 package: no error message: it took too long".to_string(),
        format!("1 package: {key}, in its dependency zul"),
    ];
    assert_eq!(summaries, expected);
    assert_eq!(page.link("many"), Some("/packages/many"));
    let diff = format!("https://github.com/x/log/compare/{FIRST}...{SECOND}");
    assert_eq!(page.link("0123456789ab..1123456789ab"), Some(diff.as_str()));
    let names = format!("/api{PAGE}?format=names&outcome=newly_fixed");
    assert_eq!(page.link("1 newly fixed"), Some(names.as_str()));
    let links = page.named("a");
    let logs = links.iter().filter(|link| link.text == "log");
    let logs: Vec<&str> = logs.map(|link| link.attribute("href").unwrap()).collect();
    // Both of each package that broke; and the package of that name.
    assert_eq!(
        logs.iter()
            .filter(|to| to.ends_with("/log") && to.starts_with("/builds"))
            .count(),
        8
    );
    let builds = logs.iter().filter(|to| to.starts_with("/builds/"));
    let builds = builds.filter_map(|to| to.strip_suffix("/log"));
    for build in builds.map(str::to_string).collect::<Vec<_>>() {
        assert_eq!(
            inside.request("GET", &build, &[], b"").status,
            200,
            "{build}"
        );
    }
}

#[test]
fn every_page_leads_to_the_newest_comparison_and_the_front_page_says_what_it_says() {
    let mut inside = Inside::open("compare-front", some(), 1);
    let sentence = "0.16.0 breaks 4 of 8 packages that 0.15.2 built";
    let front = document(&mut inside, "/");
    assert_eq!(front.link(sentence), Some(PAGE));
    for target in ["/", "/queue", "/packages/few", PAGE] {
        assert_eq!(
            document(&mut inside, target).link("compare"),
            Some(PAGE),
            "{target}"
        );
    }
    let line = format!("{sentence}: curl 'zig.example.org{PAGE}'");
    assert!(inside.curl("/").contains(&line));
    assert!(!inside.curl("/?search=few").contains(sentence));
    let mut empty = Inside::open("compare-empty", Data::new().store, 1);
    assert!(!empty.curl("/").contains("breaks"));
    assert!(
        empty
            .curl(PAGE)
            .starts_with("0.16.0 breaks 0 of 0 packages that 0.15.2 built\n")
    );
    assert!(
        document(&mut empty, PAGE)
            .text("main")
            .contains("No package was tried under both versions.")
    );
}

#[test]
fn what_is_left_out_is_said_and_leads_to_the_rest() {
    let mut data = Data::new();
    for nth in 0..12 {
        data.both(&format!("p{nth}"), nth, works(), fails(OWN));
    }
    data.both("other", 0, works(), fails("error: x"));
    let mut inside = Inside::open("compare-rest", data.store, 1);
    let page = document(&mut inside, &format!("{PAGE}?limit=1"));
    assert_eq!(
        page.link("Page 2 of 2 errors"),
        Some("/compare/0.15.2..0.16.0?limit=1&page=2")
    );
    let more = page.link("2 more").unwrap().to_string();
    let group = document(&mut inside, &more);
    assert_eq!(group.named("tbody")[0].text.matches("log").count(), 24);
    assert!(
        group
            .text("main")
            .contains("Only packages with this error: struct 'std'")
    );
    let canonical = group
        .named("link")
        .into_iter()
        .find(|link| link.attribute("rel") == Some("canonical"));
    assert_eq!(
        canonical.unwrap().attribute("href"),
        Some(format!("http://zig.example{more}").as_str())
    );
    let some = inside.curl(&format!("{PAGE}?packages=p1,p2,nobody"));
    for line in [
        "0.16.0 breaks 2 of 2 packages",
        "Only these: nobody, p1, p2.",
        "Not found: nobody.",
    ] {
        assert!(some.contains(line), "{some}");
    }
    assert!(
        some.contains("format=names'\n")
            && some.contains("?packages=nobody%2Cp1%2Cp2&format=names'"),
        "{some}"
    );
    let used = inside.curl(&format!("{PAGE}?packages=3"));
    assert!(used.contains("Only the 3 packages used most."), "{used}");
}

#[test]
fn a_comparison_that_cannot_be_made_is_a_page_that_says_why() {
    let mut inside = Inside::open("compare-problem", some(), 1);
    for (target, status, said) in [
        (
            "/compare/0.15.2..0.18.0",
            404,
            "unknown Zig version 0.18.0; available: 0.16.0, 0.15.2",
        ),
        (
            "/compare/0.16.0..0.15.2",
            400,
            "0.16.0 is not older than 0.15.2: the older version comes first",
        ),
    ] {
        let response = inside.request("GET", target, &[("accept", "text/html")], b"");
        assert_eq!(response.status, status);
        assert!(
            String::from_utf8(response.body).unwrap().contains(said),
            "{target}"
        );
        assert!(inside.curl(target).contains(said), "{target}");
    }
}
