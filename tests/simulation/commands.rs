//! The commands that the server has run: clients begin, move and are killed.

use zigcheck::interface::event::{Command, Event, Exit, Input, JobId};

use crate::common::engine::client::{Client, Move};
use crate::common::engine::container::Container;
use crate::common::engine::slurm::{ClusterCommand, cluster_command};
use crate::common::pack::sha256;
use crate::scripts;
use crate::world::World;

impl World {
    pub fn kill_client(&mut self, job: JobId) {
        if let Some(client) = self.clients.get_mut(&job) {
            client.die(&mut self.engine, &mut self.seed);
            client.was_killed();
        }
    }

    pub fn spawn(&mut self, job: JobId, command: Command) {
        let mut client = match cluster_command(&command) {
            None => self.client(command),
            Some(ClusterCommand::Place { lease, feature }) => Client::place(lease, feature),
            Some(ClusterCommand::OnNode { lease, command }) => self.client(command).about(lease),
            Some(ClusterCommand::Short(words)) => {
                if let ["cancel", names @ ..] =
                    &*words.iter().map(String::as_str).collect::<Vec<_>>()
                {
                    self.check_remove(names);
                }
                Client::to_cluster(words)
            }
        };
        client.sound = self.engine.calm;
        let twin = self.clients.insert(job, client);
        assert!(twin.is_none(), "a job's name twice");
    }

    /// A client of the engine of this machine, or of that of a node.
    fn client(&mut self, command: Command) -> Client {
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        assert_eq!(words[0], "docker");
        match words[1] {
            "run" => {
                let name = words[2].strip_prefix("--name=");
                let name = name.expect("the name comes first");
                let (engine, outside) = (&self.engine, &mut self.outside);
                let container = scripts::container(name, &command, engine, outside, &mut self.seed);
                self.check_run(&container);
                Client::run(container)
            }
            verb => {
                match verb {
                    "rm" => self.check_remove(&words[4..]),
                    "exec" => self.check_sentence(words[2]),
                    "kill" => self.check_kill(words[2]),
                    "logs" => {
                        self.tally.met(&words[1..words.len() - 1].join(" "));
                        self.hear_of(words[words.len() - 1]);
                        let purpose = self.engine.get(words[words.len() - 1]);
                        let purpose = purpose.and_then(|container| container.purpose);
                        self.audience
                            .taken_anew
                            .extend(purpose.map(|(_, build, _)| build));
                    }
                    _ => {}
                }
                Client::short(&command)
            }
        }
    }

    fn hear_of(&mut self, name: &str) {
        if let Some(container) = self.engine.get_mut(name) {
            container.heard_ms = self.ms;
        }
    }

    /// A client does what it does next. False: there is nothing for it to do.
    pub fn move_client(&mut self, job: JobId) -> bool {
        let Some(client) = self.clients.get_mut(&job) else {
            return false;
        };
        let is_new = client.is_setting_up();
        let mut moved = client.go_on(&mut self.engine, &mut self.seed);
        while client.is_setting_up() && !self.seed.once_in(3) {
            moved |= client.go_on(&mut self.engine, &mut self.seed);
        }
        if is_new
            && !client.is_setting_up()
            && let Some(name) = &client.name
            && let Some(container) = self.engine.get(name)
        {
            check_input(container);
        }
        // A client that was refused says so before anything else happens.
        while let Some(client) = self.clients.get_mut(&job) {
            let Some(next) = client.moves.pop_front() else {
                break;
            };
            let goes_on = client.refused;
            let name = client.name.clone();
            moved = true;
            match next {
                Move::Output(pipe, bytes) => {
                    if let Some(name) = name {
                        self.hear_of(&name);
                    }
                    let bytes = &bytes;
                    self.turn(Some(Event::Output { job, pipe, bytes }));
                }
                Move::Eof(pipe) => self.turn(Some(Event::Eof { job, pipe })),
                Move::Exit(exit) => {
                    client.name = None;
                    client.hangs = false;
                    if let (Some(name), Exit::Code(0)) = (name, &exit) {
                        self.remote_has_told(&name);
                    }
                    self.turn(Some(Event::Exited { job, exit }));
                }
            }
            if !goes_on {
                break;
            }
        }
        if self.clients.get(&job).is_some_and(Client::is_over) {
            self.clients.remove(&job);
        }
        moved
    }
}

/// The files that a container is fed with are there, and are those that its task names.
fn check_input(container: &Container) {
    let Some(head) = container.task() else {
        return;
    };
    let files = container.stdin.iter().filter_map(|input| match input {
        Input::File(path) => Some(path),
        Input::Bytes(_) => None,
    });
    let told = [&head["source"], &head["deps"], &head["kept"]];
    let told = told.into_iter().filter(|told| !told.is_null());
    for (path, told) in files.zip(told) {
        let bytes = std::fs::read(path).unwrap_or_default();
        assert_eq!(told["bytes"], bytes.len(), "{}", path.display());
        assert_eq!(told["sha256"], sha256(&bytes), "{}", path.display());
    }
}
