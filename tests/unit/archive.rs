//! Which trees are let in, and what is said of the others.

use crate::common::manifests;
use crate::common::pack::{
    bad, entry, file, good, gzip, hard_link, head, link, path, record, run, sign, small_tree, tar,
    zstd,
};
use crate::common::seed::Seed;
use std::fs;
use zigcheck::app::source::archive::Progress;
use zigcheck::app::source::limits::{ENTRIES_LIMIT, UNPACKED_LIMIT_BYTES};
use zigcheck::app::source::manifest::names_a_url;
use zigcheck::app::source::unpack::Format;

fn refused(entries: &[Vec<u8>], expected: &str) {
    let reason = bad("refused", &tar(entries));
    assert_eq!(reason, expected);
    assert_eq!(bad("refused.gz", &gzip(&tar(entries))), expected);
    assert_eq!(bad("refused.zst", &zstd(&tar(entries))), expected);
}

fn accepted(entries: &[Vec<u8>], count: u32) {
    assert_eq!(good("accepted", &tar(entries)).entries, count);
}

#[test]
fn a_tree_is_good_in_every_format() {
    let tar = small_tree();
    for (bytes, format) in [
        (tar.clone(), Format::Tar),
        (gzip(&tar), Format::TarGz),
        (zstd(&tar), Format::TarZst),
    ] {
        let summary = good("tree", &bytes);
        assert_eq!((summary.entries, summary.dependencies), (4, true));
        assert_eq!(
            (summary.unpacked_bytes, summary.format),
            (tar.len() as u64, format)
        );
    }
    assert_eq!(
        [Format::Tar, Format::TarGz, Format::TarZst].map(Format::as_str),
        ["tar", "tar.gz", "tar.zst"]
    );
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    refused(
        &[file("/etc/x", b"")],
        "the entry '/etc/x' is an absolute path",
    );
    refused(
        &[file("a/../../x", b"")],
        "the entry 'a/../../x' steps up with '..'",
    );
    refused(&[file("..", b"")], "the entry '..' steps up with '..'");
    refused(&[file("", b"")], "the entry '' has no name");
    refused(&[file(".", b"")], "the entry '.' has no name");
    let mut prefixed = head(b'0', b"x", b"", 0);
    prefixed[345..348].copy_from_slice(b"/..");
    sign(&mut prefixed);
    refused(
        &[prefixed.to_vec()],
        "the entry '/../x' is an absolute path",
    );
    accepted(&[file("./a//b..c/.../d", b"")], 1);
}

#[test]
fn long_names_and_pax_records_are_names_too() {
    let long = |name: &[u8]| entry(b'L', b"././@LongLink", b"", name);
    refused(
        &[long(b"../x\0"), file("y", b"")],
        "the entry '../x' steps up with '..'",
    );
    let pax = |records: &[u8]| entry(b'x', b"pax", b"", records);
    refused(
        &[pax(&record("path", b"/x")), file("y", b"")],
        "the entry '/x' is an absolute path",
    );
    refused(
        &[pax(&record("path", b"a\0b")), file("y", b"")],
        "the entry 'a\u{fffd}b' holds a NUL byte",
    );
    let target = [record("mtime", b"1.5"), record("linkpath", b"../x")].concat();
    refused(
        &[pax(&target), link("l", "y")],
        "the entry 'l' is a link to something outside the tree",
    );
    let target = entry(b'K', b"././@LongLink", b"", b"/x\0");
    refused(
        &[target, link("l", "y")],
        "the entry 'l' is a link to an absolute path",
    );
    let damaged = "the archive is damaged: its pax records are not well formed";
    for records in [
        &b"8 path=x\n"[..],
        b"x",
        b"99999999999999999999999 a=b\n",
        b"6 path\n",
        b"0 \n",
        b"3 \n",
        b" a=b\n",
        b"+9 a=bbb\n",
    ] {
        refused(&[pax(records), file("y", b"")], damaged);
    }
    let name = [b'n'; 4096];
    accepted(&[long(&[&name[..], b"\0"].concat()), file("y", b"")], 1);
    refused(
        &[long(&[&name[..], b"n\0"].concat()), file("y", b"")],
        "a name is longer than 4096 bytes",
    );
    let reason = bad(
        "long",
        &tar(&[pax(&record("path", &[b'p'; 5000])), file("y", b"")]),
    );
    assert_eq!(
        reason,
        format!("the entry '{}…' is longer than 4096 bytes", "p".repeat(100))
    );
    // What a head overrules is forgotten behind the next entry.
    accepted(&[long(b"a"), file("y", b""), file("z", b"")], 2);
}

#[test]
fn pax_sizes_and_records_for_all() {
    let pax = |kind: u8, records: &[u8]| entry(kind, b"pax", b"", records);
    let mut sized = file("y", &[1; 700]);
    sized[..512].copy_from_slice(&head(b'0', b"y", b"", 0));
    accepted(&[pax(b'x', &record("size", b"700")), sized], 1);
    accepted(
        &[pax(b'g', &record("comment", b"commit")), file("y", b"")],
        1,
    );
    let all = "the archive gives one name or size to all its entries";
    refused(&[pax(b'g', &record("path", b"a")), file("y", b"")], all);
    let sparse = "the entry 'y' is a sparse file";
    refused(
        &[pax(b'x', &record("GNU.sparse.major", b"1")), file("y", b"")],
        sparse,
    );
    refused(&[entry(b'S', b"y", b"", b"")], sparse);
}

#[test]
fn only_files_directories_and_links_are_let_in() {
    for (kind, what) in [
        (b'3', "is a device"),
        (b'4', "is a device"),
        (b'6', "is a named pipe"),
    ] {
        refused(
            &[entry(kind, b"d", b"", b"")],
            &format!("the entry 'd' {what}"),
        );
    }
    for kind in *b"VMDNAZ\x7f" {
        refused(
            &[entry(kind, b"d", b"", b"")],
            "the entry 'd' is neither file, directory nor link",
        );
    }
    accepted(
        &[
            entry(b'0', b"f", b"", b"1"),
            entry(0, b"g", b"", b"2"),
            entry(b'7', b"h", b"", b"3"),
        ],
        3,
    );
    accepted(
        &[
            entry(b'5', b"d", b"", b""),
            entry(0, b"e/", b"", b""),
            entry(b'5', b"./", b"", b""),
        ],
        2,
    );
    for kind in *b"125" {
        refused(
            &[entry(kind, b"d", b"e", b"1")],
            "the entry 'd' has a size without being a file",
        );
    }
}

#[test]
fn links_stay_inside() {
    let outside = "the entry 'a/l' is a link to something outside the tree";
    refused(&[link("a/l", "../../x")], outside);
    refused(&[link("a/l", ".././../x")], outside);
    refused(
        &[link("a/l", "/x")],
        "the entry 'a/l' is a link to an absolute path",
    );
    refused(&[link("a/l", "")], "the entry 'a/l' is a link to nothing");
    refused(
        &[link("a/l", "b/../x")],
        "the entry 'a/l' is a link with '..' after a name",
    );
    accepted(
        &[
            link("a/l", ".."),
            link("a/b/m", "../../c"),
            link("n", "."),
            link("a/o", ".//p/"),
        ],
        4,
    );
    let through =
        |name: &str| format!("the entry '{name}' passes through a link of the same archive");
    refused(&[link("a", "b"), file("a/x", b"")], &through("a/x"));
    refused(&[link("a", "b"), link("a/x/y", "z")], &through("a/x/y"));
    refused(
        &[
            link("a-", "b"),
            link("a", "b"),
            link("a.b", "c"),
            file("./a//x", b""),
        ],
        &through("./a//x"),
    );
    accepted(
        &[
            link("a", "b"),
            file("a.x/y", b""),
            file("ab", b""),
            file("a", b""),
            link("a", "c"),
        ],
        5,
    );
    refused(
        &[link("a/b", "c"), link("a", "d")],
        "the entry 'a' is a link in place of a directory",
    );
    let hard = "the entry 'h' is a hard link to something outside the tree, or to a link";
    for target in ["/x", "../x", "", "d/l", "d/l/x"] {
        refused(&[link("d/l", "x"), hard_link("h", target)], hard);
    }
    accepted(&[file("d/f", b""), hard_link("h", "./d/f")], 2);
}

#[test]
fn a_link_seen_before_is_found_among_many() {
    let mut seed = Seed(5);
    let name = |seed: &mut Seed| {
        let parts: Vec<&str> = (0..seed.between(1, 4))
            .map(|_| ["a", "a-", "b", "a.", "aa"][seed.below(5)])
            .collect();
        parts.join("/")
    };
    for _ in 0..3000 {
        let mut tree = zigcheck::app::source::path_guard::PathGuard::default();
        let mut links: Vec<String> = Vec::new();
        for _ in 0..12 {
            let path = name(&mut seed);
            let is_below = |path: &str, link: &str| path.starts_with(&format!("{link}/"));
            let through = links.iter().any(|link| is_below(&path, link));
            assert_eq!(
                tree.resolve(path.as_bytes()).is_err(),
                through,
                "{path} {links:?}"
            );
            if !through && tree.add_link(path.as_bytes(), b"x").is_ok() {
                assert!(!links.iter().any(|link| is_below(link, &path)));
                links.push(path);
            }
        }
    }
}

#[test]
fn limits() {
    let mut many: Vec<u8> = Vec::new();
    for number in 0..=ENTRIES_LIMIT {
        many.extend_from_slice(&head(b'0', number.to_string().as_bytes(), b"", 0));
    }
    fs::write(path("many"), tar(&[many])).unwrap();
    let reason = "the archive has more than 100000 entries".to_string();
    assert_eq!(run(&path("many"), 1 << 20), Progress::Rejected(reason));
    let links: Vec<Vec<u8>> = (0..20_000)
        .map(|number| link(&number.to_string(), "x"))
        .collect();
    assert!(bad("links", &tar(&links)).ends_with("is one link too many"));
    let large = "the archive unpacks to more than 512 MiB";
    refused(
        &[head(b'0', b"x", b"", UNPACKED_LIMIT_BYTES + 1).to_vec()],
        large,
    );
    refused(
        &[entry(b'x', b"x", b"", &[0; 300_000])],
        "the pax records of an entry are longer than 262144 bytes",
    );
}

#[test]
fn sizes_in_base_256_and_odd_ones() {
    let size = |field: &[u8]| {
        let mut block = head(b'0', b"x", b"", 0);
        block[124..136].fill(0);
        block[124..124 + field.len()].copy_from_slice(field);
        sign(&mut block);
        block.to_vec()
    };
    let body = vec![1; 512];
    accepted(
        &[size(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]), body.clone()],
        1,
    );
    accepted(&[size(b"       1000 "), body.clone()], 1);
    accepted(&[size(b"")], 1);
    let none = "the archive is damaged: a head has no size";
    refused(&[size(&[0xff; 12])], none);
    refused(
        &[size(&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0]), body.clone()],
        none,
    );
    for odd in [&b"+1000"[..], b"-1", b"9", b"1 0", b"x"] {
        refused(&[size(odd), body.clone()], none);
    }
    refused(
        &[size(&[
            0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        ])],
        "the archive unpacks to more than 512 MiB",
    );
}

#[test]
fn dependencies_are_named_outside_of_comments() {
    for yes in [
        ".url = \"https://x\"",
        "a\n.x = .{ .url=\"https://x\"",
        ".url \t\r=",
        ".urls .url =",
        ".url.url =",
    ] {
        assert!(names_a_url(yes.as_bytes()), "{yes}");
    }
    for no in [
        "",
        "//.url = 1",
        " // .url =",
        ".url\n=",
        "url =",
        ".url",
        ".urls =",
        ".url // =",
        ".hash = \"\", // .url = 1",
    ] {
        assert!(!names_a_url(no.as_bytes()), "{no}");
    }
    let yes = b".url = \"git+https://x\"";
    assert!(good("zon", &tar(&[file("d/build.zig.zon", yes)])).dependencies);
    assert!(
        !good(
            "zon",
            &tar(&[file("d/xbuild.zig.zon", yes), file("build.zig.zon/x", yes)])
        )
        .dependencies
    );
    let late = [vec![b' '; 256 * 1024], yes.to_vec()].concat();
    assert!(!good("zon", &tar(&[file("build.zig.zon", &late)])).dependencies);
    assert!(
        good(
            "zon",
            &tar(&[file("build.zig.zon", &late), file("a/build.zig.zon", yes)])
        )
        .dependencies
    );
}

#[test]
fn what_a_tree_asks_for_has_one_hash() {
    for case in manifests::cases() {
        let files = case.files.iter().map(|(name, text)| file(name, text));
        let links = case.links.iter().map(|(name, target)| link(name, target));
        let tree = tar(&files.chain(links).collect::<Vec<_>>());
        let name = case.name;
        assert_eq!(good("asked", &tree).manifest, case.digest(), "{name}");
    }
    let hard = [file("a", b".url = \"u\""), hard_link("build.zig.zon", "a")];
    assert_eq!(good("asked", &tar(&hard)).manifest, None);
    let mut folder = head(b'5', b"build.zig.zon/", b"", 0);
    sign(&mut folder);
    assert_eq!(
        good("asked", &tar(&[folder.to_vec()])).manifest,
        Some(String::new())
    );
}
