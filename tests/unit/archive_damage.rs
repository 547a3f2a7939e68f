//! Archives that are no archives, cut ones and damaged ones: never let in, never a panic.

use crate::common::pack::{
    bad, entry, file, good, gzip, path, run, small_tree, tar, verdict, zstd,
};
use crate::common::seed::Seed;
use std::fs;
use zigcheck::app::source::archive::Progress;

#[test]
fn what_is_no_whole_archive_is_refused() {
    assert_eq!(bad("none", b""), "the archive is empty");
    assert_eq!(bad("none", &gzip(b"")), "the archive is empty");
    assert_eq!(bad("none", &[0; 10_240]), "the archive holds no entry");
    assert_eq!(
        bad("none", &tar(&[entry(b'5', b"./", b"", b"")])),
        "the archive holds no entry"
    );
    let not = "this is not a tar, tar.gz or tar.zst archive";
    assert_eq!(bad("none", b"PK\x03\x04 and so on"), not);
    assert_eq!(bad("none", &Seed(6).bytes(5000)), not);
    assert_eq!(bad("none", &zstd(&Seed(6).bytes(5000))), not);
    let mut broken = tar(&[file("a", b"1"), file("b", b"2")]);
    broken[1030] ^= 1;
    assert_eq!(
        bad("none", &broken),
        "the archive is damaged: a head has a wrong checksum"
    );
    let lone = [file("a", b"1"), vec![0; 512], file("b", b"2")];
    assert_eq!(
        bad("none", &tar(&lone)),
        "the archive continues after a block of zeros"
    );
    let behind = [tar(&[file("a", b"1")]), b"something else".repeat(100)].concat();
    assert_eq!(good("behind", &behind).entries, 1);
    assert_eq!(good("behind", &gzip(&behind)).entries, 1);
}

#[test]
fn truncated_archives_are_refused_at_every_block() {
    let whole = small_tree();
    let end = whole.len() - 1024;
    for at in (0..end + 512)
        .step_by(512)
        .chain([1, 511, 513, end + 511, end + 1023])
    {
        bad("cut", &whole[..at]);
        bad("cut.gz", &gzip(&whole[..at]));
        bad("cut.zst", &zstd(&whole[..at]));
    }
    for (packed, name) in [(gzip(&whole), "gzip"), (zstd(&whole), "zstd")] {
        for at in 4..packed.len() {
            fs::write(path("cut.packed"), &packed[..at]).unwrap();
            let early = Progress::Rejected(format!("the {name} data ends too early"));
            assert_eq!(run(&path("cut.packed"), 1 << 20), early, "{at}");
        }
    }
}

#[test]
fn mutations_never_panic_and_never_depend_on_the_budget() {
    let whole = small_tree();
    let mut seed = Seed(7);
    for packed in [whole.clone(), gzip(&whole), zstd(&whole)] {
        for _ in 0..400 {
            let mut bytes = packed.clone();
            for _ in 0..seed.between(1, 4) {
                let at = seed.below(bytes.len());
                match seed.below(3) {
                    0 => bytes[at] ^= 1 << seed.below(8),
                    1 => bytes[at] = seed.next() as u8,
                    _ => drop(
                        bytes.drain(at..(at + seed.between(1, 700)).min(bytes.len() - 1).max(at)),
                    ),
                }
            }
            verdict("mutated", &bytes);
        }
    }
}
