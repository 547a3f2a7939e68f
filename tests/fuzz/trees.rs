//! What is uploaded: heads of a tar, whole archives, manifests.

use std::cell::RefCell;
use std::io::Read;
use std::path::{Path, PathBuf};

use zigcheck::app::source::archive::{Inspection, Progress, Summary};
use zigcheck::app::source::manifest::{ManifestDependencies, names_a_url};
use zigcheck::app::source::tar_header::{Overrides, TarHeader};
use zigcheck::app::source::unpack::{Format, Unpacker};

use crate::common::pack;
use crate::common::seed::Seed;
use crate::mutate::{change, input};

/// A head with a right checksum, whatever else is in it, says what the reference says; records
/// print back to themselves.
pub fn head(random: &mut Seed) -> bool {
    let kinds = b"0125gxLKS7\0";
    let names: [&[u8]; 6] = [b"a", b"a/b/c", b"../x", b"/x", b"", &[b'n'; 100]];
    let size = *random.pick(&[0, 1, 511, 512, 513, 0o77_777_777_777]);
    let mut block = pack::head(
        *random.pick(kinds),
        random.pick::<&[u8]>(&names),
        random.pick::<&[u8]>(&names),
        size,
    );
    for _ in 0..random.below(4) {
        let at = match random.below(3) {
            0 => random.between(124, 135),
            1 => random.between(257, 264),
            _ => random.below(512),
        };
        let any = random.next() as u8;
        block[at] = *random.pick(&[0, b' ', b'0', b'7', b'8', b'-', b'+', 0x80, 0xff, any]);
    }
    if !random.once_in(8) {
        pack::sign(&mut block);
    }
    records(random);
    let Some(head) = TarHeader::parse(&block) else {
        return false;
    };
    assert!(head.path.len() <= 256 && head.target.len() <= 100);
    assert!(!head.path.contains(&0) && !head.target.contains(&0));
    if let Some(size) = head.size {
        let reference = tar::Header::from_byte_slice(&block).entry_size();
        let blank = block[124..136].iter().all(|byte| [0, b' '].contains(byte));
        assert!(
            blank && size == 0 || reference.is_ok_and(|known| known == size),
            "{size}"
        );
    }
    head.size.is_some()
}

fn records(random: &mut Seed) {
    let good = [
        [pack::record("path", b"a/b"), pack::record("size", b"12")].concat(),
        [
            pack::record("linkpath", b"../x"),
            pack::record("mtime", b"1.5"),
        ]
        .concat(),
        pack::record("GNU.sparse.major", b"1"),
    ];
    let bytes = input(
        random,
        &good,
        &[
            " ",
            "=",
            "\n",
            "0 ",
            "6 a=b\n",
            "path",
            "size",
            "99999999999999999999 ",
        ],
    );
    let mut read = Overrides::default();
    if read.read_records(&bytes).is_none() {
        return;
    }
    let mut printed = Vec::new();
    let texts = [("path", &read.path), ("linkpath", &read.target)];
    for (key, value) in texts {
        printed.extend(value.iter().flat_map(|value| pack::record(key, value)));
    }
    let size = read
        .size
        .map(|size| pack::record("size", size.to_string().as_bytes()));
    printed.extend(size.into_iter().flatten());
    if read.is_sparse {
        printed.extend(pack::record("GNU.sparse.x", b""));
    }
    let mut again = Overrides::default();
    again.read_records(&printed).expect("they are well formed");
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
}

thread_local! {
    /// Where archives are looked at: made once, written again and again.
    static FILE: RefCell<PathBuf> = RefCell::new(pack::path("fuzzed"));
}

fn checked(path: &Path, budget: usize) -> Progress {
    let mut check = Inspection::open(path).expect("it was written");
    loop {
        let progress = check.step(budget);
        if progress != Progress::More {
            return progress;
        }
    }
}

fn trees() -> Vec<Vec<u8>> {
    let long = format!("{}x", "d/".repeat(60));
    let named = |path: &[u8]| {
        [
            pack::entry(b'x', b"p", b"", &pack::record("path", path)),
            pack::file("a", b"1"),
        ]
        .concat()
    };
    vec![
        pack::tar(&[
            pack::file("build.zig", b"const"),
            pack::file("src/main.zig", &[7; 700]),
        ]),
        pack::tar(&[
            pack::entry(b'5', b"d/", b"", b""),
            pack::link("d/l", "../build.zig"),
            pack::file("build.zig", b""),
        ]),
        pack::tar(&[
            pack::file("a", b"1"),
            pack::hard_link("b", "a"),
            pack::file("c/build.zig.zon", b".{.url=\"u\"}"),
        ]),
        pack::tar(&[named(b"x/y"), named(long.as_bytes())]),
        pack::tar(&[
            pack::entry(b'L', b"l", b"", long.as_bytes()),
            pack::file("short", b"2"),
        ]),
        pack::tar(&[
            pack::link("l", "x"),
            pack::file("l2/x", b""),
            pack::link("m", "./l2/x"),
        ]),
    ]
}

/// What is let in unpacks to what was counted, and nothing in it leaves the tree, as another
/// reader of archives sees it. Slices do not matter.
pub fn archive(random: &mut Seed) -> bool {
    let trees = trees();
    let mut tar = random.pick(&trees).clone();
    let tokens = ["..", "/", "../", "l/", "d/l/", "\0", "ustar"];
    let changes = random.below(4);
    for _ in 0..changes {
        // Mostly where names stand, or else few would come so far.
        match random.below(4) {
            0 => change(random, &mut tar, &trees, &tokens),
            _ => rename(random, &mut tar),
        }
    }
    let mut bytes = match random.below(4) {
        0 => pack::gzip(&tar),
        1 => pack::zstd(&tar),
        _ => tar,
    };
    if random.once_in(4) {
        change(random, &mut bytes, &trees, &[]);
    }
    FILE.with_borrow(|path| {
        std::fs::write(path, &bytes).expect("a file");
        let whole = checked(path, usize::MAX);
        match (&whole, checked(path, random.between(0, 600))) {
            // Which of two faults is told may hang on the slices; that there is one, never.
            (Progress::Rejected(_), Progress::Rejected(_)) => {}
            (whole, slices) => assert_eq!(&slices, whole),
        }
        match whole {
            Progress::Accepted(summary) => {
                stays_inside(path, &bytes, &summary);
                true
            }
            Progress::Rejected(reason) => {
                assert!(reason.len() < 600 && !reason.contains('\n'), "{reason}");
                false
            }
            Progress::More => unreachable!("it came to its end"),
        }
    })
}

/// Gives an entry another name or target, with a right checksum.
fn rename(random: &mut Seed, tar: &mut [u8]) {
    let heads: Vec<usize> = (0..tar.len() / 512).map(|nth| nth * 512).collect();
    let heads: Vec<usize> = heads
        .into_iter()
        .filter(|at| tar[at + 257..].starts_with(b"ustar"))
        .collect();
    if heads.is_empty() {
        return;
    }
    let at = *random.pick(&heads);
    let block: &mut [u8; 512] = (&mut tar[at..at + 512]).try_into().expect("a block");
    let names: [&[u8]; 12] = [
        b"../x",
        b"/etc/x",
        b"a/../../x",
        b"d/l/x",
        b"l/x",
        b"./a",
        b"a//b",
        b"x/..",
        b"..",
        b"build.zig.zon",
        b".",
        b"l",
    ];
    let name = *random.pick(&names);
    let field = if random.once_in(3) { 157..257 } else { 0..100 };
    block[field.clone()].fill(0);
    block[field.start..field.start + name.len()].copy_from_slice(name);
    if random.once_in(5) {
        block[156] = *random.pick(b"0125346gx");
    }
    pack::sign(block);
}

/// The tar in this file, by our own decoder.
fn unpacked(path: &Path) -> Vec<u8> {
    let mut unpacker = Unpacker::open(path).expect("it was written");
    let mut tar = Vec::new();
    while unpacker
        .pull(1 << 20, &mut tar)
        .expect("it was accepted")
        .is_some()
    {}
    tar
}

fn stays_inside(path: &Path, bytes: &[u8], summary: &Summary) {
    let mut tar = Vec::new();
    let read = match summary.format {
        Format::Tar => bytes.take(u64::MAX).read_to_end(&mut tar),
        Format::TarGz => members(bytes, &mut tar),
        Format::TarZst => zstd::Decoder::new(bytes).and_then(|mut d| d.read_to_end(&mut tar)),
    };
    // The reference decoder alone refuses some damaged zstd data. What ours takes from it must stay inside as well.
    if read.is_err() && summary.format == Format::TarZst {
        tar = unpacked(path);
    } else {
        assert!(read.is_ok(), "another reader refuses it: {read:?}");
    }
    assert_eq!(tar.len() as u64, summary.unpacked_bytes);
    let mut archive = tar::Archive::new(&tar[..]);
    let mut links: Vec<Vec<u8>> = Vec::new();
    for entry in archive.entries().expect("a tar") {
        // What it takes for damaged it unpacks no further.
        let Ok(entry) = entry else { return };
        // What says something of other entries it shows as a file at times: it goes by more than the
        // kind. GNU tar, which unpacks, does not.
        if b"gxLK".contains(&entry.header().entry_type().as_byte()) {
            continue;
        }
        let path = inside(&entry.path_bytes()).expect("the path leaves the tree");
        let above = |link: &Vec<u8>| path.starts_with(link) && path.get(link.len()) == Some(&b'/');
        assert!(!links.iter().any(above), "it passes through a link");
        let kind = entry.header().entry_type();
        let target = entry.link_name_bytes().map(|name| name.into_owned());
        if kind.is_hard_link() {
            inside(&target.expect("a target")).expect("the target leaves the tree");
        } else if kind.is_symlink() {
            let mut from = path.clone();
            from.truncate(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
            let target = target.expect("a target");
            assert!(!target.starts_with(b"/"), "an absolute target");
            let joined = [&from[..], b"/", &target].concat();
            assert!(resolved(&joined).is_some(), "the target leaves the tree");
            links.push(path);
        }
    }
}

/// The members of a gzip file, one behind the other. Zeros behind them are what tapes are filled with:
/// gzip passes over them, and the reader used here alone does not.
fn members(mut rest: &[u8], out: &mut Vec<u8>) -> std::io::Result<usize> {
    while rest.iter().any(|byte| *byte != 0) {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        member.read_to_end(out)?;
        rest = member.into_inner();
    }
    Ok(out.len())
}

/// A path without `.` and doubled slashes; none where it is absolute or steps up.
fn inside(path: &[u8]) -> Option<Vec<u8>> {
    let steps_up = path.split(|byte| *byte == b'/').any(|part| part == b"..");
    if path.starts_with(b"/") || steps_up {
        return None;
    }
    resolved(path)
}

/// Where a path leads from the root of the tree; none where that is outside.
fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// What a manifest asks for is the same when it is read twice, and with a remark behind it; what
/// names no URL by the plainest of readings has no digest of its own.
pub fn manifest(random: &mut Seed) -> bool {
    let good = [
        ".{ .name = .x, .dependencies = .{ .a = .{\n .url = \"https://a\", .hash = \"h\" } } }\n",
        ".{.a=.{.url=\"u\",.hash=\"h\"},.b=.{.url=\"v\"}}",
        "// .url = \"no\"\n.@\"url\" = \"u\",\n",
        ".{ .url = \"a \\\" b\", .hash = \\\\x\n }",
        ".{}",
    ];
    let good = good.map(|text| text.as_bytes().to_vec());
    let tokens = [
        ".url", ".hash", "=", "\"", "{", "}", "\n", "//", "\\\\", "@\"", "'", ".", ",", "\r",
    ];
    let bytes = input(random, &good, &tokens);
    let read = |texts: &[&[u8]]| {
        let mut asked = ManifestDependencies::default();
        texts.iter().for_each(|text| asked.read(text));
        asked.digest()
    };
    let digest = read(&[&bytes]);
    assert_eq!(read(&[&bytes, &bytes]), digest);
    assert_eq!(read(&[&bytes, b"// .url = \"x\"\n"]), digest);
    assert_eq!(read(&[b".{}", &bytes]), digest);
    let Some(digest) = digest else { return false };
    assert!(digest.is_empty() || digest.len() == 64, "{digest}");
    names_a_url(&bytes)
}
