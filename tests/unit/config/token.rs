//! The admin token and its file.

use super::read::*;
use crate::common::settings::settings;
use std::path::PathBuf;
use zigcheck::config::token::Token;

#[test]
fn a_token_is_one_word_of_some_length() {
    let words = "must be one line with one word of at least 16 visible ASCII characters";
    for good in [
        "0123456789abcdef",
        "  ~!@#$%^&*()_+-=,.\r\n",
        &"x".repeat(4_096),
    ] {
        let token = Token::read(good).unwrap();
        assert!(token.is(good.trim()), "{good}");
        assert_eq!(format!("{token:?}"), "Token");
        let mut wrong = good.trim().to_string();
        assert!(!token.is(&format!("{wrong}x")) && !token.is(""));
        wrong.pop();
        assert!(!token.is(&wrong), "{wrong}");
    }
    let e = "\u{e9}".repeat(16);
    let long = "x".repeat(4_097);
    for bad in [
        "",
        "\n",
        "0123456789abcde\n",
        "0123456789 abcdef",
        "0123456789abcdef\n0123456789abcdef\n",
        "0123456789abcdef\0",
        "0123456789\tabcdef",
        &e,
        &long,
    ] {
        assert_eq!(Token::read(bad), Err(words.to_string()), "{bad:?}");
    }
    let of = |text: &str| Token::read(text).unwrap();
    assert_eq!(of("0123456789abcdef\n"), of("0123456789abcdef"));
    assert!(of("0123456789abcdef") != of("0123456789abcdeg"));
    let mut settings = settings(&[]);
    settings.admin_token = Some(of("0123456789abcdef"));
    assert!(!format!("{settings:?}").contains("0123"));
}

/// What the program says to a file of the token, and its exit code.
fn started_with(file: &std::path::Path) -> (String, Option<i32>) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--data", "/dev/null/nowhere", "--admin-token-file"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (said, output.status.code())
}

#[test]
fn the_file_of_the_token_is_read_before_anything_starts() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("token");
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("token");
    for (text, words) in [
        (&b"short\n"[..], "must be one line"),
        (
            b"one word\nand another, which is too much\n",
            "must be one line",
        ),
        (b"\xff0123456789abcdef", "must be one line"),
        (&[b'x'; 5_000], "must be one line"),
    ] {
        write_secret(&file, text);
        let (said, code) = started_with(&file);
        let wanted = format!("zigcheck: --admin-token-file {}: {words}", file.display());
        assert!(said.starts_with(&wanted), "{said}");
        assert_eq!(code, Some(2));
    }
    for (path, words) in [
        (dir.join("missing"), "No such file"),
        (dir.clone(), "Is a directory"),
        (PathBuf::from("/dev/zero"), "must not be open to others"),
    ] {
        let (said, code) = started_with(&path);
        let wanted = format!("zigcheck: --admin-token-file {}: ", path.display());
        assert!(said.starts_with(&wanted) && said.contains(words), "{said}");
        assert_eq!(code, Some(2));
    }
    // A good one is no hindrance: what is said is of what comes after it.
    write_secret(&file, b"0123456789abcdef\n");
    let (said, code) = started_with(&file);
    assert!(said.starts_with("zigcheck: --data "), "{said}");
    assert_eq!(code, Some(1));
}

/// A file that only its owner may read.
fn write_secret(file: &std::path::Path, text: &[u8]) {
    std::fs::write(file, text).unwrap();
    set_mode(file, 0o600);
}

fn set_mode(file: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_token_that_others_can_read_or_change_is_none() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("token-mode");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    for mode in [0o644, 0o604, 0o602, 0o606, 0o620, 0o660, 0o666, 0o777] {
        set_mode(&file, mode);
        let (said, code) = started_with(&file);
        let wanted = format!(
            "zigcheck: --admin-token-file {}: must not be open to others, but its mode is {mode:03o}: \
             chmod 600 it, or 640 for its group to read it\n",
            file.display()
        );
        assert_eq!((said, code), (wanted, Some(2)));
    }
    for mode in [0o400, 0o440, 0o600, 0o640, 0o650, 0o711] {
        set_mode(&file, mode);
        let (said, code) = started_with(&file);
        assert!(said.starts_with("zigcheck: --data "), "{mode:o}: {said}");
        assert_eq!(code, Some(1));
    }
}

/// What a service is set to by hand, in its file of settings, is what `--help` shows; but for the
/// network of fetches, which an install makes.
#[test]
fn the_settings_of_the_service_are_all_flags_with_their_defaults() {
    let file = include_str!("../../../systemd/zigcheck.env");
    let lines = file
        .lines()
        .filter_map(|line| line.strip_prefix("#ZIGCHECK_"));
    let set: Vec<(&str, &str)> = lines.map(|line| line.split_once('=').unwrap()).collect();
    let names: Vec<String> = set
        .iter()
        .map(|(name, _)| name.to_lowercase().replace('_', "-"))
        .collect();
    assert_eq!(names, FLAGS);
    const SHOWN: [&str; 4] = [
        "ADMIN_TOKEN_FILE",
        "HOOK_SECRET_FILE",
        "TRUSTED_PROXIES",
        "DISK_FLOOR",
    ];
    let env: Vec<(String, &str)> = set
        .iter()
        // Three have no default, and that of the fourth hangs on the disk: the file shows what might be.
        .filter(|(name, _)| !SHOWN.contains(name))
        .map(|(name, value)| (format!("ZIGCHECK_{name}"), *value))
        .collect();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, *value)).collect();
    // What systemd sets for the unit.
    let unit = [
        ("STATE_DIRECTORY", "/var/lib/zigcheck"),
        ("RUNTIME_DIRECTORY", "/run/zigcheck"),
    ];
    assert_eq!(with_env(&[], &env), with_env(&[], &unit));
}
