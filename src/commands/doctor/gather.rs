//! Finds out the facts: asks the engine, the server, the system and the files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::domain::disk_space::DiskSpace;
use crate::app::engine::capabilities::{read_capabilities, read_version};
use crate::app::engine::docker::Docker;
use crate::app::engine::listings;
use crate::app::engine::routing::Place;
use crate::app::store::backup::{Examined, examine_until};
use crate::commands::backup;
use crate::commands::doctor::answer::answer_of;
use crate::commands::doctor::builds::Builder;
use crate::commands::doctor::facts::{
    BuildFacts, DatabaseFacts, DiskFacts, EngineFacts, Facts, Health, ImageFacts, Known,
};
use crate::commands::doctor::limits::{ANSWER_LIMIT_MS, DATABASE_LIMIT_MS, PROBE_LIMIT_MS};
use crate::config::launcher::Launcher;
use crate::config::settings::Settings;
use crate::interface::event::Command;
use crate::shell::ask::{Question, ask};
use crate::shell::clock::Clock;
use crate::shell::{disk, listen};

/// What the command line says beside the settings.
#[derive(Debug)]
pub struct Options {
    /// Where backups are.
    pub backups: PathBuf,
    /// Build a package under each version.
    pub builds: bool,
}

/// All facts. Each question has a time limit, and no question that depends on an engine that did not answer is asked.
pub fn facts(settings: &Settings, options: &Options, clock: Clock) -> Facts {
    // It examines this machine, wherever builds run.
    let here = Settings {
        launcher: Launcher::Local,
        ..settings.clone()
    };
    let mut docker = Docker::new(&here, "doctor", "");
    let engine = engine(&docker);
    if let Ok(engine) = &engine {
        docker.set_kind(Place::Here, engine.capabilities.kind);
    }
    let images = match &engine {
        Ok(_) => images(&docker, settings),
        Err(_) => Vec::new(),
    };
    let builder = Builder { docker, clock };
    if engine.is_ok() {
        builder.remove_leftovers();
    }
    Facts {
        now_unix_ms: clock.now().unix_ms,
        settings: settings.clone(),
        server: health(settings),
        network: network(&builder.docker, settings, &images),
        builds: match options.builds {
            true => builds(&builder, &images),
            false => Vec::new(),
        },
        engine,
        images,
        disk: disk_facts(settings),
        is_synchronised: is_synchronised(),
        open_files: listen::open_files_limit(),
        database: database(&settings.data, clock),
        newest_backup_unix_ms: backup::newest_unix_ms(&options.backups),
        backups: options.backups.display().to_string(),
    }
}

fn engine(docker: &Docker) -> Known<EngineFacts> {
    let answer = answer_of(&docker.info(Place::Here), ANSWER_LIMIT_MS)?;
    Ok(EngineFacts {
        version: read_version(&answer)?,
        capabilities: read_capabilities(&answer)?,
    })
}

fn images(docker: &Docker, settings: &Settings) -> Vec<ImageFacts> {
    let answer = answer_of(&docker.list_dated_images(), ANSWER_LIMIT_MS).unwrap_or_default();
    let mut found = listings::dated_images(&answer);
    let facts = settings.zig_versions.iter().map(|version| {
        let (id, made) = found.remove(version).unzip();
        ImageFacts {
            zig_version: version.clone(),
            id,
            made_unix_ms: made.and_then(|made| made_unix_ms(&made)),
        }
    });
    facts.collect()
}

/// Reads `2026-11-29 19:42:48 +0000 UTC`; the zone does not matter to an age in days.
fn made_unix_ms(text: &str) -> Option<i64> {
    let time = text.get(..19)?.replace(' ', "T") + "Z";
    let time = humantime::parse_rfc3339(&time).ok()?;
    let since_1970 = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok()
}

fn network(docker: &Docker, settings: &Settings, images: &[ImageFacts]) -> Option<Known<String>> {
    if !settings.guards_fetches() {
        return None;
    }
    let image = images.iter().find_map(|image| image.id.as_deref())?;
    Some(answer_of(&docker.probe_network(image), PROBE_LIMIT_MS))
}

fn builds(builder: &Builder, images: &[ImageFacts]) -> Vec<BuildFacts> {
    let mut built = Vec::new();
    for (image, nth) in images.iter().zip(1..) {
        if let Some(id) = &image.id {
            built.push(BuildFacts {
                zig_version: image.zig_version.clone(),
                result: builder.build(id, &image.zig_version, nth),
            });
        }
    }
    built
}

fn health(settings: &Settings) -> Known<Health> {
    let question = Question {
        method: "GET",
        path: "/api/health".to_string(),
        ..Question::default()
    };
    let reply = ask(&settings.listen, &question, ANSWER_LIMIT_MS)?;
    let value: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let text = |name: &str| value[name].as_str().map(str::to_string);
    let Some(version) = text("version") else {
        return Err(format!(
            "what listens there is no zigcheck (status {})",
            reply.status
        ));
    };
    Ok(Health {
        version,
        is_healthy: reply.status == 200,
        error: text("error"),
        proxy_headers: text("proxy_headers").unwrap_or_default(),
    })
}

fn disk_facts(settings: &Settings) -> Known<DiskFacts> {
    let data = &settings.data;
    // A directory that the first start will make is on the disk of the one above it.
    let place = data.ancestors().find(|place| place.exists());
    let place = place.unwrap_or(Path::new("."));
    let space = disk::space(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let mut floor = DiskSpace::new(settings.disk_floor_bytes);
    floor.usage = Some(space.usage);
    Ok(DiskFacts {
        free_bytes: space.usage.free_bytes,
        floor_bytes: floor.floor_bytes().unwrap_or(0),
        free_files: space.free_files,
        all_files: space.all_files,
    })
}

/// As systemd says; none where there is no systemd.
fn is_synchronised() -> Option<bool> {
    let words = [
        "timedatectl",
        "show",
        "--property=NTPSynchronized",
        "--value",
    ];
    let command = Command {
        argv: words.map(str::to_string).to_vec(),
        stdin: Vec::new(),
    };
    match answer_of(&command, ANSWER_LIMIT_MS).ok()?.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn database(data: &Path, clock: Clock) -> DatabaseFacts {
    let path = data.join("zigcheck.db");
    if !path.exists() {
        return DatabaseFacts::Missing;
    }
    let until_ms = clock.now().mono_ms + DATABASE_LIMIT_MS;
    match examine_until(&path, move || clock.now().mono_ms > until_ms) {
        Examined::Whole(newest_unix_ms) => DatabaseFacts::Whole { newest_unix_ms },
        Examined::Damaged(why) => DatabaseFacts::Damaged(why),
        Examined::Unfinished => DatabaseFacts::Unexamined,
    }
}
