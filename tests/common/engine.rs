//! An engine and its containers, which do what a test tells them to; and all of it outlives the
//! server.

use std::collections::VecDeque;

use serde_json::Value;
use zigcheck::interface::event::{Command, Exit, Input, JobId, Pipe};

/// What a whole engine says of itself.
pub const INFO: &str = r#"{"MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
    "SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}"#;

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Created,
    Running,
    /// With that exit code; starved where the memory limit ended a process in it.
    Exited {
        code: i32,
        oom_killed: bool,
    },
}

pub struct Container {
    pub name: String,
    data: String,
    /// Where what it reads came from.
    pub stdin: Vec<Input>,
    how: How,
    output: Vec<(Pipe, Vec<u8>)>,
    /// Its clients: `docker run`, and those that follow its log.
    client: Option<JobId>,
    followers: Vec<JobId>,
}

/// What a client of the engine does, as a server sees it.
pub enum Told {
    Output(JobId, Pipe, Vec<u8>),
    Eof(JobId, Pipe),
    Exited(JobId, Exit),
}

#[derive(Default)]
pub struct Engine {
    /// It does not answer at all.
    pub down: bool,
    /// The id of each toolchain, by version.
    pub images: Vec<(String, String)>,
    pub containers: Vec<Container>,
    /// What `inspect` says instead of how a container is.
    pub nonsense: Option<String>,
    /// `docker logs` fails.
    pub mute: bool,
    /// Short commands get no answer, and do nothing.
    pub hung: bool,
    /// What `exec` tells of the memory of a container that runs.
    pub peak: Option<String>,
    /// Every command, in words.
    pub asked: Vec<String>,
    told: VecDeque<Told>,
    /// The id of the server's data directory, once it has named it.
    data: Option<String>,
}

/// Where a runner puts the nonce that it was told.
pub const NONCE: &str = "the nonce of the head";

impl Container {
    /// What it writes: records bear the nonce of the head it was sent.
    fn sealed(&self, pipe: Pipe, bytes: &[u8]) -> Vec<u8> {
        match (pipe, self.stdin.first()) {
            (Pipe::Stdout, Some(Input::Bytes(head))) => sealed(head, bytes),
            _ => bytes.to_vec(),
        }
    }
}

/// Those bytes, of a runner that was sent that head.
pub fn sealed(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let head: Value = serde_json::from_slice(head).expect("a head");
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.to_vec();
    };
    let nonce = head["nonce"].as_str().expect("a nonce");
    text.replace(NONCE, nonce).into_bytes()
}

impl Engine {
    pub fn new() -> Engine {
        let image = |version: &str, id: &str| (version.to_string(), id.to_string());
        Engine {
            images: vec![image("0.16.0", "sha256:a"), image("0.15.2", "sha256:b")],
            ..Engine::default()
        }
    }

    pub fn next(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn find(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|c| c.name == name)
    }

    fn known(&mut self, name: &str) -> &mut Container {
        let all: Vec<String> = self.containers.iter().map(|c| c.name.clone()).collect();
        self.find(name)
            .unwrap_or_else(|| panic!("no {name} among {all:?}"))
    }

    /// Names of the containers that run.
    pub fn running(&self) -> Vec<&str> {
        let running = self.containers.iter().filter(|c| c.how == How::Running);
        running.map(|c| c.name.as_str()).collect()
    }

    /// Names of all containers there are.
    pub fn all(&self) -> Vec<&str> {
        self.containers.iter().map(|c| c.name.as_str()).collect()
    }

    /// How many commands began so.
    pub fn count(&self, words: &str) -> usize {
        let asked = self.asked.iter().filter(|asked| asked.starts_with(words));
        asked.count()
    }

    // -- what a test wants to happen --

    pub fn writes(&mut self, name: &str, pipe: Pipe, bytes: &[u8]) {
        let container = self.known(name);
        let bytes = container.sealed(pipe, bytes);
        container.output.push((pipe, bytes.to_vec()));
        let watchers = container.client.iter().chain(&container.followers);
        let told = watchers.map(|job| Told::Output(*job, pipe, bytes.to_vec()));
        let told: Vec<Told> = told.collect();
        self.told.extend(told);
    }

    pub fn ends(&mut self, name: &str, code: i32, oom_killed: bool) {
        let container = self.known(name);
        assert_eq!(container.how, How::Running, "{name}");
        container.how = How::Exited { code, oom_killed };
        let client = container.client.take();
        for job in std::mem::take(&mut container.followers) {
            self.exit(job, 0);
        }
        if let Some(job) = client {
            self.exit(job, code);
        }
    }

    /// The `docker run` of a container ends, and the container goes on.
    pub fn client_ends(&mut self, name: &str, code: i32, words: &str) {
        let client = self.known(name).client.take();
        self.say(client.expect("it has a client"), Pipe::Stderr, words, code);
    }

    /// Ends the clients that follow the log of a container.
    pub fn follower_ends(&mut self, name: &str, code: i32) {
        for job in std::mem::take(&mut self.known(name).followers) {
            self.exit(job, code);
        }
    }

    pub fn is(&mut self, name: &str, how: How) {
        let container = self.known(name);
        container.how = how;
        assert!(container.client.is_none(), "its client would hear of it");
    }

    /// A container of this server that runs and has no client.
    pub fn has_stray(&mut self, name: &str) {
        let data = self.data.clone().expect("the server has named its id");
        self.has(name, &data);
    }

    /// A container of the server with that data id, which runs and has no client.
    pub fn has(&mut self, name: &str, data: &str) {
        let data = data.to_string();
        self.containers.push(Container {
            name: name.to_string(),
            data,
            stdin: Vec::new(),
            how: How::Running,
            output: Vec::new(),
            client: None,
            followers: Vec::new(),
        });
    }

    /// It was never made, or somebody has removed it.
    pub fn forgets(&mut self, name: &str) {
        self.containers.retain(|c| c.name != name);
    }

    /// The server and all its children are gone; what runs, runs.
    pub fn loses_server(&mut self) {
        self.told.clear();
        for container in &mut self.containers {
            container.client = None;
            container.followers.clear();
        }
    }

    // -- what a server asks for --

    pub fn kill(&mut self, job: JobId) {
        let mut known = false;
        for container in &mut self.containers {
            known |= container.client.take_if(|client| *client == job).is_some();
            container.followers.retain(|follower| *follower != job);
        }
        if known {
            self.told.push_back(Told::Eof(job, Pipe::Stdout));
            self.told.push_back(Told::Eof(job, Pipe::Stderr));
            self.told.push_back(Told::Exited(job, Exit::Signal(9)));
        }
    }

    pub fn spawn(&mut self, job: JobId, command: Command) {
        let argv = self.without_id(&command.argv);
        let words: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
        self.asked.push(words.join(" "));
        if self.down {
            let sentence = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n";
            let code = if words[0] == "run" { 125 } else { 1 };
            return self.say(job, Pipe::Stderr, sentence, code);
        }
        if self.hung && !matches!(words[0], "run" | "logs") {
            return;
        }
        match words[..] {
            ["run", ..] => self.run(job, &words, command.stdin.clone()),
            ["info", ..] => self.say(job, Pipe::Stdout, INFO, 0),
            ["images", ..] => {
                let line = |(version, id): &(String, String)| format!("zigcheck:{version} {id}\n");
                let lines: String = self.images.iter().map(line).collect();
                self.say(job, Pipe::Stdout, &lines, 0);
            }
            ["ps", .., filter, _] => {
                let (_, data) = filter.rsplit_once('=').unwrap();
                let ours = self.containers.iter().filter(|c| c.data == data);
                let with_id =
                    |name: &str| name.replacen("zigcheck-", &format!("zigcheck-{data}-"), 1);
                let names: String = ours.map(|c| with_id(&c.name) + "\n").collect();
                self.say(job, Pipe::Stdout, &names, 0);
            }
            ["inspect", .., name] => self.inspect(job, name),
            ["logs", "--follow", name] => self.logs(job, name, true),
            ["logs", name] => self.logs(job, name, false),
            ["exec", name, ..] => {
                let peak = self.peak.clone().filter(|_| self.running().contains(&name));
                let code = i32::from(peak.is_none());
                self.say(job, Pipe::Stdout, &peak.unwrap_or_default(), code);
            }
            ["kill", name] => {
                if self.running().contains(&name) {
                    self.ends(name, 137, false);
                }
                self.exit(job, 0);
            }
            ["rm", "--force", "--volumes", ..] => {
                for name in &words[3..] {
                    if self.running().contains(name) {
                        self.ends(name, 137, false);
                    }
                    self.forgets(name);
                }
                self.exit(job, 0);
            }
            _ => panic!("{words:?} was not asked for"),
        }
    }

    /// The words of a command, without the data id in the names of containers.
    fn without_id(&mut self, argv: &[String]) -> Vec<String> {
        for word in argv {
            if let Some((_, id)) = word.split_once("label=zigcheck.data=") {
                self.data = Some(id.to_string());
            }
        }
        let own = format!("zigcheck-{}-", self.data.as_deref().unwrap_or("?"));
        let words = argv.iter().map(|word| word.replace(&own, "zigcheck-"));
        words.collect()
    }

    fn run(&mut self, job: JobId, words: &[&str], stdin: Vec<Input>) {
        let value = |flag: &str| {
            let found = words.iter().find_map(|word| word.strip_prefix(flag));
            found.expect(flag).to_string()
        };
        let name = value("--name=");
        if self.all().contains(&name.as_str()) {
            let sentence = format!("The container name \"/{name}\" is already in use\n");
            return self.say(job, Pipe::Stderr, &sentence, 125);
        }
        self.containers.push(Container {
            name,
            data: value("--label=zigcheck.data="),
            stdin,
            how: How::Running,
            output: Vec::new(),
            client: Some(job),
            followers: Vec::new(),
        });
    }

    fn inspect(&mut self, job: JobId, name: &str) {
        if let Some(nonsense) = self.nonsense.clone() {
            return self.say(job, Pipe::Stdout, &nonsense, 0);
        }
        let Some(container) = self.find(name) else {
            let sentence = format!("Error response from daemon: No such container: {name}\n");
            return self.say(job, Pipe::Stderr, &sentence, 1);
        };
        let words = match container.how {
            How::Created => "false created 0".to_string(),
            How::Running => "false running 0".to_string(),
            How::Exited { code, oom_killed } => format!("{oom_killed} exited {code}"),
        };
        self.say(job, Pipe::Stdout, &format!("{words}\n"), 0);
    }

    fn logs(&mut self, job: JobId, name: &str, follow: bool) {
        let mute = self.mute;
        let Some(container) = self.find(name).filter(|_| !mute) else {
            return self.exit(job, 1);
        };
        let is_over = !follow || container.how != How::Running;
        if !is_over {
            container.followers.push(job);
        }
        // The two pipes are two streams: who reads them may have all of one before the other.
        let of = |pipe: Pipe| {
            let pieces = container.output.iter().filter(move |(of, _)| *of == pipe);
            pieces.map(move |(pipe, bytes)| Told::Output(job, *pipe, bytes.clone()))
        };
        let told: Vec<Told> = of(Pipe::Stderr).chain(of(Pipe::Stdout)).collect();
        self.told.extend(told);
        if is_over {
            self.exit(job, 0);
        }
    }

    fn say(&mut self, job: JobId, pipe: Pipe, text: &str, code: i32) {
        self.told
            .push_back(Told::Output(job, pipe, text.as_bytes().to_vec()));
        self.exit(job, code);
    }

    fn exit(&mut self, job: JobId, code: i32) {
        self.told.push_back(Told::Eof(job, Pipe::Stdout));
        self.told.push_back(Told::Eof(job, Pipe::Stderr));
        self.told.push_back(Told::Exited(job, Exit::Code(code)));
    }
}
