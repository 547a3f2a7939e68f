//! What the outcome of a job depends on besides its output.

use std::path::Path;

use crate::app::builds::build::JobKind;
use crate::app::domain::verdict::ResourceLimits;
use crate::app::engine::docker::RecordId;

/// What the outcome of a job depends on besides its output.
pub struct AttemptContext<'a> {
    /// None for a task whose containers write no record.
    pub record_id: Option<RecordId>,
    /// What comes when the dependencies are there: the main job or, before that, the request for a slot.
    pub next: JobKind,
    /// What the source and its dependencies are for.
    pub main: JobKind,
    /// Its container runs on a node of a cluster: only what the container itself says is believed.
    pub is_scheduled: bool,
    pub sources: &'a Path,
    pub limits: ResourceLimits,
    /// The engine may still create the container: an earlier run of the server asked for it a moment ago.
    pub not_yet_visible: bool,
}

impl AttemptContext<'_> {
    /// What identifies the record of the build or the analysis.
    pub fn expected_record(&self) -> &RecordId {
        let record_id = self.record_id.as_ref();
        record_id.expect("a build or an analysis writes a record")
    }
}
