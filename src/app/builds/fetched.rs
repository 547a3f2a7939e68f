//! What a fetch of a source gives.

use crate::app::domain::declared::Declared;
use crate::app::store::sources::SourceRow;

/// A fetched source.
#[derive(Debug)]
pub struct Fetched {
    pub source: SourceRow,
    pub commit: Option<String>,
    /// When the commit was made, in seconds since 1970.
    pub commit_time: Option<i64>,
    /// The URLs that its manifests name, as they stand there.
    pub uses: Vec<String>,
    pub declared: Vec<Declared>,
    /// The commits that the fetch was asked about and that are in its history.
    pub ancestors: Vec<String>,
}
