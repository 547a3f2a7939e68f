//! A log against a plain `Vec` of everything that was written.

use crate::common::seed::Seed;
use std::fs::{self, File};
use std::path::PathBuf;
use zigcheck::app::live::limits::{CUT_LINE_LIMIT_BYTES, LOG_LIMIT_BYTES, LOG_STEP_BYTES};
use zigcheck::app::live::log::{self, Layout, Log};

const CUT: &[u8] = b"\n[zigcheck: ";

fn path(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("log");
    fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

/// Text with line ends and without the bracket a cut line begins with.
fn text(seed: &mut Seed, bytes: usize) -> Vec<u8> {
    let letter = |byte: u8| if byte < 20 { b'\n' } else { b'a' + byte % 26 };
    seed.bytes(bytes).into_iter().map(letter).collect()
}

/// Everything a log keeps of `all`, in plain order, cut said.
fn plain(all: &[u8], layout: Layout) -> Vec<u8> {
    let (head, tail) = (layout.head_bytes as usize, layout.tail_bytes as usize);
    if all.len() <= head + tail {
        return all.to_vec();
    }
    let cut = all.len() - head - tail;
    let line = format!("\n[zigcheck: {cut} bytes cut here]\n");
    [&all[..head], line.as_bytes(), &all[head + cut..]].concat()
}

/// Checks what was read from `offset` on and returns the offset behind it.
fn follow(read: &[u8], offset: u64, all: &[u8], layout: Layout) -> u64 {
    let (mut at, mut rest) = (offset as usize, read);
    while !rest.is_empty() {
        if rest.starts_with(CUT) {
            let end = rest[1..].iter().position(|byte| *byte == b'\n').unwrap() + 2;
            let line = std::str::from_utf8(&rest[CUT.len()..end]).unwrap();
            let count: usize = line.split(' ').next().unwrap().parse().unwrap();
            assert!(end <= CUT_LINE_LIMIT_BYTES);
            assert!(at >= layout.head_bytes as usize && count > 0);
            assert_eq!(
                at + count + layout.tail_bytes as usize,
                all.len(),
                "only what is gone is cut"
            );
            at += count;
            rest = &rest[end..];
            continue;
        }
        let cut = rest.windows(CUT.len()).position(|window| window == CUT);
        let run = cut.unwrap_or(rest.len());
        assert!(
            rest[..run] == all[at..at + run],
            "a run is what was written"
        );
        at += run;
        rest = &rest[run..];
    }
    at as u64
}

fn read_all(log: &Log, from: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = from;
    while next < log.total_bytes {
        next = log.read_at(next, 1000, &mut out).unwrap();
    }
    out
}

fn check_whole(name: &str, all: &[u8], layout: Layout, pieces: &[&[u8]]) {
    let path = path(name);
    let mut log = Log::with_layout(&path, layout).unwrap();
    for piece in pieces {
        log.append(piece).unwrap();
        let kept = (layout.head_bytes + layout.tail_bytes).min(log.total_bytes);
        assert!(
            fs::metadata(&path).unwrap().len() <= kept,
            "the file does not grow"
        );
    }
    let expected = plain(all, layout);
    assert_eq!(log.total_bytes, all.len() as u64);
    assert_eq!(log.is_truncated(), expected != all);
    assert!(read_all(&log, 0) == expected);
    log.finish().unwrap();
    assert!(fs::read(&path).unwrap() == expected);
    assert!(
        read_all(&log, 0) == expected,
        "a reader that is behind goes on"
    );
    assert!(!path.with_extension("part").exists());
}

#[test]
fn sizes_around_every_boundary_whole_byte_by_byte_and_split() {
    let mut seed = Seed(1);
    for (head, tail) in [(0, 1), (1, 1), (5, 7), (64, 100), (100, 64)] {
        let layout = Layout {
            head_bytes: head,
            tail_bytes: tail,
        };
        let edges = [0, head, head + tail, head + 2 * tail, head + 5 * tail];
        for size in edges
            .into_iter()
            .flat_map(|edge| edge.saturating_sub(2)..edge + 3)
        {
            let all = text(&mut seed, size as usize);
            let bytes: Vec<&[u8]> = all.chunks(1).collect();
            check_whole("edge.log", &all, layout, &[&all]);
            check_whole("edge.log", &all, layout, &bytes);
            let longest = seed.between(1, 2 * (head + tail) as usize);
            check_whole("edge.log", &all, layout, &seed.pieces(&all, longest));
        }
    }
}

#[test]
fn a_real_flood_takes_four_mebibytes_and_is_plain_afterwards() {
    let mut seed = Seed(2);
    let all = text(&mut seed, 9_000_001);
    let pieces: Vec<&[u8]> = all.chunks(LOG_STEP_BYTES as usize).collect();
    check_whole("flood.log", &all, Layout::default(), &pieces);
    let bytes = fs::metadata(path("flood.log")).unwrap().len();
    assert!(bytes <= LOG_LIMIT_BYTES + CUT_LINE_LIMIT_BYTES as u64);
}

#[test]
fn watchers_at_random_times_see_one_part_except_at_said_cuts() {
    for number in 0..200 {
        let mut seed = Seed(number);
        let layout = Layout {
            head_bytes: seed.between(0, 300) as u64,
            tail_bytes: seed.between(1, 300) as u64,
        };
        let size = seed.between(0, 3000);
        let all = text(&mut seed, size);
        let mut log = Log::with_layout(&path("watched.log"), layout).unwrap();
        let mut watchers = [0u64; 4];
        let mut written = 0;
        for piece in seed.pieces(&all, 200) {
            log.append(piece).unwrap();
            written += piece.len();
            for (pace, next) in watchers.iter_mut().enumerate() {
                if seed.once_in(1 + 3 * pace) {
                    let room = seed.between(0, 500);
                    *next = watch(&log, *next, room, &all[..written], layout);
                }
            }
        }
        log.finish().unwrap();
        for next in watchers {
            let mut next = next;
            while next < log.total_bytes {
                next = watch(&log, next, 70, &all, layout);
            }
        }
    }
}

fn watch(log: &Log, offset: u64, room: usize, written: &[u8], layout: Layout) -> u64 {
    let mut out = b"before".to_vec();
    let next = log.read_at(offset, room, &mut out).unwrap();
    let read = &out[6..];
    assert!(out.starts_with(b"before") && read.len() <= room);
    assert_eq!(follow(read, offset, written, layout), next);
    assert!(room < CUT_LINE_LIMIT_BYTES || next > offset || next == log.total_bytes);
    next
}

#[test]
fn a_reader_beyond_the_end_waits_at_the_end() {
    let mut log = Log::create(&path("beyond.log")).unwrap();
    log.append(b"abc").unwrap();
    let mut out = Vec::new();
    assert_eq!(log.read_at(99, 100, &mut out).unwrap(), 3);
    assert!(out.is_empty());
}

fn last_lines(text: &[u8], lines: usize) -> &[u8] {
    let mut starts = vec![0];
    starts.extend((1..text.len()).filter(|at| text[at - 1] == b'\n'));
    match lines {
        0 => &text[text.len()..],
        _ => &text[starts[starts.len().saturating_sub(lines)]..],
    }
}

#[test]
fn the_last_lines_start_where_tail_says() {
    let mut seed = Seed(3);
    for size in [0, 1, 2, 50, 65_535, 65_536, 65_537, 200_000] {
        let mut all = text(&mut seed, size);
        for last in [b'\n', b'x'] {
            if let Some(end) = all.last_mut() {
                *end = last;
            }
            let mut log = Log::create(&path("tail.log")).unwrap();
            log.append(&all).unwrap();
            for lines in [0, 1, 2, 3, 10, 1000, 7000, 1_000_000] {
                let expected = last_lines(&all, lines);
                let start = log.tail_start(lines as u64).unwrap();
                assert!(&all[start as usize..] == expected);
                let file = File::open(path("tail.log")).unwrap();
                assert_eq!(log::tail_start(&file, lines as u64).unwrap(), start);
            }
        }
    }
}

#[test]
fn the_last_lines_of_a_wrapped_log_do_not_reach_across_the_cut() {
    let layout = Layout {
        head_bytes: 10,
        tail_bytes: 100,
    };
    let mut seed = Seed(4);
    for size in 111..400 {
        let all = text(&mut seed, size);
        let mut log = Log::with_layout(&path("ring.log"), layout).unwrap();
        log.append(&all).unwrap();
        for lines in [0, 1, 2, 5, 1000] {
            let start = log.tail_start(lines as u64).unwrap() as usize;
            assert!(&all[start..] == last_lines(&all[size - 100..], lines));
        }
    }
}

#[test]
fn a_disk_that_takes_nothing_breaks_nothing() {
    let mut log = Log::create(&PathBuf::from("/dev/full")).unwrap();
    log.append(b"").unwrap();
    assert!(!log.is_truncated());
    assert!(log.append(b"abc").is_err(), "the operator hears of it once");
    log.append(b"defg").unwrap();
    assert_eq!((log.total_bytes, log.is_truncated()), (7, true));
    let mut out = Vec::new();
    assert_eq!(log.read_at(0, 100, &mut out).unwrap(), 7);
    assert_eq!(out, b"\n[zigcheck: 7 bytes cut here]\n");
    assert!(log.finish().is_err());
}
