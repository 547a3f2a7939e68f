//! What takes a slot, and with what right.

/// What takes a slot: fetching the source of a check, a build, a look at the remote of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    Source(i64),
    Build(i64),
    Remote(i64),
}

impl Work {
    pub fn of(kind: i64, id: i64) -> Option<Work> {
        match kind {
            0 => Some(Work::Source(id)),
            1 => Some(Work::Build(id)),
            2 => Some(Work::Remote(id)),
            _ => None,
        }
    }

    pub fn kind(self) -> i64 {
        match self {
            Work::Source(_) => 0,
            Work::Build(_) => 1,
            Work::Remote(_) => 2,
        }
    }

    pub fn id(self) -> i64 {
        match self {
            Work::Source(id) | Work::Build(id) | Work::Remote(id) => id,
        }
    }
}

/// Why work is there; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    Person,
    Admin,
    Toolchain,
    Recheck,
}

impl Class {
    pub const ALL: [Class; 4] = [
        Class::Person,
        Class::Admin,
        Class::Toolchain,
        Class::Recheck,
    ];

    pub fn of(number: i64) -> Option<Class> {
        let number = usize::try_from(number).ok()?;
        Class::ALL.get(number).copied()
    }

    pub fn number(self) -> i64 {
        self as i64
    }

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Class::Person => "a person asked",
            Class::Admin => "an admin asked",
            Class::Toolchain => "the toolchain is new",
            Class::Recheck => "the daily look",
        }
    }
}

/// What waits, and with what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub work: Work,
    pub class: Class,
    /// Who asked, or whose package it is.
    pub party: String,
    pub popularity: i64,
}

/// Why others start before what waits, other than that they come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// Its time has not come.
    Pause,
    /// Its party holds its share of the slots, and others wait.
    Share,
}

impl HeldBack {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            HeldBack::Pause => "it is tried again after a pause",
            HeldBack::Share => "who asked holds half of the slots, and others wait",
        }
    }
}

/// What waits, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub entry: Entry,
    /// Unix milliseconds; none where its time has come.
    pub not_before: Option<i64>,
    pub held_back_by: Option<HeldBack>,
}
