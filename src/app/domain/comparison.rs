//! What a newer Zig version changes for a package: a commit under the older and the newer one, side by side.

use crate::app::domain::verdict::{Reason, Statuses, str_enum};

str_enum! {
    /// What changed for a package between two versions. Each package that was tried under both has exactly one.
    Outcome {
        NewlyBroken = "newly_broken",
        NewlyFixed = "newly_fixed",
        StillFailing = "still_failing",
        StillWorking = "still_working",
        NotExercised = "not_exercised",
        NotItsDoing = "not_its_doing",
    }
}

/// What a commit came to under one version. `T` is a text, or the id of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried<T> {
    pub statuses: Statuses,
    pub reason: Option<Reason>,
    pub error_key: Option<T>,
    /// Where the error is: in the package, its build script, its manifest, or a dependency, and which.
    pub error_place: Option<T>,
}

/// What packages have in common that broke in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cause<T> {
    pub error_key: Option<T>,
    pub error_place: Option<T>,
    /// Where there is no error to go by.
    pub reason: Option<Reason>,
}

/// What a try says about the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It builds, and neither its tests nor its import failed.
    Works,
    /// The same, but nothing was compiled.
    BuildsUnexercised,
    Fails,
    Nothing,
}

impl<T: Clone> Tried<T> {
    fn said(&self) -> Said {
        match self.statuses.works() {
            None => Said::Nothing,
            Some(false) => Said::Fails,
            Some(true) if self.statuses.compiled == Some(0) => Said::BuildsUnexercised,
            Some(true) => Said::Works,
        }
    }

    /// True where it builds, and neither its tests nor its import failed.
    pub fn works(&self) -> bool {
        matches!(self.said(), Said::Works | Said::BuildsUnexercised)
    }

    pub fn fails(&self) -> bool {
        self.said() == Said::Fails
    }

    /// Why it failed: by its error or, without one, by its reason.
    pub fn cause(&self) -> Cause<T> {
        let reason = self.reason.filter(|_| self.error_key.is_none());
        Cause {
            error_key: self.error_key.clone(),
            error_place: self.error_place.clone(),
            reason,
        }
    }
}

/// What changed from the older to the newer version, and why the package broke, if it did.
pub fn compare<T: Clone>(older: &Tried<T>, newer: &Tried<T>) -> (Outcome, Option<Cause<T>>) {
    let outcome = match (older.said(), newer.said()) {
        (Said::Nothing, _) | (_, Said::Nothing) => Outcome::NotItsDoing,
        (Said::Fails, Said::Fails) => Outcome::StillFailing,
        (Said::Fails, _) => Outcome::NewlyFixed,
        (_, Said::Fails) => Outcome::NewlyBroken,
        (Said::Works, Said::Works) => Outcome::StillWorking,
        (Said::BuildsUnexercised, _) | (_, Said::BuildsUnexercised) => Outcome::NotExercised,
    };
    let is_broken = outcome == Outcome::NewlyBroken;
    (outcome, is_broken.then(|| newer.cause()))
}

/// Which commit of a package is compared of those that were tried under both versions: the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Both tries came to a verdict on the package.
    pub is_verdict: bool,
    /// When it was made, in seconds since 1970; lower than any time if that is unknown.
    pub commit_time: i64,
    /// The newer one of its two rows in the history.
    pub row: i64,
}

/// One verdict on a package under a version: a row of its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<T> {
    pub commit: Vec<u8>,
    pub commit_time: i64,
    /// Rises with each verdict.
    pub row: i64,
    pub tried: Tried<T>,
}

/// How a package got past an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GotPast<T> {
    pub cause: Cause<T>,
    /// The last commit that failed, and the first one behind it that was tried and works.
    pub failing: Vec<u8>,
    pub working: Vec<u8>,
}

/// How a package that works now got past its last failure, by its verdicts under one version, in any order.
pub fn got_past<T: Clone>(mut steps: Vec<Step<T>>) -> Option<GotPast<T>> {
    steps.sort_by_key(|step| std::cmp::Reverse(step.row));
    let mut latest: Vec<Step<T>> = Vec::new();
    for step in steps {
        if !latest.iter().any(|known| known.commit == step.commit) {
            latest.push(step);
        }
    }
    latest.sort_by_key(|step| (step.commit_time, step.row));
    let failing = latest.iter().rposition(|step| step.tried.fails())?;
    let working = latest.get(failing + 1)?;
    let failing = &latest[failing];
    Some(GotPast {
        cause: failing.tried.cause(),
        failing: failing.commit.clone(),
        working: working.commit.clone(),
    })
}
