//! A scan for rows that may be deleted: bounded, and continued where it stopped.

/// The bounds of one scan.
#[derive(Debug, Clone, Copy)]
pub struct ScanLimits {
    /// Rows to delete.
    pub found: usize,
    /// Rows examined.
    pub examined: usize,
}

/// The outcome of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanResult<Id, Position> {
    /// What may be deleted.
    pub free: Vec<Id>,
    /// Something that should be deleted is still in use.
    pub blocked: bool,
    /// Where the next scan continues; none at the end of the table.
    pub after: Option<Position>,
}

impl<Id, Position> ScanResult<Id, Position> {
    pub(super) fn new() -> ScanResult<Id, Position> {
        ScanResult {
            free: Vec::new(),
            blocked: false,
            after: None,
        }
    }

    /// Adds a row that was examined; true if the scan ends with it.
    pub(super) fn add(
        &mut self,
        id: Id,
        position: Position,
        is_free: bool,
        examined: usize,
        limits: ScanLimits,
    ) -> bool {
        match is_free {
            true => self.free.push(id),
            false => self.blocked = true,
        }
        let is_done = self.free.len() >= limits.found || examined >= limits.examined;
        self.after = is_done.then_some(position);
        is_done
    }
}
