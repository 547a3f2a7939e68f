//! Repositories and archives that mean harm, as plain files below a folder that is served.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::world::PRIVATE;
use crate::common::pack;

struct Repository {
    path: PathBuf,
}

impl Repository {
    /// An empty one that is served as it is on disk.
    fn new(www: &Path, name: &str) -> Repository {
        let path = www.join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        let repository = Repository { path };
        repository.git(&["init", "-q", "--bare", "."], b"");
        repository
    }

    fn git(&self, args: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
            .args(args)
            .current_dir(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git is installed");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input).expect("git reads it");
        drop(stdin);
        let output = child.wait_with_output().expect("an end");
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }

    fn blob(&self, bytes: &[u8]) -> String {
        self.git(&["hash-object", "-w", "--stdin"], bytes)
    }

    /// A tree of `(mode, name, object)`, whatever git thinks of it.
    fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, object) in entries {
            bytes.extend(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend(*name);
            bytes.push(0);
            let object = data_encoding::HEXLOWER.decode(object.as_bytes());
            bytes.extend(object.expect("a hash"));
        }
        let words = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
        self.git(&words, &bytes)
    }

    fn commit(&self, tree: &str) -> String {
        let commit = self.git(&["commit-tree", "-m", "the first", tree], b"");
        self.git(&["update-ref", "HEAD", &commit], b"");
        self.git(&["update-server-info"], b"");
        commit
    }

    fn of(www: &Path, name: &str, files: &[(&str, &str, &str)]) -> Repository {
        let repository = Repository::new(www, name);
        let mut files: Vec<_> = files
            .iter()
            .map(|(mode, name, text)| (*mode, name.as_bytes(), repository.blob(text.as_bytes())))
            .collect();
        files.sort_by_key(|(_, name, _)| *name);
        let files: Vec<_> = files.iter().map(|(m, n, o)| (*m, *n, o.as_str())).collect();
        let tree = repository.tree(&files);
        repository.commit(&tree);
        repository
    }
}

const BUILD: &str = "pub fn build(_: *@import(\"std\").Build) void {}\n";

pub fn hello(www: &Path) {
    Repository::of(www, "hello", &[("100644", "build.zig", BUILD)]);
}

pub fn leads(www: &Path, path: &str, to: &str) {
    std::fs::write(www.join(format!("{path}.redirect")), to).expect("a file");
}

pub fn with_submodule(www: &Path, name: &str, url: &str) {
    let text = format!("[submodule \"s\"]\n\tpath = s\n\turl = {url}\n");
    with_modules(www, name, &text, "s");
}

fn with_modules(www: &Path, name: &str, modules: &str, path: &str) {
    containing(www, name, "hello", modules, path);
}

fn containing(www: &Path, name: &str, other: &str, modules: &str, path: &str) {
    let other = Repository {
        path: www.join(other),
    };
    let commit = other.git(&["rev-parse", "HEAD"], b"");
    let repository = Repository::new(www, name);
    let blob = repository.blob(modules.as_bytes());
    let entries = [
        ("100644", &b".gitmodules"[..], blob.as_str()),
        ("160000", path.as_bytes(), commit.as_str()),
    ];
    let tree = repository.tree(&entries);
    repository.commit(&tree);
}

/// Repositories `chain1` to `chain9`, with as many submodules, each in another; the last is `hello`.
fn chain(www: &Path) {
    for depth in 1..=9 {
        let name = |depth| match depth {
            0 => "hello".to_string(),
            _ => format!("chain{depth}"),
        };
        let below = name(depth - 1);
        let modules = format!("[submodule \"s\"]\n\tpath = s\n\turl = ../{below}\n");
        containing(www, &name(depth), &below, &modules, "s");
    }
}

pub struct Trick {
    pub path: String,
    /// How fetching it ends, where it is served as files and where in packs.
    pub codes: [i32; 2],
    /// In packs it is refused for what its objects are (`fsckObjects`), before anything is done with them.
    pub fsck: bool,
}

/// What git was made to do in other places, or could be.
pub fn tricks(www: &Path) -> Vec<Trick> {
    let mut tricks = Vec::new();
    let mut trick = |path: &str, codes: [i32; 2], fsck: bool| {
        let path = path.to_string();
        tricks.push(Trick { path, codes, fsck });
    };
    // A host that may not be named, an option, or an address that cannot be reached.
    let urls = [
        "ext::sh -c \"echo TRICK''ED >&2\"",
        "file:///etc",
        "/etc",
        "--upload-pack=echo TRICK''ED >&2",
        "-u./payload",
        &format!("ssh://-oProxyCommand=echo/{PRIVATE}"),
        &format!("git@{PRIVATE}:a/b"),
        &format!("http://{PRIVATE}/hello"),
        &format!("git://{PRIVATE}/hello"),
        "http://private.example/hello",
        "http://2130706433/hello",
        "http://[::1]/hello",
    ];
    for (nth, url) in urls.iter().enumerate() {
        with_submodule(www, &format!("submodule{nth}"), url);
        // The submodule stays an empty directory, unless git refuses all of it for what it is.
        let is_option = url.starts_with('-');
        trick(
            &format!("submodule{nth}"),
            [0, if is_option { 11 } else { 0 }],
            is_option,
        );
    }
    let hello = "url = ../hello\n";
    for (name, text, path) in [
        (
            "name-out",
            format!("[submodule \"../../x\"]\n\tpath = s\n\t{hello}"),
            "s",
        ),
        (
            "path-option",
            format!("[submodule \"s\"]\n\tpath = -s\n\t{hello}"),
            "-s",
        ),
        (
            "path-git",
            format!("[submodule \"s\"]\n\tpath = .GIT\n\t{hello}"),
            ".GIT",
        ),
        (
            "path-out",
            format!("[submodule \"s\"]\n\tpath = ..\n\t{hello}"),
            "..",
        ),
        (
            "command",
            format!("[submodule \"s\"]\n\tpath = s\n\tupdate = !echo TRICK''ED >&2\n\t{hello}"),
            "s",
        ),
        (
            "include",
            format!("[include]\n\tpath = /etc/passwd\n[submodule \"s\"]\n\tpath = s\n\t{hello}"),
            "s",
        ),
    ] {
        with_modules(www, name, &text, path);
        match name {
            // What it includes is not read.
            "include" => trick(name, [0; 2], false),
            "path-git" | "path-out" => trick(name, [11; 2], true),
            // As files, git refuses the submodule alone.
            _ => trick(name, [0, 11], true),
        }
    }
    chain(www);
    trick("chain8", [0; 2], false);
    trick("chain9", [0; 2], false);
    names_and_links(www, &mut trick);
    // Other servers are named, where the rest is to be found.
    hello_with(
        www,
        "alternates",
        "objects/info/http-alternates",
        &format!("http://{PRIVATE}/objects/\n"),
    );
    trick("alternates", [11; 2], false);
    hello_with(www, "local-alternates", "objects/info/alternates", "/etc\n");
    trick("local-alternates", [11; 2], false);
    tricks
}

/// A copy of `hello` with one more file of git's own.
fn hello_with(www: &Path, name: &str, file: &str, text: &str) {
    let copy = Repository::of(www, name, &[("100644", "build.zig", BUILD)]);
    std::fs::write(copy.path.join(file), text).expect("a file");
    // An object that is not there makes git look at the others.
    let object = copy.git(&["rev-parse", "HEAD:build.zig"], b"");
    let object = copy
        .path
        .join("objects")
        .join(&object[..2])
        .join(&object[2..]);
    std::fs::remove_file(object).expect("a loose object");
}

fn names_and_links(www: &Path, trick: &mut impl FnMut(&str, [i32; 2], bool)) {
    let hook = "#!/bin/sh\necho TRICK''ED >&2\n";
    let links = [
        ("120000", "build.zig", "/etc/passwd"),
        ("120000", "build.zig.zon", "../../../etc/passwd"),
        ("120000", "out", "/"),
        ("120000", "proc", "/proc/self/environ"),
    ];
    Repository::of(www, "links", &links);
    trick("links", [0; 2], false);
    let filters = [
        (
            "100644",
            ".gitattributes",
            "* filter=x export-subst ident\n*.txt working-tree-encoding=UTF-16\n* merge=y diff=z\n",
        ),
        (
            "100644",
            ".gitconfig",
            "[filter \"x\"]\n\tsmudge = echo TRICK''ED\n[core]\n\tfsmonitor = echo TRICK''ED\n",
        ),
        (
            "100644",
            ".lfsconfig",
            "[lfs]\n\turl = http://10.66.66.66/\n",
        ),
        ("100644", "a.txt", "text\n"),
        ("100755", "post-checkout", hook),
        ("120000", ".gitmodules", "/etc/passwd"),
    ];
    Repository::of(www, "filters", &filters);
    trick("filters", [11; 2], true);
    for (nth, name) in [
        &b".."[..],
        b".",
        b".git",
        b".GIT",
        b"git~1",
        b".g\xe2\x80\x8cit",
        b"a/b",
    ]
    .iter()
    .enumerate()
    {
        let path = format!("name{nth}");
        let repository = Repository::new(www, &path);
        let hook = repository.blob(hook.as_bytes());
        let below = repository.tree(&[("100755", b"post-checkout", &hook)]);
        let below = repository.tree(&[("40000", b"hooks", &below)]);
        let tree = repository.tree(&[("40000", name, &below)]);
        repository.commit(&tree);
        // The last of them is written as the directories that it names.
        let of_files = if name.contains(&b'/') { 0 } else { 11 };
        trick(&path, [of_files, 11], true);
    }
    let repository = Repository::new(www, "encodings");
    let blob = repository.blob(b"x");
    let names = [
        &b"\x01\n\t"[..],
        b"-rf",
        b"\"'$(echo TRICK''ED >&2)",
        b"\xc3\xa4",
        b"\xe4\xff",
        b"\xed\xa0\x80",
    ];
    let mut entries: Vec<_> = names
        .iter()
        .map(|name| ("100644", *name, blob.as_str()))
        .collect();
    entries.sort_by_key(|(_, name, _)| *name);
    let tree = repository.tree(&entries);
    repository.commit(&tree);
    trick("encodings", [0; 2], false);
}

/// Small ones that grow, with what is said of them.
pub fn bombs(www: &Path) -> Vec<(&'static str, &'static str)> {
    // Ten times the same ten times, ten deep.
    let repository = Repository::new(www, "branches");
    let mut object = repository.blob(b"boom");
    for level in 0..10 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let entries: Vec<_> = [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
            .iter()
            .map(|name| (mode, &name[..], object.as_str()))
            .collect();
        object = repository.tree(&entries);
    }
    repository.commit(&object);
    // A million files in one directory.
    let repository = Repository::new(www, "files");
    let blob = repository.blob(b"");
    let names: Vec<String> = (0..1_000_000).map(|n| format!("{n:07}")).collect();
    let entries: Vec<_> = names
        .iter()
        .map(|n| ("100644", n.as_bytes(), blob.as_str()))
        .collect();
    let tree = repository.tree(&entries);
    repository.commit(&tree);
    // More bytes than a tree may have, in some hundred thousand.
    let repository = Repository::new(www, "bytes");
    let blob = repository.blob(&vec![0; 100 << 20]);
    let names = ["a", "b", "c", "d", "e", "f"].map(str::as_bytes);
    let entries = names.map(|name| ("100644", name, blob.as_str()));
    let tree = repository.tree(&entries);
    repository.commit(&tree);
    vec![
        ("branches", "files and directories"),
        ("files", "files and directories"),
        ("bytes", "unpacked"),
    ]
}

/// Archives that dependencies lead to, and how fetching them ends.
pub fn archives(www: &Path) -> Vec<(&'static str, i32)> {
    let own = |entries: &[Vec<u8>]| {
        let build = pack::file("d/build.zig", BUILD.as_bytes());
        pack::tar(&[&[build], entries].concat())
    };
    let device = pack::entry(b'3', b"d/device", b"", b"");
    let pipe = pack::entry(b'6', b"d/pipe", b"", b"");
    let cases: Vec<(&str, i32, Vec<u8>)> = vec![
        (
            "up",
            0,
            own(&[pack::file("d/../../../../work/cache/p/evil", b"x")]),
        ),
        ("root", 0, own(&[pack::file("/work/cache/p/evil", b"x")])),
        (
            "link",
            0,
            own(&[pack::link("d/l", "/etc/passwd"), pack::file("d/l/x", b"x")]),
        ),
        (
            "through",
            0,
            own(&[pack::link("d/l", "../../.."), pack::file("d/l/evil", b"x")]),
        ),
        ("hard", 0, own(&[pack::hard_link("d/h", "/etc/passwd")])),
        ("device", 0, own(&[device, pipe])),
        (
            "encoding",
            0,
            own(&[pack::entry(b'0', b"d/\xff\xfe\n", b"", b"x")]),
        ),
        (
            "zeros",
            12,
            own(&[pack::file("d/zeros", &vec![0; 1200 << 20])]),
        ),
        ("many", 12, own(&many(300_000))),
    ];
    let packed = |tar: &[u8], path: &Path| {
        let file = std::fs::File::create(path).expect("a file");
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(tar)
            .and_then(|()| gzip.try_finish())
            .expect("a whole archive");
    };
    for (name, _, tar) in &cases {
        packed(tar, &www.join(format!("{name}.tar.gz")));
    }
    cases.iter().map(|(name, code, _)| (*name, *code)).collect()
}

fn many(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| pack::file(&format!("d/{n:07}"), b""))
        .collect()
}
