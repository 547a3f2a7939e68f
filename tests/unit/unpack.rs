//! gzip and zstd as streams: real ones come out whole, hostile ones cost little.

use crate::common::pack::{file, good, gzip, path, run, tar, zstd};
use crate::common::seed::Seed;
use std::fs;
use std::io::Write;
use zigcheck::app::source::archive::Progress;
use zigcheck::app::source::limits::ZSTD_WINDOW_LIMIT_BYTES;
use zigcheck::app::source::unpack::Unpacker;

/// All that comes out, and the most work of one pull.
fn unpack(bytes: &[u8], most: usize) -> Result<(Vec<u8>, usize), String> {
    // Tests run side by side: each has a file of its own.
    let thread = std::thread::current();
    let stream = path(&format!("stream-{}", thread.name().unwrap_or("main")));
    fs::write(&stream, bytes).unwrap();
    let mut unpack = Unpacker::open(&stream).unwrap();
    let (mut out, mut dearest) = (Vec::new(), 0);
    loop {
        let before = out.len();
        match unpack.pull(most, &mut out)? {
            Some(task) => dearest = dearest.max(task),
            None => return Ok((out, dearest)),
        }
        assert!(out.len() - before <= most);
    }
}

/// Words that repeat, near and far, with noise between.
fn text(seed: &mut Seed, bytes: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (1..40).map(|length| seed.bytes(length)).collect();
    let mut text = Vec::new();
    while text.len() < bytes {
        match seed.below(30) {
            0 => text.extend(vec![seed.next() as u8; seed.below(3000)]),
            1 if text.len() > 10 => {
                let from = seed.below(text.len());
                let to = text.len().min(from + seed.below(200_000));
                text.extend_from_within(from..to);
            }
            2 => text.extend(seed.bytes(20)),
            _ => text.extend(&words[seed.below(words.len())]),
        }
    }
    text.truncate(bytes);
    text
}

#[test]
fn zstd_of_every_level_comes_out_whole() {
    let mut seed = Seed(11);
    for size in [0, 1, 100, 255, 256, 70_000, 300_000, 2_000_000] {
        let text = text(&mut seed, size);
        for level in [-50, 1, 3, 9, 19] {
            let packed = zstd::encode_all(&text[..], level).unwrap();
            for most in [64 * 1024, 1000] {
                let (out, dearest) = unpack(&packed, most).unwrap();
                assert!(out == text, "{size}");
                assert!(dearest < 200_000, "{dearest}");
            }
        }
    }
}

#[test]
fn zstd_frames_follow_each_other_and_some_are_passed_over() {
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"12345"].concat();
    let (first, second) = (zstd(b"first"), zstd(b"second"));
    let all = [&skipped[..], &first, &skipped, &second, &skipped].concat();
    assert_eq!(unpack(&all, 100).unwrap().0, b"firstsecond");
    let behind = unpack(&[&first[..], b"more"].concat(), 100).unwrap_err();
    assert!(behind.contains("damaged"), "{behind}");
    for end in 4..first.len() {
        let reason = unpack(&first[..end], 100).unwrap_err();
        assert_eq!(reason, "the zstd data ends too early");
    }
}

#[test]
fn zstd_may_not_ask_for_much_memory() {
    let frame = |window: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0];
    let log2 = |log2: u32| frame(((log2 - 10) << 3) as u8);
    let limit = ZSTD_WINDOW_LIMIT_BYTES.ilog2();
    assert!(unpack(&log2(limit), 100).is_ok());
    assert_eq!(
        unpack(&log2(limit + 1), 100).unwrap_err(),
        "the zstd data needs more memory than the 8 MiB that are allowed"
    );
}

#[test]
fn a_changed_zstd_byte_does_no_harm() {
    let mut seed = Seed(12);
    let whole = zstd(&text(&mut seed, 3000));
    for _ in 0..5_000 {
        let mut damaged = whole.clone();
        let at = seed.below(damaged.len());
        damaged[at] = seed.next() as u8;
        if let Ok((out, dearest)) = unpack(&damaged, 1000) {
            assert!(dearest < 200_000);
            // The reference decoder refuses some of these, but never reads other bytes.
            if let Ok(expected) = zstd::decode_all(&damaged[..]) {
                assert!(out == expected);
            }
        }
    }
}

#[test]
fn a_zstd_frame_keeps_what_its_header_says() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(b"some text, some text").unwrap();
    let summed = encoder.finish().unwrap();
    assert_eq!(unpack(&summed, 100).unwrap().0, b"some text, some text");
    for at in summed.len() - 4..summed.len() {
        let mut wrong = summed.clone();
        wrong[at] ^= 1;
        assert_eq!(
            unpack(&wrong, 100).unwrap_err(),
            "the zstd data is damaged: its checksum does not fit"
        );
    }
    // One segment of three bytes, of which the only block holds two.
    let short = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 3, 0x11, 0, 0, b'a', b'b'];
    assert_eq!(
        unpack(&short, 100).unwrap_err(),
        "the zstd data is damaged: its size does not fit"
    );
    let mut reserved = summed;
    reserved[4] |= 8;
    assert_eq!(
        unpack(&reserved, 100).unwrap_err(),
        "the zstd data is damaged: a reserved bit is set"
    );
}

#[test]
fn a_zstd_bomb_ends_at_the_limit() {
    let megabytes = zstd(&vec![0; 64 << 20]);
    let bomb = [&zstd(&tar(&[file("a", b"")]))[..], &megabytes.repeat(9)].concat();
    fs::write(path("bomb.zst"), bomb).unwrap();
    let reason = "the archive unpacks to more than 512 MiB".to_string();
    assert_eq!(run(&path("bomb.zst"), 1 << 20), Progress::Rejected(reason));
}

#[test]
fn nothing_costs_little_however_often_it_comes() {
    let member = gzip(b"");
    let many = [&member.repeat(3000)[..], &gzip(b"end")].concat();
    let (out, dearest) = unpack(&many, 1000).unwrap();
    assert_eq!(out, b"end");
    assert!(dearest < 5000);
    let empty_blocks = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0, 0][..],
        &[0; 30_000],
        &[1, 0, 0],
    ]
    .concat();
    let (out, dearest) = unpack(&empty_blocks, 1000).unwrap();
    assert!(out.is_empty() && dearest < 70_000);
}

#[test]
fn gzip_members_follow_each_other_and_zeros_behind_them_do_not_matter() {
    let text = text(&mut Seed(13), 500_000);
    let (first, second) = text.split_at(123_456);
    let mut all = [gzip(first), gzip(b""), gzip(second)].concat();
    for most in [1 << 16, 77] {
        assert!(unpack(&all, most).unwrap().0 == text);
    }
    all.extend([0; 3000]);
    assert!(unpack(&all, 1 << 16).unwrap().0 == text);
    all.push(1);
    assert_eq!(
        unpack(&all, 1 << 16).unwrap_err(),
        "something else follows the gzip data"
    );
    let behind = [&gzip(b"a")[..], b"b"].concat();
    assert_eq!(
        unpack(&behind, 100).unwrap_err(),
        "the gzip data ends too early"
    );
    let behind = [&gzip(b"a")[..], b"something else"].concat();
    assert_eq!(
        unpack(&behind, 100).unwrap_err(),
        "something else follows the gzip data"
    );
}

#[test]
fn gzip_heads_and_sums_are_checked() {
    let plain = flate2::GzBuilder::new()
        .write(Vec::new(), flate2::Compression::best())
        .finish()
        .unwrap();
    let mut summed = plain.clone();
    summed[3] = 2;
    summed.splice(10..10, [0, 0]);
    assert!(unpack(&summed, 10).is_ok());
    for (at, value) in [(2, 7), (3, 0x80)] {
        let mut odd = plain.clone();
        odd[at] = value;
        assert_eq!(
            unpack(&odd, 10).unwrap_err(),
            "the gzip data is packed in a way that is not known"
        );
    }
    let mut long = plain.clone();
    long[3] = 8;
    long.splice(10..10, vec![b'n'; 70_000]);
    assert_eq!(
        unpack(&long, 10).unwrap_err(),
        "the gzip data has too long a head"
    );
    let packed = gzip(b"some text");
    for at in packed.len() - 8..packed.len() {
        let mut wrong = packed.clone();
        wrong[at] ^= 1;
        assert_eq!(
            unpack(&wrong, 100).unwrap_err(),
            "the gzip data is damaged: its checksum does not fit"
        );
    }
}

#[test]
fn a_gzip_bomb_ends_at_the_limit() {
    let megabyte = gzip(&vec![0; 1 << 20]);
    let bomb = [&gzip(&tar(&[file("a", b"")]))[..], &megabyte.repeat(20)].concat();
    assert_eq!(good("twenty", &bomb).unpacked_bytes, (20 << 20) + 1536);
    let endless = [&gzip(&tar(&[file("a", b"")]))[..], &megabyte.repeat(600)].concat();
    fs::write(path("endless"), endless).unwrap();
    let reason = "the archive unpacks to more than 512 MiB".to_string();
    assert_eq!(run(&path("endless"), 1 << 20), Progress::Rejected(reason));
}
