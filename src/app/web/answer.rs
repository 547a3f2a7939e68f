//! What a handler gives: an answer, or why there is none.

use std::io;

use crate::app::domain::disk_space::is_full;
use crate::app::domain::ids::PackageId;
use crate::interface::event::Streamed;
use crate::interface::message::Response;

#[derive(Debug)]
pub enum Answer {
    Response(Response),
    /// A head, and a body that is pulled.
    Stream(Response, Streamed),
    /// The connection becomes a WebSocket, whose messages are pulled.
    Upgrade,
    /// The answer follows in a later turn.
    Later,
}

/// What a read gives.
#[derive(Debug, PartialEq)]
pub struct Shown {
    pub response: Response,
    /// The package that the answer is about: whoever reads it has viewed that.
    pub viewed: Option<PackageId>,
}

impl From<Response> for Shown {
    fn from(response: Response) -> Shown {
        Shown {
            response,
            viewed: None,
        }
    }
}

#[derive(Debug)]
pub enum Error {
    /// This answer says why.
    Refused(Response),
    /// A write met the end of the disk; the sentence says what was not stored.
    DiskFull(String),
    /// The database failed before anything of this request was written: the client may try again.
    Database(rusqlite::Error),
    /// The database failed between writes that belong together: nothing of this turn may be committed.
    HalfWritten(rusqlite::Error),
}

impl Error {
    pub fn not_found(noun: &str) -> Error {
        let sentence = format!("there is no such {noun}");
        Error::Refused(Response::error(404, &sentence))
    }

    /// The same error once something of the request is written.
    pub fn half_written(self) -> Error {
        match self {
            Error::Database(error) => Error::HalfWritten(error),
            other => other,
        }
    }

    /// The file of an upload was not written.
    pub fn not_stored(error: &io::Error) -> Error {
        let sentence = format!("the upload cannot be stored: {error}");
        match is_full(error) {
            true => Error::DiskFull(sentence),
            false => Error::Refused(Response::error(503, &sentence)),
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Response(response)
    }
}

impl From<Response> for Error {
    fn from(response: Response) -> Error {
        Error::Refused(response)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Database(error)
    }
}
