//! Keys of errors that the four versions of Zig have printed, and properties of every key.

use std::collections::{HashMap, HashSet};

use crate::common::seed::Seed;
use zigcheck::app::domain::error_key::{ErrorKey, Place, error_key};
use zigcheck::app::domain::limits::{
    ERROR_KEY_LIMIT_BYTES, ERROR_LOG_LIMIT_BYTES, PLACE_NAME_LIMIT_BYTES,
};

/// Error logs as the image makes them of what Zig printed, most with the middle left out: a line `@@@ VERSION NAME`, one with
/// the place, one with the key, and the log.
const ERRORS: &str = include_str!("fixtures/errors.txt");

struct Row {
    name: &'static str,
    place: &'static str,
    key: &'static str,
    log: &'static str,
}

fn rows() -> Vec<Row> {
    let rows = ERRORS.split("@@@ ").skip(1).map(|row| {
        let (name, rest) = row.split_once('\n').expect("a place");
        let (place, rest) = rest.split_once('\n').expect("a key");
        let (key, log) = rest.split_once('\n').expect("a log");
        Row {
            name,
            place,
            key,
            log,
        }
    });
    rows.collect()
}

fn key_of(log: &str) -> String {
    error_key(log).map_or_else(String::new, |found| found.key)
}

#[test]
fn each_real_error_has_its_key_and_its_place() {
    let mut wrong = String::new();
    for Row {
        name,
        place,
        key,
        log,
    } in rows()
    {
        let found = error_key(log);
        let wanted = Some(ErrorKey {
            key: key.to_string(),
            place: Place::parse(place).expect("a place"),
        });
        if found != wanted {
            wrong += &format!("{name}: {found:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_is_large_and_names_all_versions_and_places() {
    let rows = rows();
    let names: HashSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "a name for each row");
    assert!(rows.len() >= 60, "{} rows", rows.len());
    for version in ["0.14.1", "0.15.2", "0.16.0", "0.17.1"] {
        let count = names
            .iter()
            .filter(|name| name.starts_with(version))
            .count();
        assert!(count >= 10, "{version}: {count}");
    }
    for place in ["package", "build.zig", "build.zig.zon", "dependency:twig"] {
        assert!(rows.iter().any(|row| row.place == place), "{place}");
    }
}

/// The log as another package has it, elsewhere and in another build: other folders, numbers of lines, addresses and hashes.
fn elsewhere(log: &str) -> String {
    let mut text = String::new();
    for line in log.lines() {
        let mut rest = line;
        // Line and column of a location.
        while let Some(at) = rest.find(".zig:") {
            let (before, after) = rest.split_at(at + ".zig:".len());
            text += before;
            let is_place = |c: char| c.is_ascii_digit() || c == ':';
            let end = after.find(|c| !is_place(c)).unwrap_or(after.len());
            let moved: String = after[..end]
                .chars()
                .map(|c| if c.is_ascii_digit() { '7' } else { c })
                .collect();
            text += &moved;
            rest = &after[end..];
        }
        text += rest;
        text.push('\n');
    }
    text.replace("src/", "lib/of/its-own_3/")
        .replace("/work/src", "/work/src/sub")
        .replace("0x", "0x1f")
        .replace("thread ", "thread 9")
        .replace("__anon_", "__anon_4")
        .replace("__struct_", "__struct_4")
}

#[test]
fn the_same_error_elsewhere_has_the_same_key_and_place() {
    for Row { name, log, .. } in rows() {
        assert_eq!(error_key(&elsewhere(log)), error_key(log), "{name}");
    }
}

#[test]
fn what_is_one_packages_own_is_not_in_the_key() {
    for (one, other) in [
        (
            "src/a.zig:1:2: error: expected type 'array_list.Aligned(u8,null)', found '*const [2:0]u8'",
            "lib/b/c.zig:31:7: error: expected type 'array_list.Aligned(list.Of(u32, 3),null)', found '*const [17:0]u8'",
        ),
        (
            "a.zig:1:2: error: expected type 'u8', found 'a.f__anon_123'",
            "b.zig:1:2: error: expected type 'u8', found 'a.f__anon_9876'",
        ),
        (
            "a.zig:1:2: error: type 'u8' cannot represent integer value '300'",
            "a.zig:9:2: error: type 'u8' cannot represent integer value '-256'",
        ),
        (
            "thread 1 panic: index out of bounds: index 5, len 2",
            "panic: index out of bounds: index 77, len 0",
        ),
        (
            "Segmentation fault at address 0x10",
            "Segmentation fault at address 0x7ffe0a7e7670",
        ),
        (
            "error: 'root.test.it works' failed: /work/src/a.zig:1:2: 0x1 in f (a)\n    return error.Blue;\n",
            "error: 'main.test.the moon' failed:\n    /work/src/b.zig:3:2: 0x2 in g (b)\n        return error.Blue;\n",
        ),
        (
            "a.zig:1:2: error: use of Zig 0.14.0-dev.12+ab3cd, needs 0.15.1",
            "a.zig:1:2: error: use of Zig 0.17.1, needs 0.11.0",
        ),
    ] {
        assert_eq!(key_of(one), key_of(other));
        assert!(!key_of(one).is_empty(), "{one}");
    }
}

#[test]
fn what_broke_stays_in_the_key() {
    let of = |message: &str| key_of(&format!("src/main.zig:3:9: error: {message}\n"));
    let all = [
        "root source file struct 'fs' has no member named 'File'",
        "root source file struct 'fs' has no member named 'cwd'",
        "use of undeclared identifier 'frobnicate'",
        "use of undeclared identifier 'other'",
        "expected type 'u8', found 'u16'",
        "expected type 'u8', found '?u16'",
        "'X11/Xlib.h' file not found",
        "'X11/Xutil.h' file not found",
        "no module named 'sha256' available within module 'root'",
    ];
    let keys: HashMap<String, &str> = all.iter().map(|message| (of(message), *message)).collect();
    assert_eq!(keys.len(), all.len(), "{keys:?}");
    for (key, message) in keys {
        assert_eq!(key, message);
    }
}

#[test]
fn a_place_has_a_text_form_that_parses_back() {
    for (place, text) in [
        (Place::Package, "package"),
        (Place::BuildScript, "build.zig"),
        (Place::Manifest, "build.zig.zon"),
        (Place::Dependency("zap".to_string()), "dependency:zap"),
        (Place::Dependency("a:b".to_string()), "dependency:a:b"),
    ] {
        assert_eq!(place.to_string(), text);
        assert_eq!(Place::parse(text), Some(place));
    }
    for text in ["", "dependency", "dependency:", "Package", "build"] {
        assert_eq!(Place::parse(text), None, "{text}");
    }
}

#[test]
fn a_dependency_has_its_name_under_every_form_of_hash() {
    let old = "12208070233b17de6be05e32af096a6760682b48598323234824def41789e993432c";
    for (path, name) in [
        (
            "/home/build/.cache/zig/p/zap-0.1.0-EREREQwHAABDP6sG1r8YDTYeGCYvJY3_aKH573P1PIHF/src/a.zig",
            "zap",
        ),
        (
            "zig-pkg/zap-0.1.0-dev.3-EREREQwHAABDP6sG1r8YDTYeGCYvJY3_aKH573P1PIHF/build.zig",
            "zap",
        ),
        (
            "/work/run/import/zig-pkg/zap-0.1.0-EREREQwHAABDP6sG1r8YDTYeGCYvJY3_aKH573P1PIHF/build.zig.zon",
            "zap",
        ),
        (
            &format!("/home/build/.cache/zig/p/{old}/src/a.zig"),
            "12208070233b",
        ),
        (
            "zig-pkg/N-V-__8AAAoCAAAIabL9rU1XCfwew4pA5FfptN2r6Ia3O_u1/a.zig",
            "N-V-__8AAAoC",
        ),
    ] {
        let found = error_key(&format!("{path}:1:2: error: expected ';'\n")).expect("an error");
        assert_eq!(found.place, Place::Dependency(name.to_string()), "{path}");
    }
    let own = error_key("src/p/zig-pkg/a.zig:1:2: error: expected ';'\n").expect("an error");
    assert_eq!(own.place, Place::Package);
}

#[test]
fn the_package_itself_is_no_dependency_of_the_one_that_tries_it() {
    let leaf = "zig-pkg/leaf-0.1.0-EREREdwBAAAzEjwl9HU04dkBesiQYtVX6BA3zhLvofjQ";
    let twig = "zig-pkg/twig-0.1.0-EREREdwBAAAzEjwl9HU04dkBesiQYtVX6BA3zhLvofjQ";
    let uses = format!("referenced by:\n    f: {leaf}/src/root.zig:2:3\n    one: all.zig:18:17\n");
    let place = |log: &str| error_key(log).map(|found| found.place);
    // The command that names the module may be cut off.
    let own = format!("{leaf}/src/root.zig:1:2: error: expected ';'\n{uses}");
    assert_eq!(place(&own), Some(Place::Package));
    let deeper = format!("{twig}/src/root.zig:1:2: error: expected ';'\n{uses}");
    assert_eq!(place(&deeper), Some(Place::Dependency("twig".to_string())));
    let used = format!("/opt/zig/lib/std/mem.zig:1:2: error: deprecated\n{uses}");
    assert_eq!(place(&used), Some(Place::Package));
}

#[test]
fn no_text_at_all_has_no_key() {
    for log in [
        "",
        "\n\n",
        "error:",
        "error: \n",
        "   \n+- run sh failure\n",
        "====\n",
    ] {
        assert_eq!(error_key(log), None, "{log:?}");
    }
}

/// Pieces that the reader has rules for.
const PIECES: &[&str] = &[
    "error:",
    " ",
    "error: ",
    ": error: ",
    "a.zig:1:2",
    ": ",
    "\n",
    "'",
    "' failed:",
    "panic: ",
    "thread 1 ",
    "(",
    ")",
    "{",
    "}",
    "(s)",
    "://",
    "__anon_",
    "1",
    "test_",
    "/",
    "é",
    "💥",
    "\u{301}",
    "-Mmodule=",
    "/p/",
    "zig-pkg/",
    "zap-0.1.0-",
    "Build Summary: ",
    "Assertion `",
    " at address 0x",
    "C import failed",
    "dependency ",
    "\u{0}",
    "=",
    "fatal: ",
    "+- ",
    "failed command: ",
    "\"",
    "error.",
    "1220",
    ".",
    ":",
];

#[test]
fn any_text_is_read_within_the_limits() {
    let mut seed = Seed(14);
    for _ in 0..20_000 {
        let mut log = String::new();
        for _ in 0..seed.below(60) {
            match seed.below(8) {
                0 => log.extend(char::from_u32(seed.below(0x3000) as u32)),
                1 => log += &"x".repeat(seed.below(200)),
                _ => log.push_str(seed.pick::<&str>(PIECES)),
            }
        }
        let bytes: Vec<u8> = log
            .bytes()
            .map(|b| b ^ u8::from(seed.below(50) == 0))
            .collect();
        let log = String::from_utf8_lossy(&bytes);
        let Some(ErrorKey { key, place }) = error_key(&log) else {
            continue;
        };
        assert!(
            !key.is_empty() && key.len() <= ERROR_KEY_LIMIT_BYTES,
            "{log:?}"
        );
        assert!(!key.contains(|c: char| c.is_control()), "{log:?}");
        if let Place::Dependency(name) = &place {
            assert!(name.len() <= PLACE_NAME_LIMIT_BYTES, "{log:?}");
        }
    }
}

#[test]
fn a_long_text_of_any_kind_has_its_key() {
    let worst = [
        "(",
        "error:\n\n",
        "error: 'a' failed:\n",
        "/p/",
        "__anon_",
        "a.zig:1:2: ",
        "test_1",
        "://",
        "a(",
        "error: the following command \n",
        "x: error: ",
        "error{",
        "- ",
        "1:",
        "=\n",
        "error:\n=\n",
    ];
    // A cost of the square would take minutes here.
    for piece in worst {
        let log = piece.repeat(ERROR_LOG_LIMIT_BYTES * 32 / piece.len());
        let key = error_key(&log).map(|error| error.key.len());
        assert!(
            key.unwrap_or_default() <= ERROR_KEY_LIMIT_BYTES,
            "{piece:?}"
        );
    }
}
