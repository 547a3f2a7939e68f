//! Uploaded trees: spooled to disk as they arrive, then inspected before anything runs.
//!
//! ```text
//!   begin --> receiving --end--> inspecting --(a slice each turn)--> a Tree, or 400
//! ```

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use crate::app::source::archive::{Inspection, Progress};
use crate::app::source::incoming::{IncomingFile, WriteError};
use crate::app::source::unpack::Format;
use crate::app::web::answer::Error;
use crate::app::web::limits::{
    ADDRESS_UPLOADS_LIMIT, ADDRESS_UPLOADS_LIMIT_BYTES, INSPECT_BUDGET_BYTES, UPLOADS_LIMIT,
    UPLOADS_LIMIT_BYTES, UPLOADS_PAUSE_MS,
};
use crate::app::web::routes::submit::UploadOptions;
use crate::base::client_addr::ClientAddr;
use crate::base::slab::Key;
use crate::config::limits::SOURCE_LIMIT_BYTES;
use crate::config::settings::Settings;
use crate::interface::message::Response;

/// A tree that may become a check.
#[derive(Debug)]
pub struct Tree {
    /// The sender; none where clients are not counted.
    pub client: Option<ClientAddr>,
    pub options: UploadOptions,
    pub incoming: IncomingFile,
    pub format: Format,
    /// Its manifest names URLs.
    pub dependencies: bool,
    /// The hash of what its manifests name, where they could be read.
    pub manifest: Option<String>,
}

#[derive(Debug)]
struct Upload {
    sender: Sender,
    options: UploadOptions,
    incoming: IncomingFile,
    /// It may be what `curl -d @FILE` leaves of a file: a form without one of the bytes that it takes out.
    is_stripped: bool,
}

impl Upload {
    /// The answer to an upload that is no archive, for this reason.
    fn rejection(&self, why: &str) -> Response {
        match self.is_stripped && self.incoming.bytes > 0 {
            false => Response::error(400, why),
            true => {
                let sentence = "curl -d takes line ends and zero bytes out of a file; \
                                use curl --data-binary @FILE, or --data-binary @- for a pipe";
                Response::error(415, sentence)
            }
        }
    }
}

/// The sender of an upload.
#[derive(Debug, Clone, Copy)]
pub struct Sender {
    pub client: Option<ClientAddr>,
    /// The rate limit was charged with the whole length at the head; else each piece is charged.
    pub is_charged: bool,
    /// The head calls the body a form, as curl does by default.
    pub is_form: bool,
}

pub struct Uploads {
    sources: PathBuf,
    /// Makes the names of part files.
    begun: u64,
    receiving: HashMap<Key, Upload>,
    inspecting: VecDeque<(Key, Upload, Inspection)>,
}

impl Uploads {
    pub fn new(settings: &Settings) -> Uploads {
        Uploads {
            sources: settings.data.join("sources"),
            begun: 0,
            receiving: HashMap::new(),
            inspecting: VecDeque::new(),
        }
    }

    /// Begins an upload that was admitted.
    pub fn begin(
        &mut self,
        conn: Key,
        sender: Sender,
        options: UploadOptions,
    ) -> Result<(), Error> {
        self.begun += 1;
        let part = format!("upload-{}.part", self.begun);
        let incoming = IncomingFile::create(&self.sources, &part, SOURCE_LIMIT_BYTES);
        let upload = Upload {
            sender,
            options,
            incoming: incoming.map_err(|error| Error::not_stored(&error))?,
            is_stripped: sender.is_form,
        };
        self.receiving.insert(conn, upload);
        Ok(())
    }

    /// 429 or 503 where the limits on uploads at once, by number or bytes, allow no further one of that client.
    pub fn check_limits(&self, client: Option<ClientAddr>) -> Result<(), Response> {
        let later = |status, why: &str| Err(Response::later(status, why, UPLOADS_PAUSE_MS));
        let (count, bytes) = self.totals(|_| true);
        if count >= UPLOADS_LIMIT || bytes >= UPLOADS_LIMIT_BYTES {
            return later(503, "too many uploads at once: try again in a moment");
        }
        let is_own = |upload: &Upload| client.is_some() && upload.sender.client == client;
        let (count, bytes) = self.totals(is_own);
        if count >= ADDRESS_UPLOADS_LIMIT || bytes >= ADDRESS_UPLOADS_LIMIT_BYTES {
            return later(429, "too many uploads at once from your address");
        }
        Ok(())
    }

    /// The number and the bytes of the uploads that are selected.
    fn totals(&self, is_selected: impl Fn(&Upload) -> bool) -> (usize, u64) {
        let receiving = self.receiving.values();
        let inspecting = self.inspecting.iter().map(|(_, upload, _)| upload);
        let all = receiving.chain(inspecting);
        let selected = all.filter(|upload| is_selected(upload));
        selected.fold((0, 0), |(count, bytes), upload| {
            (count + 1, bytes + upload.incoming.bytes)
        })
    }

    /// The client whose rate limit each piece of this upload is charged to, if one is.
    pub fn client_to_charge(&self, conn: Key) -> Option<ClientAddr> {
        let sender = self.receiving.get(&conn)?.sender;
        sender.client.filter(|_| !sender.is_charged)
    }

    /// Stores a piece. Pieces after an answer that ended the upload are dropped.
    pub fn body(&mut self, conn: Key, bytes: &[u8]) -> Result<(), Error> {
        let Some(upload) = self.receiving.get_mut(&conn) else {
            return Ok(());
        };
        upload.is_stripped &= !bytes.iter().any(|byte| b"\r\n\0".contains(byte));
        let written = upload.incoming.write(bytes);
        written.map_err(|error| {
            self.receiving.remove(&conn);
            match error {
                WriteError::Disk(error) => Error::not_stored(&error),
                WriteError::TooLarge { .. } => Response::error(413, &error.to_string()).into(),
            }
        })
    }

    /// The upload is complete: its inspection begins.
    pub fn end(&mut self, conn: Key) -> Result<(), Error> {
        let Some(upload) = self.receiving.remove(&conn) else {
            return Ok(());
        };
        let inspection = Inspection::open(upload.incoming.path());
        let inspection = inspection.map_err(|error| Error::not_stored(&error))?;
        self.inspecting.push_back((conn, upload, inspection));
        Ok(())
    }

    pub fn has_work(&self) -> bool {
        !self.inspecting.is_empty()
    }

    /// Inspects the next slice of the upload that has waited longest; gives the result of one that was inspected to
    /// its end.
    pub fn step(&mut self) -> Option<(Key, Result<Tree, Error>)> {
        let (_, _, inspection) = self.inspecting.front_mut()?;
        let result = match inspection.step(INSPECT_BUDGET_BYTES) {
            Progress::More => return None,
            Progress::Rejected(why) => Err(why),
            Progress::Accepted(summary) => Ok(summary),
        };
        let (conn, upload, _) = self.inspecting.pop_front()?;
        let result = result.map_err(|why| upload.rejection(&why).into());
        let tree = result.map(|summary| Tree {
            client: upload.sender.client,
            options: upload.options,
            incoming: upload.incoming,
            format: summary.format,
            dependencies: summary.dependencies,
            manifest: summary.manifest,
        });
        Some((conn, tree))
    }

    /// Ends all uploads; gives their connections.
    pub fn end_all(&mut self) -> Vec<Key> {
        let receiving = self.receiving.drain().map(|(conn, _)| conn);
        let inspecting = self.inspecting.drain(..).map(|(conn, ..)| conn);
        receiving.chain(inspecting).collect()
    }

    /// Ends the upload of a connection, if it has one.
    pub fn abort(&mut self, conn: Key) {
        self.receiving.remove(&conn);
        self.inspecting.retain(|(of, _, _)| *of != conn);
    }
}
