//! Uploaded trees: spooled to disk as they come, then looked through before anything runs.
//!
//! ```text
//!   begin --> Receiving --end--> Checking --(slice by slice, a slice a turn)--> a Tree, or 400
//! ```

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crate::app::domain::disk_space::{insufficient, is_full};
use crate::app::live::subscription::ProgressFormat;
use crate::app::source::archive::{Inspection, Progress};
use crate::app::source::incoming::{IncomingFile, WriteError};
use crate::app::source::unpack::Format;
use crate::app::web::limits::{
    ADDRESS_UPLOADS_LIMIT, ADDRESS_UPLOADS_LIMIT_BYTES, CHECK_BUDGET_BYTES, UPLOADS_LIMIT,
    UPLOADS_LIMIT_BYTES, UPLOADS_PAUSE_MS,
};
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::config::settings::Settings;
use crate::interface::message::Response;

/// A tree that may become a check.
#[derive(Debug)]
pub struct Tree {
    /// Who sent it, where that is told apart.
    pub client: Option<ClientAddr>,
    pub name: String,
    pub zig_versions: Vec<String>,
    pub follow: Option<ProgressFormat>,
    pub incoming: IncomingFile,
    pub format: Format,
    /// Its manifest names URLs.
    pub dependencies: bool,
    /// The hash of what its manifests ask for, where that is known.
    pub manifest: Option<String>,
}

#[derive(Debug)]
struct Upload {
    client: Option<ClientAddr>,
    /// All of it was allowed before it came.
    allowed: bool,
    name: String,
    zig_versions: Vec<String>,
    follow: Option<ProgressFormat>,
    incoming: IncomingFile,
}

pub struct Uploads {
    sources: PathBuf,
    /// Makes the names of part files.
    begun: u64,
    receiving: HashMap<Key, Upload>,
    checking: VecDeque<(Key, Upload, Inspection)>,
}

impl Uploads {
    pub fn new(settings: &Settings) -> Uploads {
        Uploads {
            sources: settings.data.join("sources"),
            begun: 0,
            receiving: HashMap::new(),
            checking: VecDeque::new(),
        }
    }

    pub fn begin(
        &mut self,
        conn: Key,
        (client, allowed): (Option<ClientAddr>, bool),
        name: String,
        zig_versions: Vec<String>,
        follow: Option<ProgressFormat>,
    ) -> Result<(), Response> {
        self.has_room(client)?;
        self.begun += 1;
        let part = format!("upload-{}.part", self.begun);
        let incoming = IncomingFile::create(&self.sources, &part, SOURCE_LIMIT_BYTES);
        let upload = Upload {
            client,
            allowed,
            name,
            zig_versions,
            follow,
            incoming: incoming.map_err(WriteError::Disk).map_err(not_kept)?,
        };
        self.receiving.insert(conn, upload);
        Ok(())
    }

    /// Whether there is room for a further upload of that address, by their number and by what they
    /// hold of the disk; or the answer that says not.
    pub fn has_room(&self, client: Option<ClientAddr>) -> Result<(), Response> {
        let later =
            |status, sentence: &str| Err(Response::later(status, sentence, UPLOADS_PAUSE_MS));
        let (count, bytes) = self.held(|_| true);
        if count >= UPLOADS_LIMIT || bytes >= UPLOADS_LIMIT_BYTES {
            return later(503, "too many uploads at once: try again in a moment");
        }
        let (count, bytes) = self.held(|upload| client.is_some() && upload.client == client);
        if count >= ADDRESS_UPLOADS_LIMIT || bytes >= ADDRESS_UPLOADS_LIMIT_BYTES {
            return later(429, "too many uploads at once from your address");
        }
        Ok(())
    }

    /// How many uploads of that kind there are, and how many bytes of them.
    fn held(&self, is_one: impl Fn(&Upload) -> bool) -> (usize, u64) {
        let receiving = self.receiving.values();
        let checking = self.checking.iter().map(|(_, upload, _)| upload);
        let these = receiving.chain(checking).filter(|upload| is_one(upload));
        these.fold((0, 0), |(count, bytes), upload| {
            (count + 1, bytes + upload.incoming.bytes())
        })
    }

    /// Whose upload that is, where each piece of it has to be allowed.
    pub fn unallowed(&self, conn: Key) -> Option<ClientAddr> {
        let upload = self.receiving.get(&conn)?;
        upload.client.filter(|_| !upload.allowed)
    }

    /// Takes a piece. Pieces behind an answer that ended the upload are dropped.
    pub fn body(&mut self, conn: Key, bytes: &[u8]) -> Result<(), Response> {
        let Some(upload) = self.receiving.get_mut(&conn) else {
            return Ok(());
        };
        let written = upload.incoming.write(bytes);
        written.map_err(|error| {
            self.receiving.remove(&conn);
            not_kept(error)
        })
    }

    pub fn end(&mut self, conn: Key) -> Result<(), Response> {
        let Some(upload) = self.receiving.remove(&conn) else {
            return Ok(());
        };
        let check = Inspection::open(upload.incoming.path());
        let check = check.map_err(|why| Response::error(503, &not_kept_for(&why)))?;
        self.checking.push_back((conn, upload, check));
        Ok(())
    }

    pub fn has_work(&self) -> bool {
        !self.checking.is_empty()
    }

    /// Looks through the next slice of the upload that has waited longest; says what came of an
    /// upload that was looked through.
    pub fn step(&mut self) -> Option<(Key, Result<Tree, Response>)> {
        let (_, _, check) = self.checking.front_mut()?;
        let progress = check.step(CHECK_BUDGET_BYTES);
        if matches!(progress, Progress::More) {
            return None;
        }
        let (conn, upload, _) = self.checking.pop_front()?;
        let done = match progress {
            Progress::Rejected(why) => Err(Response::error(400, &why)),
            Progress::Accepted(summary) => Ok(Tree {
                client: upload.client,
                name: upload.name,
                zig_versions: upload.zig_versions,
                follow: upload.follow,
                incoming: upload.incoming,
                format: summary.format,
                dependencies: summary.dependencies,
                manifest: summary.manifest,
            }),
            Progress::More => unreachable!("handled above"),
        };
        Some((conn, done))
    }

    /// Ends all uploads that are under way; whose they were.
    pub fn give_up(&mut self) -> Vec<Key> {
        let receiving = self.receiving.drain().map(|(conn, _)| conn);
        let checking = self.checking.drain(..).map(|(conn, ..)| conn);
        receiving.chain(checking).collect()
    }

    /// Nothing more of it is wanted.
    pub fn gone(&mut self, conn: Key) {
        self.receiving.remove(&conn);
        self.checking.retain(|(checked, _, _)| *checked != conn);
    }
}

fn not_kept(refused: WriteError) -> Response {
    match &refused {
        WriteError::Disk(error) if is_full(error) => insufficient(&not_kept_for(&refused)),
        _ => Response::error(503, &not_kept_for(&refused)),
    }
}

fn not_kept_for(why: &impl std::fmt::Display) -> String {
    format!("the upload cannot be kept: {why}")
}
