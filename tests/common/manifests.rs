//! Trees, and what their manifests ask for: for all who read manifests, the script in the container too.

use crate::common::pack::sha256;

pub struct Case {
    pub name: &'static str,
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub links: Vec<(&'static str, &'static str)>,
    /// `URL HASH` of each dependency, in order; none where not all can be known.
    pub asked: Option<Vec<String>>,
}

impl Case {
    pub fn digest(&self) -> Option<String> {
        let asked = self.asked.as_ref()?;
        if asked.is_empty() {
            return Some(String::new());
        }
        let text: String = asked.iter().map(|line| format!("{line}\n")).collect();
        Some(sha256(text.as_bytes()))
    }
}

/// Each under one version: a tree that has this text as its manifest.
const TEXTS: [(&str, &str, Option<&[&str]>); 28] = [
    ("empty", "", Some(&[])),
    ("nothing", ".{ .name = .x, .paths = .{\"\"} }\n", Some(&[])),
    (
        "two",
        ".{ .dependencies = .{\n    .b = .{\n        .url = \"https://b\",\n        .hash = \"hb\",\n    },\n    \
         .a = .{ .hash = \"ha\", .url = \"https://a\", .lazy = true } } }\n",
        Some(&["https://a ha", "https://b hb"]),
    ),
    (
        "one line",
        ".a=.{.url=\"u\",.hash=\"h\"},.b=.{.url=\"v\",.hash=\"g\"}",
        Some(&["u h", "v g"]),
    ),
    (
        "no hash",
        ".{ .a = .{ .url = \"u\" }, .b = .{ .url = \"v\", .hash = \"\" } }",
        Some(&["u -", "v -"]),
    ),
    ("no hash at the end", ".url = \"u\"", Some(&["u -"])),
    (
        "no braces",
        ".url = \"u\" .url = \"v\" .hash = \"h\"",
        Some(&["u -", "v h"]),
    ),
    (
        "the hash alone",
        ".{ .hash = \"h\" } .{ .url = \"\" }",
        Some(&[]),
    ),
    (
        "twice",
        ".{ .url = \"u\" } .{ .url = \"u\" }",
        Some(&["u -"]),
    ),
    (
        "the other hash",
        ".{ .url = \"u\", .hash = \"2\" } .{ .url = \"u\", .hash = \"1\" }",
        Some(&["u 1", "u 2"]),
    ),
    (
        "in the order of bytes",
        ".{ .url = \"a\" } .{ .url = \"B\" } .{ .url = \"a-\" } .{ .url = \"ä\" }",
        Some(&["B -", "a -", "a- -", "ä -"]),
    ),
    (
        "comments",
        "// .url = \"no\"\n.a = .{ .url = \"u\", // .hash = \"no\"\n/// .url = \"no\"\n}",
        Some(&["u -"]),
    ),
    (
        "no comment",
        ".description = \"see // there\", .url = \"https://x//y\", .hash = \"h//\"",
        Some(&["https://x//y h//"]),
    ),
    (
        "it is said in a text",
        ".a = \".url = \\\"no\\\"\", .b = \"}\", .url = \"u\", .c = \"{\", .hash = \"h\"",
        Some(&["u h"]),
    ),
    (
        "text of several lines",
        ".a =\n    \\\\ .url = \"no\"\n    \\\\ it's \"\n, .url = \"u\"",
        Some(&["u -"]),
    ),
    (
        "on other lines",
        ".url\t=\r\n  // it comes\n\r\t\"u\",\r\n.\nhash\n=\n\"h\"",
        Some(&["u h"]),
    ),
    (
        "named in quotes",
        ".@\"zig-x\" = .{ .@\"url\" = \"u\", .@\"hash\" = \"h\" }, .@\"{\" = 1",
        Some(&["u h"]),
    ),
    (
        "other names",
        ".urls = \"a\" .my_url = \"b\" url = \"c\" .url2 = \"d\" .Url = \"e\" .x.url.y = \"f\"",
        Some(&[]),
    ),
    (
        "as it is written",
        ".url = \"a\\x62\\\"c\\\\\", .hash = \"\\u{68}\"",
        Some(&["a\\x62\\\"c\\\\ \\u{68}"]),
    ),
    (
        "odd bytes",
        ".url = \"\u{1}ü x\0\u{7f}\" \u{feff} \0 ~",
        Some(&["\u{1}ü x\u{1}\u{7f} -"]),
    ),
    ("a name with an escape", ".@\"u\\x72l\" = \"u\"", None),
    ("a value of another kind", ".url = .u", None),
    ("a value of several lines", ".url =\n    \\\\u\n,", None),
    ("a value that is not there", ".url =", None),
    ("a text without an end", ".a = \"b\n", None),
    ("a text that ends in an escape", ".url = \"b\\\"\n", None),
    ("a character", ".a = '\"', .url = \"u\", .b = '\"'", None),
    ("a quote of a name alone", ".a = @\"b", None),
];

pub fn cases() -> Vec<Case> {
    let lines = |asked: &[&str]| asked.iter().map(|line| line.to_string()).collect();
    let of = |name, files, asked| Case {
        name,
        files,
        links: Vec::new(),
        asked,
    };
    let mut cases: Vec<Case> = TEXTS
        .iter()
        .map(|(name, text, asked)| {
            of(
                *name,
                vec![("build.zig.zon", text.as_bytes().to_vec())],
                asked.map(lines),
            )
        })
        .collect();
    let of_all = vec![
        ("build.zig.zon", b".url = \"b\", .hash =  \"h\"".to_vec()),
        // Where one ends, another does not go on.
        ("a/build.zig.zon", b".hash = \"no\"".to_vec()),
        ("a/b/build.zig.zon", b".{ .url = \"a\" }\n.".to_vec()),
        ("a/c/build.zig.zon", b"url = \"no\"".to_vec()),
        ("a/build.zig.zon.old", b".url = \"no\"".to_vec()),
        (
            "a/.hidden/build.zig.zon",
            b".{ .url = \"b\", .hash = \"h\" }".to_vec(),
        ),
        ("build.zig", b".url = \"no\"".to_vec()),
    ];
    cases.push(of("all manifests", of_all, Some(lines(&["a -", "b h"]))));
    cases.push(of(
        "no manifest",
        vec![("build.zig", Vec::new())],
        Some(Vec::new()),
    ));
    let bad = vec![
        ("build.zig.zon", b".url = \"b\"".to_vec()),
        ("a/build.zig.zon", b"'".to_vec()),
    ];
    cases.push(of("one of them is not plain", bad, None));
    cases.push(Case {
        links: vec![("a/build.zig.zon", "../other.zon")],
        ..of(
            "a link",
            vec![("other.zon", b".url = \"b\"".to_vec())],
            None,
        )
    });
    cases.push(Case {
        links: vec![("a/build.zig", "../build.zig.zon")],
        ..of(
            "another link",
            vec![("build.zig.zon", b".url = \"b\"".to_vec())],
            Some(lines(&["b -"])),
        )
    });
    for (name, count, known) in [("as many as may be", 1024, true), ("too many", 1025, false)] {
        let asked: Vec<String> = (0..count)
            .map(|n| format!("https://{n:06}.example -"))
            .collect();
        let named = (0..count).map(|n| format!(".{{ .url = \"https://{n:06}.example\" }}\n"));
        let text: String = named
            .chain([".{ .url = \"https://000007.example\" }".to_string()])
            .collect();
        cases.push(of(
            name,
            vec![("build.zig.zon", text.into_bytes())],
            known.then_some(asked),
        ));
    }
    // Two manifests below the limit of one, and together at that of all: 256 KiB of lines.
    for (name, more, known) in [("as long as may be", 0, true), ("too long", 1, false)] {
        let urls = ["a".repeat(131_072 - 3), "b".repeat(131_072 - 3 + more)];
        let text = |url: &str| format!(".url = \"{url}\"").into_bytes();
        let files = vec![
            ("build.zig.zon", text(&urls[0])),
            ("b/build.zig.zon", text(&urls[1])),
        ];
        let asked = urls.iter().map(|url| format!("{url} -")).collect();
        cases.push(of(name, files, known.then_some(asked)));
    }
    for (name, more, known) in [("a long manifest", 0, true), ("a longer one", 1, false)] {
        let mut text = b".url = \"u\"".to_vec();
        text.resize(256 * 1024 + more, b' ');
        cases.push(of(
            name,
            vec![("build.zig.zon", text)],
            known.then(|| lines(&["u -"])),
        ));
    }
    cases
}
