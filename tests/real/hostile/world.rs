//! A world of a test's own: a namespace in which an engine lives, and one beyond it which is the whole
//! rest of the world. Neither is joined to any network of the machine, so nothing gets out, whatever fails.
//!
//! ```text
//!   containers --- zigcheck0 [the engine's host] --- veth --- [everybody else: every address is there]
//! ```
//!
//! All who are connected to are counted, by the address they were called by.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::common::server::scratch;
use crate::exchange::target_of;

/// The address of a host that may be reached: it serves packages and dependencies.
pub const GOOD: &str = "93.184.215.14";
/// Public as well; not a host that is allowed.
pub const OTHER: &str = "151.101.1.6";
/// An address in the owner's network.
pub const PRIVATE: &str = "10.66.66.66";
/// The name server that the engine's host has, as many do: a private address.
const RESOLVER: &str = "10.99.99.53";
/// The addresses of the host beyond the bridge, and of the way to the world.
pub const HOST: &str = "100.127.0.1";
const BEYOND: &str = "100.127.0.2";
/// Where somebody listens: also where nobody should be asked for anything.
const PORTS: [u16; 9] = [9, 22, 53, 80, 443, 2375, 3000, 8080, 9418];

/// Whose address it was, the address and the port.
type Called = (&'static str, IpAddr, u16);
type Calls = Arc<Mutex<BTreeMap<Called, usize>>>;

pub struct World {
    /// The namespace of the engine, and that of all others.
    pub engine: String,
    others: String,
    /// What `http://GOOD/` and `git://GOOD/` serve; a file `PATH.redirect` holds where PATH leads to.
    pub www: PathBuf,
    pub resolvers: PathBuf,
    calls: Calls,
}

impl World {
    pub fn new() -> World {
        let root = rustix::process::geteuid().is_root();
        assert!(root, "needs root: it makes network namespaces");
        let id = std::process::id();
        let (engine, others) = (format!("zche{id}"), format!("zchw{id}"));
        let www = scratch("hostile-www");
        let _ = std::fs::remove_dir_all(&www);
        std::fs::create_dir_all(&www).expect("a directory");
        let resolvers = scratch("hostile-resolv.conf");
        std::fs::write(&resolvers, format!("nameserver {RESOLVER}\n")).expect("a file");
        let world = World {
            engine,
            others,
            www,
            resolvers,
            calls: Calls::default(),
        };
        world.join();
        let at_host = world.calls.clone();
        within(&world.engine, move || listen("host", &at_host, None));
        let (calls, www) = (world.calls.clone(), world.www.clone());
        within(&world.others, move || {
            names();
            listen("world", &calls, Some(www));
        });
        world
    }

    fn join(&self) {
        let (engine, others) = (&self.engine, &self.others);
        for name in [engine, others] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        ip(&format!(
            "link add zch0 netns {engine} type veth peer name zch1 netns {others}"
        ));
        for (space, link, address) in [(engine, "zch0", HOST), (others, "zch1", BEYOND)] {
            ip(&format!("-n {space} addr add {address}/30 dev {link}"));
            ip(&format!("-n {space} link set {link} up"));
        }
        ip(&format!("-n {engine} route add default via {BEYOND}"));
        ip(&format!("-n {engine} -6 route add default dev zch0"));
        // Whatever address is asked for, it is this host's.
        ip(&format!(
            "-n {others} route add local default dev lo table main"
        ));
        ip(&format!(
            "-n {others} -6 route add local default dev lo table main"
        ));
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let script = "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"";
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.engine))
            .args(["unshare", "--mount", "sh", "-c", script])
            .arg(&self.resolvers)
            .args(words);
        command
    }

    pub fn calls_of(&self, address: &str) -> usize {
        let address: IpAddr = address.parse().expect("an address");
        let calls = self.calls.lock().expect("no panic");
        let of = calls.iter().filter(|(called, _)| called.1 == address);
        of.map(|(_, count)| count).sum()
    }

    pub fn victims(&self) -> Vec<Called> {
        let good: IpAddr = GOOD.parse().expect("an address");
        let calls = self.calls.lock().expect("no panic");
        calls
            .keys()
            .filter(|called| called.1 != good)
            .copied()
            .collect()
    }

    pub fn forget(&self) {
        self.calls.lock().expect("no panic").clear();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.engine, &self.others] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.expect("iproute2 is installed");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {words}: {error}");
}

/// Runs it in a thread that is in that namespace, until it returns.
fn within(space: &str, run: impl FnOnce() + Send + 'static) {
    let path = Path::new("/run/netns").join(space);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let space = File::open(path).expect("a namespace");
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(space.as_fd(), kind).expect("root may");
        run();
        let _ = tell.send(());
    });
    let done = told.recv_timeout(Duration::from_secs(60));
    done.expect("it cannot listen there");
}

/// Listens on all ports of all addresses there are; on 80 with files, where there are some.
fn listen(who: &'static str, calls: &Calls, www: Option<PathBuf>) {
    for port in PORTS {
        let listener = TcpListener::bind(("::", port)).expect("a port");
        let (calls, www) = (calls.clone(), www.clone());
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let called = client.local_addr().expect("an address").ip().to_canonical();
                let mut known = calls.lock().expect("no panic");
                *known.entry((who, called, port)).or_default() += 1;
                drop(known);
                let Some(www) = www.clone() else { continue };
                match port {
                    80 => drop(std::thread::spawn(move || drop(serve(&mut client, &www)))),
                    9418 => serve_git(client, &www),
                    _ => {}
                }
            }
        });
    }
}

/// What is served as files, as git itself serves it: in packs made to measure.
fn serve_git(client: TcpStream, www: &Path) {
    let answers = client.try_clone().expect("a socket");
    let mut daemon = Command::new("git");
    let daemon = daemon
        .args(["daemon", "--inetd", "--export-all"])
        .arg(format!("--base-path={}", www.display()))
        .stdin(OwnedFd::from(client))
        .stdout(OwnedFd::from(answers))
        .stderr(Stdio::null())
        .spawn();
    let mut daemon = daemon.expect("git is installed");
    std::thread::spawn(move || daemon.wait());
}

fn serve(client: &mut TcpStream, www: &Path) -> std::io::Result<()> {
    let Some(asked) = target_of(client)? else {
        return Ok(());
    };
    let path = asked
        .split('?')
        .next()
        .unwrap_or("/")
        .trim_start_matches('/');
    // When a repository has moved, the first redirect decides where the rest is requested.
    let first = path.split('/').next().unwrap_or("");
    let leads = std::fs::read_to_string(www.join(format!("{first}.redirect")));
    let (status, more, body) = match (leads, std::fs::read(www.join(path))) {
        (Ok(place), _) => {
            let rest = asked.trim_start_matches('/').trim_start_matches(first);
            let place = format!("Location: {}{rest}\r\n", place.trim());
            ("302 Found", place, Vec::new())
        }
        (_, Ok(body)) => ("200 OK", String::new(), body),
        _ => ("404 Not Found", String::new(), Vec::new()),
    };
    let kind = match path.ends_with(".tar.gz") {
        true => "application/gzip",
        false => "text/plain",
    };
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\n{more}Content-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )?;
    client.write_all(&body)
}

/// The address of a name that was asked for so often before.
fn address_of(name: &str, asked: usize) -> &'static str {
    match name {
        "good.example" => GOOD,
        "other.example" => OTHER,
        "loop.example" => "127.0.0.1",
        "metadata.example" => "169.254.169.254",
        "host.example" => HOST,
        "turns.example" if asked == 0 => GOOD,
        _ => PRIVATE,
    }
}

fn names() {
    let socket = UdpSocket::bind((RESOLVER, 53)).expect("a port");
    std::thread::spawn(move || {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let query = &buffer[..length];
            let Some((name, end)) = name_in(query) else {
                continue;
            };
            let is_v4 = query[end..end + 2] == [0, 1];
            let count = asked.entry(name.clone()).or_default();
            let address = address_of(&name, *count);
            *count += usize::from(is_v4);
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
            answer.extend(&query[12..end + 4]);
            if is_v4 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                let parts = address.split('.').map(|part| part.parse::<u8>());
                answer.extend(parts.map(|part| part.expect("a byte")));
            }
            let _ = socket.send_to(&answer, client);
        }
    });
}

/// The name that is asked for, and where it ends.
fn name_in(query: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            query.get(at..at + 4)?;
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
}
