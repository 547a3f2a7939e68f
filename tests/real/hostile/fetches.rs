//! Sources that mean harm, fetched as they are: the real scripts in containers of a real engine, on its
//! real network, in a world in which every address there is counts who calls it.
//!
//! Needs root, docker, nft, ip and the image zigcheck:0.16.0, and fails without. Uploads that mean harm
//! are in `tests/unit/archive*.rs`.

use crate::common::pack::sha256;
use crate::common::server;
use crate::exclusive::shared;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use super::fetched::*;
use super::repositories;
use super::world::{GOOD, HOST, OTHER, PRIVATE, World};
use crate::common::server::Server;
use crate::common::settings::settings;
use crate::own_engine::OwnEngine;
use serde_json::{Value, json};
use zigcheck::app::domain::ids::{BuildId, CheckId};
use zigcheck::app::engine::docker::{ContainerInput, Docker, SourceFile};
use zigcheck::interface::event::Input;

const NETWORK: &str = "zigcheck-fetch";
const VERSION: &str = "0.16.0";
const IMAGE: &str = "zigcheck:0.16.0";

pub struct Trial {
    // Ended in this order.
    pub engine: OwnEngine,
    pub world: World,
}

/// The engine and the network of the world exist once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One world and one engine for all of a test, as it takes its time to load an image.
pub fn trial(run: fn(Trial)) {
    let _machine = shared();
    let _world = ONE_AT_A_TIME.lock();
    let world = World::new();
    let mut engine = OwnEngine::in_network("hostile", &world.engine, &world.resolvers);
    engine.start(false);
    engine.load(IMAGE);
    run(Trial { world, engine });
}

#[test]
fn what_means_harm_reaches_nobody() {
    trial(|trial| {
        trial.nothing_starts_without_the_rules();
        trial.no_address_that_is_not_public_is_reached();
        trial.dependencies_reach_nobody_either();
        trial.only_hosts_that_are_allowed_are_asked();
        trial.repositories_play_no_tricks();
        trial.the_rules_outlive_the_engine_and_are_missed_when_they_are_gone();
    });
}

impl Trial {
    /// Containers of these flags.
    fn docker(&self, flags: &[&str]) -> Docker {
        let network = format!("--fetch-network={NETWORK}");
        let command = format!("--docker={}", self.engine.command());
        let all: Vec<&str> = [network.as_str(), command.as_str(), "--memory=2g"]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        Docker::new(&settings(&all), "hostile", "secret")
    }

    pub fn rules(&self, words: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/fetch-network");
        let script = script.display().to_string();
        let all: Vec<&str> = [script.as_str()].iter().chain(words).copied().collect();
        let mut command = self.world.command(&all);
        command.env("DOCKER_HOST", self.engine.host());
        let output = command.output().expect("a shell");
        assert!(output.status.success(), "{}", words_of(&output));
    }

    /// What `fetch-source` makes of a repository at GOOD.
    pub fn fetch(&self, path: &str, hosts: &str) -> Fetched {
        self.fetch_by("http", path, hosts)
    }

    /// The same by `git` as well: the one is served as files, and the other in packs.
    pub fn fetch_by(&self, scheme: &str, path: &str, hosts: &str) -> Fetched {
        self.fetch_url(&format!("{scheme}://{GOOD}/{path}"), hosts)
    }

    fn fetch_url(&self, url: &str, hosts: &str) -> Fetched {
        let docker = self.docker(&[&format!("--allow-hosts={hosts}")]);
        let command = docker.fetch_source("zigcheck-hostile", CheckId(1), IMAGE, url, None, &[]);
        Fetched::of(run(&command.argv, &[]))
    }

    /// What `fetch-deps` makes of a tree.
    pub fn dependencies(&self, files: &[(&str, &str)], hosts: &str) -> Fetched {
        let path = server::archive("hostile-tree", files);
        let bytes = std::fs::read(&path).expect("it was just made");
        let source = SourceFile {
            path,
            format: "tar.gz".to_string(),
            bytes: bytes.len() as u64,
            sha256: sha256(&bytes),
        };
        let docker = self.docker(&[&format!("--allow-hosts={hosts}")]);
        let task = ContainerInput {
            dir: None,
            record_id: docker.record_id(BuildId(1), 1),
            package: "hostile",
            zig_version: VERSION,
            image: IMAGE,
            source: &source,
            dependencies: None,
            kept: None,
            kept_limit_bytes: 0,
        };
        let command = docker.fetch_dependencies("zigcheck-hostile", &task);
        let Some(Input::Bytes(head)) = command.stdin.first() else {
            panic!("a head line comes first");
        };
        Fetched::of(run(&command.argv, &[&head[..], &bytes].concat()))
    }

    #[track_caller]
    pub fn nobody_was_called(&self) {
        assert_eq!(self.world.victims(), []);
    }

    fn nothing_starts_without_the_rules(&self) {
        let hosts = ["--docker", self.engine.command(), "--allow-hosts", "*"];
        let flags = [&hosts[..], &["--fetch-network", NETWORK]].concat();
        let versions = ["--zig-versions", VERSION];
        let server = Server::start("hostile-sources", &[&flags[..], &versions].concat());
        let health = until(&server, |health| health["docker"] == "unavailable");
        assert_eq!(health["fetch_network"], "unknown", "{health}");
        let why = health["error"].as_str().expect("words");
        assert!(why.contains(NETWORK) && why.contains("not found"), "{why}");
        // There, and open.
        assert!(self.engine.ask(&["network", "create", NETWORK]));
        let is_open = |health: &Value| {
            let why = health["error"].as_str().unwrap_or("");
            why.contains("it reaches") && why.contains("make fetch-network")
        };
        let health = until(&server, is_open);
        assert_eq!(health["status"], "unhealthy", "{health}");
        let body = json!({"url": format!("http://{GOOD}/hello"), "name": "hello"});
        assert_eq!(server.post_json("/api/packages", &body).status, 503);
        assert!(self.engine.ask(&["network", "rm", NETWORK]));
        self.rules(&[]);
        self.rules(&[]);
        let health = until(&server, |health| health["status"] == "healthy");
        assert_eq!(health["fetch_network"], "closed", "{health}");
        self.world.forget();
        // What is public is fetched and built, by its name, with what it depends on.
        repositories::hello(&self.world.www);
        let body = json!({"url": "http://good.example/hello", "name": "hello"});
        let answer = server.post_json("/api/packages", &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let check = answer.json()["check"].as_i64().expect("a check");
        let build = server.finished(check).remove(0);
        assert_eq!(build["build_status"], "success", "{build}");
        assert!(self.world.calls_of(GOOD) > 0);
        self.nobody_was_called();
    }

    fn no_address_that_is_not_public_is_reached(&self) {
        let gateway = self.gateway();
        let urls: Vec<String> = addresses(&gateway)
            .iter()
            .flat_map(|host| [format!("http://{host}/a"), format!("git://{host}/a")])
            .collect();
        let script = "for url; do timeout 60 /usr/lib/zigcheck/remote-commit \"$url\"; \
            echo \"$? $url\"; done";
        let docker = self.docker(&["--allow-hosts=*"]);
        let mut argv = docker.probe_network(IMAGE).argv;
        argv.pop();
        argv.extend(["bash", "-c", script, "asks"].map(str::to_string));
        argv.extend(urls.iter().cloned());
        argv.push(format!("http://{GOOD}/hello"));
        let output = run(&argv, &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // Each was asked, and none but the last had an answer.
        for url in &urls {
            let line = said.lines().find(|line| line.ends_with(&format!(" {url}")));
            assert_eq!(line, Some(&*format!("10 {url}")), "{said}");
        }
        assert!(said.contains(&format!("0 http://{GOOD}/hello")), "{said}");
        self.nobody_was_called();
        println!("{} URLs that nobody may reach", urls.len());
        // A name that means another address each time it is asked for: first a public one.
        self.world.forget();
        let turns = [(); 2].map(|()| self.fetch_url("http://turns.example/hello", "*").code);
        assert!(self.world.calls_of(GOOD) > 0);
        assert_eq!(turns[1], 10);
        self.nobody_was_called();
        // The name server was asked, and nobody else at its address.
        let knocks = "for to in 10.99.99.53/53 10.99.99.53/80; do \
            timeout 3 bash -c \"exec 3<>/dev/tcp/$to\" 2>/dev/null && echo \"reached $to\"; done; \
            echo x >/dev/udp/10.66.66.66/53; echo done";
        let at = argv
            .iter()
            .position(|word| word == script)
            .expect("a script");
        argv.truncate(at);
        argv.push(knocks.to_string());
        let output = run(&argv, &[]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n");
        self.nobody_was_called();
    }

    fn dependencies_reach_nobody_either(&self) {
        repositories::leads(&self.world.www, "away", &format!("http://{PRIVATE}"));
        repositories::leads(&self.world.www, "loop", "http://127.0.0.1");
        self.world.forget();
        let gateway = self.gateway();
        let mut urls: Vec<String> = addresses(&gateway)
            .iter()
            .flat_map(|host| {
                [
                    format!("http://{host}/a.tar.gz"),
                    format!("git+http://{host}/a#1"),
                ]
            })
            .collect();
        urls.push(format!("http://{GOOD}/away/a.tar.gz"));
        urls.push(format!("http://{GOOD}/loop/a.tar.gz"));
        let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
        let tree = [
            ("build.zig", "//"),
            ("build.zig.zon", &manifest("asks", &urls)),
        ];
        let fetched = self.dependencies(&tree, "*");
        assert_eq!(fetched.code, 0, "{}", fetched.words);
        assert_ne!(fetched.head["dependencies"], "fetched", "{}", fetched.head);
        assert_eq!(fetched.head["whole"], false);
        println!("{} dependencies that nobody may reach", urls.len());
        assert!(self.world.calls_of(GOOD) >= 2, "{}", fetched.words);
        self.nobody_was_called();
    }

    fn only_hosts_that_are_allowed_are_asked(&self) {
        self.world.forget();
        let plain = format!("http://{OTHER}/a.tar.gz");
        let asked = |zon: &str, more: &[(&str, &str)]| {
            let tree = [&[("build.zig", "//"), ("build.zig.zon", zon)], more].concat();
            self.dependencies(&tree, GOOD)
        };
        let below = manifest("asks", &[]).replace("= .{ }", "= .{ .a = .{ .path = \"below\" } }");
        let (foreign, odd) = ("is not allowed by this server", "the URL cannot be fetched");
        let refused = [
            (manifest("asks", &[&plain]), foreign),
            (
                manifest("asks", &["http://other.example/a.tar.gz"]),
                foreign,
            ),
            (manifest("asks", &["file:///etc/passwd"]), odd),
            (manifest("asks", &["../../etc/passwd"]), odd),
            (manifest("asks", &["git+ssh://good.example/a#1"]), odd),
            (
                manifest("asks", &[&format!("http://{GOOD}@{OTHER}/a")]),
                odd,
            ),
            (
                manifest("asks", &[&format!("http://{OTHER}\\\\@{GOOD}/a")]),
                odd,
            ),
            (
                manifest("asks", &[&plain]).replace(".url", ".@\"\\x75rl\""),
                "cannot be read reliably",
            ),
            (below, foreign),
        ];
        let other = manifest("below", &[&plain]);
        for (zon, words) in &refused {
            let fetched = asked(zon, &[("below/build.zig.zon", &other)]);
            assert!(fetched.words.contains(words), "{zon}: {}", fetched.words);
            assert_eq!(fetched.head["whole"], false, "{zon}");
            assert_eq!(fetched.names, ["p/", "zig-pkg/", "missing.json"], "{zon}");
        }
        assert_eq!(self.world.calls_of(OTHER), 0);
        // An address that is never connected to may be anything.
        let fetched = asked(&manifest("asks", &[]), &[("example/build.zig.zon", &other)]);
        assert_eq!(fetched.head["dependencies"], "fetched", "{}", fetched.words);

        repositories::with_submodule(&self.world.www, "sub", &format!("http://{OTHER}/hello"));
        repositories::with_submodule(&self.world.www, "near", &format!("http://{GOOD}/hello"));
        repositories::leads(&self.world.www, "moved", &format!("http://{GOOD}/hello"));
        repositories::leads(&self.world.www, "gone", &format!("http://{OTHER}/hello"));
        for (path, code, words) in [
            ("sub", 0, "does not name an allowed host"),
            ("near", 0, "fetched"),
            ("moved", 0, "redirects to"),
            ("gone", 11, "whose host is not allowed"),
        ] {
            let fetched = self.fetch(path, GOOD);
            assert_eq!(fetched.code, code, "{path}: {}", fetched.words);
            assert!(fetched.words.contains(words), "{path}: {}", fetched.words);
        }
        assert_eq!(self.world.calls_of(OTHER), 0);
        self.nobody_was_called();
        // Allowed hosts are reached: the counts can rise.
        self.fetch("gone", "*");
        assert!(self.world.calls_of(OTHER) > 0);
        self.world.forget();
    }

    fn repositories_play_no_tricks(&self) {
        let tricks = repositories::tricks(&self.world.www);
        let ways = |trick| ["http", "git"].map(|scheme| (trick, scheme));
        let mut others = Vec::new();
        for (trick, scheme) in tricks.iter().flat_map(ways) {
            let fetched = self.fetch_by(scheme, &trick.path, "*");
            let (name, words) = (format!("{scheme} {}", trick.path), &fetched.words);
            let packed = scheme == "git";
            let code = trick.codes[usize::from(packed)];
            if fetched.code != code {
                others.push(format!("{name}: {} and not {code}: {words}", fetched.code));
            }
            assert!(!words.contains("TRICKED"), "{name}: {words}");
            if packed && trick.fsck {
                assert!(words.contains("fsck error"), "{name}: {words}");
            }
            let foreign = |name: &&String| name.contains("..") || !name.starts_with("./");
            assert_eq!(fetched.names.iter().find(foreign), None, "{name}");
            // The script makes all of git's own files itself.
            let odd = |name: &&String| {
                let own = [
                    "",
                    "HEAD",
                    "config",
                    "index",
                    "objects/",
                    "objects/pack/",
                    "packed-refs",
                    "refs/",
                    "shallow",
                ];
                let own_dirs = ["objects/pack/pack-", "refs/remotes/"];
                name.to_lowercase()
                    .strip_prefix("./.git/")
                    .is_some_and(|file| {
                        !own.map(str::to_lowercase).contains(&file.to_string())
                            && !own_dirs.iter().any(|start| file.starts_with(start))
                    })
                    || name.matches(".git/").count() > 1
            };
            assert_eq!(fetched.names.iter().find(odd), None, "{name}");
            assert!(
                !fetched.holds(b"root:x:0"),
                "{name} brought a file of the container"
            );
            assert!(!fetched.holds(b"TRICKED"), "{name} ran a command");
            self.nobody_was_called();
        }
        assert!(others.is_empty(), "{}", others.join("\n"));
        println!("{} tricks, by http and by git", tricks.len());
    }

    fn the_rules_outlive_the_engine_and_are_missed_when_they_are_gone(mut self) {
        self.engine.stop();
        self.engine.start(false);
        let fetched = self.fetch("hello", "*");
        assert_eq!(fetched.code, 0, "{}", fetched.words);
        let knock = self.knock(&format!("{PRIVATE}/80"));
        assert!(knock.contains("Connection refused"), "{knock}");
        self.nobody_was_called();
        // Gone: the scripts see it, and ask nobody for anything.
        let flush = ["nft", "delete", "table", "inet", "zigcheck"];
        assert!(
            self.world
                .command(&flush)
                .status()
                .is_ok_and(|s| s.success())
        );
        self.world.forget();
        for path in ["hello", "sub"] {
            let fetched = self.fetch(path, "*");
            assert_eq!(fetched.code, 10, "{}", fetched.words);
            assert!(fetched.words.contains("are missing"), "{}", fetched.words);
        }
        assert_eq!(self.world.calls_of(GOOD), 0);
        // And all that was not reached above was there to be reached.
        self.world.forget();
        for to in [
            format!("{PRIVATE}/80"),
            format!("{HOST}/80"),
            format!("{}/9", self.gateway()),
        ] {
            assert_eq!(self.knock(&to), "reached\n", "{to}");
        }
        assert_eq!(self.world.victims().len(), 3);
        self.rules(&[]);
        self.rules(&["remove"]);
        self.rules(&["remove"]);
        assert!(!self.engine.ask(&["network", "inspect", NETWORK]));
    }

    /// What a connection from a container of that network comes to, whatever the rules.
    fn knock(&self, to: &str) -> String {
        let docker = self.docker(&[]);
        let mut argv = docker.probe_network(IMAGE).argv;
        argv.pop();
        let script = "timeout 60 bash -c 'exec 3<>/dev/tcp/'\"$0\" 2>&1 && echo reached";
        argv.extend(["bash", "-c", script, to].map(str::to_string));
        String::from_utf8_lossy(&run(&argv, &[]).stdout).into_owned()
    }

    fn gateway(&self) -> String {
        let format = "--format={{(index .IPAM.Config 0).Gateway}}";
        let mut command = Command::new(self.engine.command());
        let output = command
            .args(["network", "inspect", format, NETWORK])
            .output();
        let output = output.expect("docker is installed");
        let gateway = String::from_utf8_lossy(&output.stdout).trim().to_string();
        assert!(gateway.parse::<IpAddr>().is_ok(), "{}", words_of(&output));
        gateway
    }
}

/// All spellings of addresses that nobody may reach, and names of some.
fn addresses(gateway: &str) -> Vec<String> {
    let plain = [
        "127.0.0.1",
        "10.66.66.66",
        "172.16.9.9",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.9",
        "198.18.0.1",
        "198.51.100.9",
        "203.0.113.9",
        "224.0.0.251",
        "240.0.0.9",
        "255.255.255.255",
        "0.0.0.0",
    ];
    let spelled = [
        "[::1]",
        "[::]",
        "[::ffff:10.66.66.66]",
        "[fd00::1]",
        "[fe80::1]",
        "[2606:2800::1]",
        "2130706433",
        "0x0a424242",
        "012.0102.0102.0102",
        "10.4342338",
        "0xa9fea9fe",
        "0",
        "127.1",
        "localhost",
    ];
    let names = [
        "private.example",
        "loop.example",
        "metadata.example",
        "host.example",
    ];
    let own = [gateway, HOST];
    let all = plain.iter().chain(&spelled).chain(&names).chain(&own);
    all.map(|host| host.to_string()).collect()
}
