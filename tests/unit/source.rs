//! Sources on their way to disk, and the framed files they come in.

use crate::common::pack::sha256;
use crate::common::seed::Seed;
use serde_json::json;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use zigcheck::app::source::frame::FrameReader;
use zigcheck::app::source::incoming::{IncomingFile, WriteError};
use zigcheck::app::source::limits::FRAME_HEAD_LIMIT_BYTES;
use zigcheck::app::source::unpack::Format;

fn directory(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("source")
        .join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn files(directory: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_source_is_named_by_its_hash() {
    let directory = directory("named");
    let mut incoming = IncomingFile::create(&directory, "upload-7.part", 3).unwrap();
    incoming.write(b"a").unwrap();
    incoming.write(b"").unwrap();
    incoming.write(b"bc").unwrap();
    assert_eq!(incoming.bytes, 3);
    assert_eq!(incoming.digest(), (ABC.to_string(), 3));
    assert_eq!(files(&directory), ["upload-7.part"]);
    assert_eq!(fs::read(incoming.path()).unwrap(), b"abc");
    let kept = incoming.keep(&directory, Format::TarZst).unwrap();
    assert_eq!(files(&directory), [format!("{ABC}.tar.zst")]);
    assert_eq!(fs::read(kept).unwrap(), b"abc");
}

#[test]
fn a_damaged_source_is_replaced_and_who_reads_it_reads_on() {
    let directory = directory("known");
    let known = directory.join(format!("{ABC}.tar.gz"));
    fs::write(&known, b"known").unwrap();
    let mut reader = fs::File::open(&known).unwrap();
    let mut incoming = IncomingFile::create(&directory, "part", 10).unwrap();
    incoming.write(b"abc").unwrap();
    assert_eq!(incoming.keep(&directory, Format::TarGz).unwrap(), known);
    assert_eq!(files(&directory).len(), 1);
    assert_eq!(fs::read(&known).unwrap(), b"abc");
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, b"known");
}

#[test]
fn what_is_not_kept_leaves_nothing() {
    let directory = directory("dropped");
    let mut incoming = IncomingFile::create(&directory, "part", 4).unwrap();
    incoming.write(b"abc").unwrap();
    assert!(matches!(
        incoming.write(b"de"),
        Err(WriteError::TooLarge { limit_bytes: 4 })
    ));
    assert_eq!(incoming.bytes, 3);
    drop(incoming);
    assert!(files(&directory).is_empty());
    let incoming = IncomingFile::create(&directory, "part", 4).unwrap();
    assert!(
        incoming
            .keep(&directory.join("missing"), Format::Tar)
            .is_err()
    );
    assert!(files(&directory).is_empty());
    assert!(IncomingFile::create(&directory.join("missing"), "part", 4).is_err());
}

#[test]
fn a_disk_that_takes_nothing_is_a_value() {
    let directory = directory("full");
    std::os::unix::fs::symlink("/dev/full", directory.join("part")).unwrap();
    let mut incoming = IncomingFile::create(&directory, "part", 100).unwrap();
    assert!(matches!(incoming.write(b"abc"), Err(WriteError::Disk(_))));
    drop(incoming);
    assert!(files(&directory).is_empty());
}

fn framed(body: &[u8]) -> Vec<u8> {
    let head = json!({"bytes": body.len(), "sha256": sha256(body), "commit": "c0ffee"});
    [head.to_string().as_bytes(), b"\n", body].concat()
}

/// Feeds the pieces; the body, and the verdict with the hash of what came.
fn receive(pieces: &[&[u8]]) -> (Vec<u8>, Result<serde_json::Value, String>) {
    let mut framed = FrameReader::new(100_000);
    let mut body = Vec::new();
    for piece in pieces {
        match framed.feed(piece) {
            Ok(bytes) => body.extend_from_slice(bytes),
            Err(reason) => return (body, Err(reason)),
        }
    }
    let hash = sha256(&body);
    (body, framed.finish(&hash))
}

#[test]
fn a_framed_file_whole_byte_by_byte_and_split() {
    let mut seed = Seed(21);
    for size in [0, 1, 2, 100, 5000, 100_000] {
        let body = seed.bytes(size);
        let file = framed(&body);
        let bytes: Vec<&[u8]> = file.chunks(1).collect();
        for pieces in [
            vec![&file[..]],
            bytes,
            seed.pieces(&file, 3),
            seed.pieces(&file, 9000),
        ] {
            let (received, head) = receive(&pieces);
            assert!(received == body);
            assert_eq!(head.unwrap()["commit"], "c0ffee");
        }
    }
}

#[test]
fn the_head_is_there_as_soon_as_its_line_is() {
    let file = framed(b"\nbody");
    let end = file.iter().position(|byte| *byte == b'\n').unwrap();
    let mut framed = FrameReader::new(100);
    assert!(framed.feed(&file[..end]).unwrap().is_empty());
    assert!(framed.head().is_none());
    assert_eq!(framed.feed(&file[end..]).unwrap(), b"\nbody");
    assert_eq!(framed.head().unwrap()["bytes"], 5);
}

#[test]
fn a_framed_file_that_is_not_whole_is_said_to_be_so() {
    let file = framed(b"body");
    for end in 0..file.len() {
        let (_, verdict) = receive(&[&file[..end]]);
        assert!(verdict.unwrap_err().starts_with("it ended "), "{end}");
    }
    let more = [&file[..], b"!"].concat();
    let reason = "the body is longer than its head says";
    assert_eq!(receive(&[&more]).1.unwrap_err(), reason);
    assert_eq!(receive(&[&file, b"!"]).1.unwrap_err(), reason);
    assert!(receive(&[&file, b""]).1.is_ok());
    let mut other = file.clone();
    *other.last_mut().unwrap() = b'Y';
    assert!(receive(&[&other]).1.unwrap_err().contains("sha256 differs"));
}

#[test]
fn heads_that_say_nothing_are_refused() {
    let refused = |head: &str| receive(&[head.as_bytes(), b"\n"]).1.unwrap_err();
    assert!(refused("no json").starts_with("the head line is not JSON: "));
    for head in [
        "[]",
        "7",
        "{}",
        r#"{"bytes":-1,"sha256":""}"#,
        r#"{"bytes":"1","sha256":""}"#,
        r#"{"bytes":1.5}"#,
    ] {
        assert_eq!(
            refused(head),
            "the head does not say how many `bytes` follow"
        );
    }
    assert_eq!(
        refused(r#"{"bytes":1}"#),
        "the head does not say the `sha256` of the body"
    );
    assert_eq!(
        refused(r#"{"bytes":100001,"sha256":""}"#),
        "the body has 100001 bytes, 100000 are allowed"
    );
    let longest = format!(
        "{:width$}",
        r#"{"bytes":0,"sha256":""}"#,
        width = FRAME_HEAD_LIMIT_BYTES
    );
    assert!(refused(&longest).contains("sha256 differs"));
    let longer = "x".repeat(FRAME_HEAD_LIMIT_BYTES + 1);
    let reason = format!("the head line is longer than {FRAME_HEAD_LIMIT_BYTES} bytes");
    assert_eq!(receive(&[longer.as_bytes()]).1.unwrap_err(), reason);
    let bytes: Vec<&[u8]> = longer.as_bytes().chunks(1).collect();
    assert_eq!(receive(&bytes).1.unwrap_err(), reason);
}
