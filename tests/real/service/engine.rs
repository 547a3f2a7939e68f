//! The stand-in for docker as a machine has the engine: a service of its own, behind a socket in /run, so that containers
//! are none of the server's processes. Run as `engine PROGRAM` it is that service; as `docker ...` its client.
//!
//! A call is the client's process id and its arguments, each ended by a zero byte, and one more. The engine runs PROGRAM with
//! them, on the client's own standard input and outputs, and answers its exit code. The client's end is the call's end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SOCKET: &str = "/run/docker.sock";

fn main() {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    if name.ends_with("engine") {
        serve(&words[0]);
    }
    exit(call(&words).unwrap_or_else(|error| {
        let run = words.first().is_some_and(|word| word == "run");
        eprintln!("Cannot connect to the Docker daemon at unix://{SOCKET}: {error}");
        if run { 125 } else { 1 }
    }))
}

fn call(words: &[String]) -> std::io::Result<i32> {
    let mut engine = UnixStream::connect(SOCKET)?;
    let pid = std::process::id().to_string();
    let mut text = Vec::new();
    for word in std::iter::once(&pid).chain(words) {
        text.extend(word.as_bytes());
        text.push(0);
    }
    text.push(0);
    engine.write_all(&text)?;
    let mut answer = String::new();
    engine.read_to_string(&mut answer)?;
    let gone = |_| std::io::Error::other("it went away");
    answer.trim().parse().map_err(gone)
}

fn serve(program: &str) -> ! {
    let _ = fs::remove_file(SOCKET);
    let listener = UnixListener::bind(SOCKET).expect("a socket");
    let group = fs::read_to_string("/etc/group").expect("groups");
    let docker = group.lines().find(|line| line.starts_with("docker:"));
    let docker = docker.and_then(|line| line.split(':').nth(2)?.parse().ok());
    chown(SOCKET, Some(0), docker).expect("its group");
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o660)).expect("its mode");
    loop {
        if let Ok((client, _)) = listener.accept() {
            let program = program.to_string();
            std::thread::spawn(move || answer(client, &program));
        }
    }
}

fn answer(client: UnixStream, program: &str) -> Option<()> {
    let client = Arc::new(client);
    let mut reader = BufReader::new(&*client);
    let mut words = Vec::new();
    loop {
        let mut word = Vec::new();
        reader.read_until(0, &mut word).ok()?;
        word.pop()?;
        if word.is_empty() {
            break;
        }
        words.push(String::from_utf8(word).ok()?);
    }
    let pid = words.remove(0);
    let open = |fd: i32| {
        let path = format!("/proc/{pid}/fd/{fd}");
        let how = || File::options().read(fd == 0).write(fd != 0).clone();
        // A socket, as a service's own outputs are, cannot be opened once more.
        how().open(path).or_else(|_| how().open("/dev/null")).ok()
    };
    let child = Command::new(program)
        .arg0("/var/lib/engine/docker")
        .args(&words)
        .stdin(open(0)?)
        .stdout(open(1)?)
        .stderr(open(2)?)
        .spawn();
    let mut child = child.ok()?;
    let kill = format!("kill -9 {}", child.id());
    let (ear, over) = (client.clone(), Arc::new(AtomicBool::new(false)));
    let is_over = over.clone();
    std::thread::spawn(move || {
        // Nothing is said any more: this ends when the client does, or when the answer is given.
        let _ = (&*ear).read(&mut [0; 1]);
        if !is_over.load(Ordering::SeqCst) {
            let _ = Command::new("sh").args(["-c", &kill]).status();
        }
    });
    let code = child.wait().ok()?.code().unwrap_or(137);
    over.store(true, Ordering::SeqCst);
    let _ = write!(&*client, "{code}");
    let _ = client.shutdown(std::net::Shutdown::Both);
    Some(())
}
