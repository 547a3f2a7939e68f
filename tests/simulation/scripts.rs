//! What the containers of the simulated world do: each script in its good and its bad ways.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use zigcheck::interface::event::{Command, Pipe};

use crate::common::engine::container::{Act, Container, Key, Purpose, Script, purpose};
use crate::common::engine::engine::Engine;
use crate::common::pack::sha256;
use crate::common::seed::Seed;

/// The toolchains of this world.
pub const VERSIONS: [&str; 2] = ["0.17.1", "0.16.0"];

/// What the containers find outside, and what they have told of it.
#[derive(Debug, Default)]
pub struct Outside {
    /// How often the repository behind a URL has changed; unknown ones never did.
    pub commits: BTreeMap<String, u64>,
    /// What a build was told of its dependencies, by its attempt.
    pub fetched: BTreeMap<(i64, u32), &'static str>,
}

impl Outside {
    pub fn commit(&self, url: &str) -> String {
        let count = self.commits.get(url).copied().unwrap_or(0);
        sha256(format!("{url} {count}").as_bytes())[..40].to_string()
    }
}

/// The id of the image of a toolchain that was made as that one.
pub fn image(version: &str, count: u32) -> String {
    format!("sha256:{version}-{count}")
}

/// The recipe of an image that was made as that one.
pub fn recipe(count: u32) -> String {
    format!("{count:016x}")
}

/// What a server says of a build that ends by itself.
struct Fate {
    stdout: Vec<Vec<u8>>,
    code: i32,
    oom_killed: bool,
    verdict: Option<String>,
}

impl Fate {
    fn exit(stdout: Vec<Vec<u8>>, code: i32, verdict: Option<&str>) -> Fate {
        Fate {
            stdout,
            code,
            oom_killed: false,
            verdict: verdict.map(str::to_string),
        }
    }
}

/// The container that a `docker run` of this command makes.
pub fn container(
    name: &str,
    command: &Command,
    engine: &Engine,
    outside: &mut Outside,
    seed: &mut Seed,
) -> Container {
    let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
    let said = |prefix: &str| words.iter().find_map(|w| w.strip_prefix(prefix));
    let at = words
        .iter()
        .position(|w| w.starts_with("/usr/lib/zigcheck/"));
    let at = at.expect("a script of ours");
    let purpose = purpose(name);
    let script = words[at].trim_start_matches("/usr/lib/zigcheck/");
    let named = match purpose.0 {
        Script::Source => "fetch-source",
        Script::Dependencies | Script::TargetDependencies => "fetch-deps",
        Script::Remote => "remote-commit",
        Script::Commits => "list-commits",
        Script::Targets => "check-targets",
        Script::Build => "build",
    };
    assert_eq!(script, named, "{name}");
    let data = format!("zigcheck.data={}", engine.data_id);
    assert_eq!(said("--label=zigcheck.data="), data.split('=').nth(1));
    let own = format!("zigcheck-{}-", engine.data_id);
    assert!(name.starts_with(&own), "{name} could be another server's");
    let mut container = Container::new(name, Some(purpose));
    container.stdin = command.stdin.clone();
    container.stubborn = seed.once_in(8);
    if said("--log-driver=") != Some("none") {
        container.kept = Some([Vec::new(), Vec::new()]);
    }
    if let Some(head) = container.task() {
        let text = |value: &Value| value.as_str().expect("a text").to_string();
        let memory = said("--memory=").expect("a limit");
        container.key = Some(Key {
            source: text(&head["source"]["sha256"]),
            image: words[at - 1].to_string(),
            memory_bytes: memory.parse().expect("a number"),
        });
    }
    let fate = match purpose.0 {
        Script::Source => source(&words[at + 1..], outside, seed),
        Script::Remote => remote(words[at + 1], outside, seed),
        Script::Commits => commits(words[at + 1], outside, seed),
        Script::Dependencies => dependencies(purpose, outside, seed),
        // What a build was told of its dependencies stays as it is.
        Script::TargetDependencies => dependencies(purpose, &mut Outside::default(), seed),
        Script::Targets => {
            assert!(words.contains(&"--network=none"), "{name}");
            targets(&container.task().expect("a runner is told its task"), seed)
        }
        Script::Build => {
            assert!(words.contains(&"--network=none"), "{name}");
            let head = container.task().expect("a runner is told its task");
            assert_eq!(
                said("--label=zigcheck.build="),
                head["build_id"].to_string().as_str().into()
            );
            let fate = build(&head, missing(&head, purpose, outside), seed);
            with_cache(fate, &head, seed)
        }
    };
    container.verdict = fate.verdict.clone();
    container.acts = acts(fate, purpose.0, seed);
    container.started_ms = engine.ms;
    container.heard_ms = engine.ms;
    // Silence ends a build; a fetch may take its time, or more than that.
    if purpose.0 != Script::Build && seed.once_in(30) {
        container.slow_until_ms = engine.ms + seed.between(5_000, 400_000) as u64;
    }
    container
}

/// A mix of what goes to both pipes, and then the end.
fn acts(fate: Fate, script: Script, seed: &mut Seed) -> VecDeque<Act> {
    let mut acts = VecDeque::new();
    let mut stdout = VecDeque::from(fate.stdout);
    let most = match script {
        // Slow ones are to be met, too.
        Script::Build => [6, 6, 6, 30][seed.below(4)],
        _ => [2, 2, 2, 15][seed.below(4)],
    };
    let mut chatter = seed.below(most + 1);
    while chatter > 0 || !stdout.is_empty() {
        if chatter > 0 && (stdout.is_empty() || seed.once_in(2)) {
            chatter -= 1;
            acts.push_back(Act::Say(Pipe::Stderr, words(seed)));
        } else if let Some(bytes) = stdout.pop_front() {
            acts.push_back(Act::Say(Pipe::Stdout, bytes));
        }
    }
    // Some never end.
    if !seed.once_in(20) {
        acts.push_back(Act::End {
            code: fate.code,
            oom_killed: fate.oom_killed,
        });
    }
    acts
}

fn words(seed: &mut Seed) -> Vec<u8> {
    let count = seed.between(1, 40);
    let mut bytes = match seed.once_in(4) {
        true => seed.bytes(count),
        false => format!("{:x} {:x}", seed.next(), seed.next()).into_bytes(),
    };
    if !seed.once_in(3) {
        bytes.push(b'\n');
    }
    bytes
}

fn framed(mut head: Value, body: &[u8], seed: &mut Seed) -> Vec<Vec<u8>> {
    head["bytes"] = json!(body.len() + usize::from(seed.once_in(30)));
    head["sha256"] = json!(sha256(body));
    let all = [format!("{head}\n").as_bytes(), body].concat();
    let pieces = seed.pieces(&all, 150);
    pieces.into_iter().map(<[u8]>::to_vec).collect()
}

/// Some commits up to the one that the remote has now.
fn commits(url: &str, outside: &Outside, seed: &mut Seed) -> Fate {
    match seed.below(12) {
        0 => Fate::exit(Vec::new(), 10, None),
        1 => Fate::exit(Vec::new(), 11, None),
        2 => Fate::exit(vec![b"complete\n".to_vec()], 0, None),
        _ => {
            let latest = outside.commit(url);
            let mut list = "complete\n".to_string();
            for nth in 0..seed.between(1, 30) {
                // The same ones each time, behind whatever is the latest.
                let commit = match nth {
                    0 => latest.clone(),
                    _ => format!("{nth:08x}{}", &latest[8..]),
                };
                list += &format!("{commit} {} - -\n", 1_000_000 - nth);
            }
            Fate::exit(vec![list.into_bytes()], 0, None)
        }
    }
}

/// How a source compiles for other targets, as its runner says.
fn targets(head: &Value, seed: &mut Seed) -> Fate {
    let record = |targets: Value| {
        let record =
            json!({"build_id": head["build_id"], "nonce": head["nonce"], "targets": targets});
        vec![format!("{record}\n").into_bytes()]
    };
    let windows = json!({"target": "x86_64-windows", "status": "success", "first_error": null});
    let wasi = json!({"target": "wasm32-wasi", "status": "failed", "first_error": "no wasi"});
    match seed.below(12) {
        0 => Fate::exit(Vec::new(), 65, None),
        1 => Fate::exit(Vec::new(), 127, None),
        2 => Fate::exit(vec![b"{\"build_id\":-1}\n".to_vec()], 0, None),
        3 => Fate::exit(Vec::new(), 137, None),
        4 => Fate::exit(record(json!([])), 0, None),
        _ => Fate::exit(record(json!([windows, wasi])), 0, None),
    }
}

fn source(words: &[&str], outside: &Outside, seed: &mut Seed) -> Fate {
    let (url, reference) = (words[0], words.get(1).copied());
    // Most of what was built before is in the history.
    let asked = words.get(2..).unwrap_or_default().iter();
    let ancestors: Vec<&&str> = asked.filter(|_| !seed.once_in(4)).collect();
    match seed.below(16) {
        0 => Fate::exit(Vec::new(), 10, None),
        1 => Fate::exit(Vec::new(), 11, None),
        2 => Fate::exit(Vec::new(), 12, None),
        3 => Fate::exit(Vec::new(), 0, None),
        _ => {
            let is_commit = |reference: &&str| reference.len() == 40;
            let commit = reference.filter(is_commit).map(str::to_string);
            let commit = commit.unwrap_or_else(|| outside.commit(url));
            // Few trees, so that some are the same.
            let tree = u64::from_str_radix(&commit[..8], 16).expect("hex") % 40;
            let body = format!("{tree} ").repeat(20 + tree as usize);
            let needs = tree.is_multiple_of(2);
            let head = json!({"format": "tar.gz", "commit": commit, "dependencies": needs,
                "ancestors": ancestors});
            Fate::exit(framed(head, body.as_bytes(), seed), 0, None)
        }
    }
}

fn remote(url: &str, outside: &Outside, seed: &mut Seed) -> Fate {
    match seed.below(12) {
        0 => Fate::exit(Vec::new(), 10, None),
        1 => Fate::exit(Vec::new(), 11, None),
        _ => {
            let said = format!("{}\n", outside.commit(url)).into_bytes();
            Fate::exit(vec![said], 0, None)
        }
    }
}

fn dependencies(purpose: Purpose, outside: &mut Outside, seed: &mut Seed) -> Fate {
    match seed.below(14) {
        0 => Fate::exit(Vec::new(), 12, None),
        1 => Fate::exit(Vec::new(), 65, None),
        n => {
            let how = ["fetched", "fetched", "manifest", "refused", "unreachable"][n % 5];
            outside.fetched.insert((purpose.1, purpose.2), how);
            let count = seed.below(200);
            let body = seed.bytes(count);
            let head = json!({"dependencies": how});
            Fate::exit(framed(head, &body, seed), 0, None)
        }
    }
}

/// What a runner makes of its build; `missing`: what became of a dependency that could not be fetched.
fn build(head: &Value, missing: Option<&str>, seed: &mut Seed) -> Fate {
    let working = b"{\"state\":\"working\"}\n".to_vec();
    let testing = b"{\"state\":\"testing\",\"compiled\":2}\n".to_vec();
    let tested = b"{\"state\":\"testing\",\"compiled\":2,\"test_status\":\"success\"}\n".to_vec();
    let record = |status: &str, tests: Value, test_exit: Value, reason: Value| {
        let is_good = status == "success";
        let imports = is_good.then_some(match tests == "skipped" {
            true => "partial",
            false => "success",
        });
        let record = json!({
            "build_id": head["build_id"], "nonce": head["nonce"], "build_status": status,
            "test_status": tests, "import_status": imports, "reason": reason, "detail": reason,
            "build_exit": i64::from(!is_good), "test_exit": test_exit, "compiled": 2,
            "error_log": "", "modules": [{"name": "p"}], "dependency": missing,
        });
        format!("{record}\n").into_bytes()
    };
    match seed.below(16) {
        n @ 0..=4 => {
            let tests = ["success", "skipped"][usize::from(n == 4)];
            let record = record("success", json!(tests), json!(0), Value::Null);
            let said = vec![working, testing, tested, record];
            Fate::exit(said, 0, Some(&format!("success/{tests}/null")))
        }
        5 => {
            let record = record("success", json!("failed"), json!(1), json!("test_failure"));
            Fate::exit(
                vec![testing, record],
                0,
                Some("success/failed/test_failure"),
            )
        }
        6 => {
            let record = record("success", json!("no_tests"), Value::Null, Value::Null);
            Fate::exit(vec![record], 0, Some("success/no_tests/null"))
        }
        n @ 7..=9 => {
            let reason = match (missing, n) {
                (Some(_), _) => "dependency_unavailable",
                (None, 7) => "step_failure",
                (None, _) => "compile_error",
            };
            let record = record("failed", Value::Null, Value::Null, json!(reason));
            let verdict = format!("failed/null/{reason}");
            // The host of a dependency was down: no verdict on the package.
            let verdict = (missing != Some("unreachable")).then_some(&*verdict);
            Fate::exit(vec![working, record], 0, verdict)
        }
        10 => Fate::exit(vec![testing], 0, None),
        11 => Fate::exit(vec![b"{\"build_id\":-1}\n".to_vec()], 0, None),
        12 if seed.once_in(4) => Fate::exit(vec![vec![b'x'; 70_000]], 0, None),
        12 => Fate::exit(Vec::new(), 12, Some("failed/null/disk_limit")),
        13 | 14 => {
            let (said, verdict) = match seed.below(3) {
                0 => (vec![testing], "success/failed/out_of_memory"),
                // In the import, after the tests.
                1 => (vec![testing, tested], "success/success/out_of_memory"),
                _ => (vec![working], "failed/null/out_of_memory"),
            };
            let oom_killed = !seed.once_in(3);
            Fate {
                oom_killed,
                verdict: oom_killed.then(|| verdict.to_string()),
                ..Fate::exit(said, 137, None)
            }
        }
        _ => Fate::exit(Vec::new(), [65, 1, 125][seed.below(3)], None),
    }
}

/// A build that may leave something for the next one, and may use what an earlier one left: then only a success counts.
fn with_cache(mut fate: Fate, head: &Value, seed: &mut Seed) -> Fate {
    if head["kept_limit_bytes"] != 0 && fate.code == 0 && !seed.once_in(3) {
        let count = seed.between(1, 300);
        let body = seed.bytes(count);
        let kept = json!({"state": "kept", "nonce": head["nonce"]});
        let bytes = [framed(kept, &body, seed).concat(), b"\n".to_vec()].concat();
        let before_record = fate.stdout.len().saturating_sub(1);
        fate.stdout.insert(before_record, bytes);
    }
    if head["kept"].is_null() {
        return fate;
    }
    let reuses = !seed.once_in(4);
    let line = json!({"state": "reused", "nonce": head["nonce"], "reused": reuses});
    fate.stdout.insert(0, format!("{line}\n").into_bytes());
    let is_good = |verdict: &String| verdict.ends_with("/null") && verdict.starts_with("success/");
    if reuses {
        fate.verdict = fate.verdict.filter(is_good);
    }
    fate
}

/// What became of a dependency of the build that could not be fetched, if there is one.
fn missing(head: &Value, purpose: Purpose, outside: &Outside) -> Option<&'static str> {
    let told = outside.fetched.get(&(purpose.1, purpose.2)).copied();
    told.filter(|told| !head["deps"].is_null() && matches!(*told, "refused" | "unreachable"))
}
