//! A real build of a small package, in a container with the arguments that the server's builds have.

use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::app::builds::record::RecordReader;
use crate::app::domain::ids::BuildId;
use crate::app::domain::verdict::{BuildStatus, TestStatus};
use crate::app::engine::docker::{ContainerInput, Docker, SourceFile};
use crate::app::engine::listings;
use crate::app::engine::routing::Place;
use crate::commands::doctor::answer::{answer_of, last_line};
use crate::commands::doctor::facts::Known;
use crate::commands::doctor::limits::{ANSWER_LIMIT_MS, BUILD_LIMIT_MS};
use crate::interface::event::{Exit, Input};
use crate::shell::clock::Clock;
use crate::shell::one_shot;

/// The package. It needs no network, and its one test passes under each version.
const FILES: [(&str, &[u8]); 2] = [
    ("build.zig", include_bytes!("package/build.zig")),
    ("src/root.zig", include_bytes!("package/src/root.zig")),
];

pub struct Builder {
    /// Its containers belong to no data directory, so that a server leaves them alone.
    pub docker: Docker,
    pub clock: Clock,
}

impl Builder {
    /// How long the build took, in milliseconds.
    pub fn build(&self, image: &str, zig_version: &str, nth: u32) -> Known<u64> {
        let begun_ms = self.clock.now().mono_ms;
        let name = self.docker.build_container(this_process(), nth);
        let result = self.run(&name, image, zig_version, nth);
        // One that was not made is no error.
        let _ = answer_of(&self.docker.remove(Place::Here, &[name]), ANSWER_LIMIT_MS);
        result.map(|()| self.clock.now().mono_ms - begun_ms)
    }

    fn run(&self, name: &str, image: &str, zig_version: &str, nth: u32) -> Known<()> {
        let source = archive().map_err(|error| format!("the package: {error}"))?;
        let record_id = self.docker.record_id(this_process(), nth);
        let mut command = self.docker.build(
            name,
            &ContainerInput {
                record_id: record_id.clone(),
                package: "doctor",
                zig_version,
                image,
                source: &SourceFile {
                    path: Path::new("").to_path_buf(),
                    format: "tar.gz".to_string(),
                    bytes: source.len() as u64,
                    sha256: HEXLOWER.encode(&Sha256::digest(&source)),
                },
                dependencies: None,
                dir: None,
                kept: None,
                kept_limit_bytes: 0,
            },
        );
        // The package is in no file.
        for part in &mut command.stdin {
            if matches!(part, Input::File(_)) {
                *part = Input::Bytes(source.clone());
            }
        }
        let ended = one_shot::run(&command, BUILD_LIMIT_MS)?;
        if ended.exit != Exit::Code(0) {
            return Err(last_line(&ended.stderr));
        }
        let mut reader = RecordReader::default();
        reader.take(&ended.stdout);
        let record = reader.record(&record_id).map_err(|why| why.sentence())?;
        match (record.build_status, record.test_status) {
            (BuildStatus::Success, Some(TestStatus::Success)) => Ok(()),
            (build, test) => {
                let test = test.map_or("none", TestStatus::as_str);
                let lines = record.error_log.lines();
                let first = lines.map(str::trim).find(|line| !line.is_empty());
                let why = first.unwrap_or(&record.detail);
                Err(format!("build {}, tests {test}: {why}", build.as_str()))
            }
        }
    }

    /// Removes the containers of doctors that were killed.
    pub fn remove_leftovers(&self) {
        let answer = answer_of(&self.docker.list_containers(Place::Here), ANSWER_LIMIT_MS);
        let names = listings::containers(&answer.unwrap_or_default());
        let is_left = |name: &String| {
            let process = name.rsplit('-').nth(1).unwrap_or("");
            !process.is_empty() && !Path::new("/proc").join(process).exists()
        };
        let left: Vec<String> = names.into_iter().filter(is_left).collect();
        if !left.is_empty() {
            let _ = answer_of(&self.docker.remove(Place::Here, &left), ANSWER_LIMIT_MS);
        }
    }
}

/// What the containers of this process are named after: two doctors may be at work.
fn this_process() -> BuildId {
    BuildId(i64::from(std::process::id()))
}

fn archive() -> std::io::Result<Vec<u8>> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut tar = tar::Builder::new(gzip);
    for (name, bytes) in FILES {
        let mut head = tar::Header::new_gnu();
        head.set_size(bytes.len() as u64);
        head.set_mode(0o644);
        tar.append_data(&mut head, name, bytes)?;
    }
    tar.into_inner()?.finish()
}
