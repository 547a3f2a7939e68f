//! Archives made by hand for tests, hostile ones too, in all formats.

use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zigcheck::app::source::archive::{Inspection, Progress, Summary};

pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// One head block with a right checksum; `name` and `target` may be anything that fits.
pub fn head(kind: u8, name: &[u8], target: &[u8], size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[156] = kind;
    block[157..157 + target.len()].copy_from_slice(target);
    block[257..265].copy_from_slice(b"ustar\x0000");
    sign(&mut block);
    block
}

pub fn sign(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

pub fn entry(kind: u8, name: &[u8], target: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(kind, name, target, body.len() as u64).to_vec();
    bytes.extend_from_slice(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn file(name: &str, body: &[u8]) -> Vec<u8> {
    entry(b'0', name.as_bytes(), b"", body)
}

pub fn link(name: &str, target: &str) -> Vec<u8> {
    entry(b'2', name.as_bytes(), target.as_bytes(), b"")
}

pub fn hard_link(name: &str, target: &str) -> Vec<u8> {
    entry(b'1', name.as_bytes(), target.as_bytes(), b"")
}

pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// Entries, and the two blocks of zeros behind them.
pub fn tar(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .filename("tree.tar")
        .comment("packed")
        .extra("extra")
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub fn path(name: &str) -> PathBuf {
    // Each test has its own: they run at the same time.
    let test = std::thread::current();
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("archive")
        .join(test.name().unwrap_or("").replace("::", "-"));
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

pub fn run(path: &Path, budget: usize) -> Progress {
    let mut check = Inspection::open(path).unwrap();
    loop {
        let progress = check.step(budget);
        if progress != Progress::More {
            assert_eq!(check.step(budget), progress, "a verdict stays");
            return progress;
        }
    }
}

/// The verdict on these bytes as a file, the same at every budget.
pub fn verdict(name: &str, bytes: &[u8]) -> Progress {
    let path = path(name);
    std::fs::write(&path, bytes).unwrap();
    let whole = run(&path, usize::MAX);
    for budget in [0, 1, 511, 1 << 20] {
        if budget > 100 || bytes.len() < 20_000 {
            assert_eq!(run(&path, budget), whole, "budget {budget}");
        }
    }
    whole
}

pub fn good(name: &str, bytes: &[u8]) -> Summary {
    match verdict(name, bytes) {
        Progress::Accepted(summary) => summary,
        other => panic!("{name}: {other:?}"),
    }
}

pub fn bad(name: &str, bytes: &[u8]) -> String {
    match verdict(name, bytes) {
        Progress::Rejected(reason) => {
            assert!(
                !reason.ends_with('.') && !reason.contains('\n') && reason.len() < 500,
                "{reason}"
            );
            reason
        }
        other => panic!("{name}: {other:?}"),
    }
}

/// Three files, one of them a manifest with a URL and one with a long name, and a link.
pub fn small_tree() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let long = format!("{}/name.zig", "directory/".repeat(30));
    let manifest = b".{ .dependencies = .{ .x = .{\n .url = \"https://example.org/\" } } }";
    for (name, body) in [
        ("build.zig", &b"const std"[..]),
        ("a/build.zig.zon", manifest),
        (&long, &[7; 3000]),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        builder.append_data(&mut header, name, body).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder
        .append_link(&mut header, "a/b/c", "../../build.zig")
        .unwrap();
    builder.into_inner().unwrap()
}
