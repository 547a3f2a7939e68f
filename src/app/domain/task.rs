//! What takes a slot, and with what right.

/// What takes a slot: fetching the source of a check, a build, a look at the remote of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    FetchSource(i64),
    Build(i64),
    CheckRemote(i64),
}

impl Task {
    pub fn of(kind: i64, id: i64) -> Option<Task> {
        match kind {
            0 => Some(Task::FetchSource(id)),
            1 => Some(Task::Build(id)),
            2 => Some(Task::CheckRemote(id)),
            _ => None,
        }
    }

    pub fn kind(self) -> i64 {
        match self {
            Task::FetchSource(_) => 0,
            Task::Build(_) => 1,
            Task::CheckRemote(_) => 2,
        }
    }

    pub fn id(self) -> i64 {
        match self {
            Task::FetchSource(id) | Task::Build(id) | Task::CheckRemote(id) => id,
        }
    }
}

/// Why work is there; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    Interactive,
    Admin,
    Toolchain,
    Recheck,
}

impl Priority {
    pub const ALL: [Priority; 4] = [
        Priority::Interactive,
        Priority::Admin,
        Priority::Toolchain,
        Priority::Recheck,
    ];

    pub fn of(number: i64) -> Option<Priority> {
        let number = usize::try_from(number).ok()?;
        Priority::ALL.get(number).copied()
    }

    pub fn number(self) -> i64 {
        self as i64
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Priority::Interactive => "a person asked",
            Priority::Admin => "an admin asked",
            Priority::Toolchain => "the toolchain is new",
            Priority::Recheck => "the daily look",
        }
    }
}

/// What waits, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub task: Task,
    pub priority: Priority,
    /// Who asked, or whose package it is.
    pub tenant: String,
    pub popularity: i64,
}

/// Why others start before what waits, other than that they come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// Its time has not come.
    Backoff,
    /// Its party holds its share of the slots, and others wait.
    FairShare,
}

impl WaitReason {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            WaitReason::Backoff => "it is tried again after a pause",
            WaitReason::FairShare => "who asked holds half of the slots, and others wait",
        }
    }
}

/// What waits, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub entry: Entry,
    /// Unix milliseconds; none where its time has come.
    pub not_before: Option<i64>,
    pub wait_reason: Option<WaitReason>,
}
