//! What became of the rows of an import: how many were taken, known already and refused, and why.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::control_chars::is_control;

/// Reasons with a line of their own, for one kind of rows: a file that is what it should be has few.
const REASONS_LIMIT: usize = 32;
/// Rows that are named with their reason; the others are counted.
const NAMED_LIMIT: usize = 20;

/// What became of rows of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub taken: u64,
    pub known: u64,
    /// There is nothing in them.
    pub empty: u64,
    refused: BTreeMap<String, Refused>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Refused {
    count: usize,
    named: Vec<String>,
}

impl Tally {
    pub fn refuse(&mut self, name: &str, reason: &str) {
        let is_full = self.refused.len() >= REASONS_LIMIT;
        let reason = match is_full && !self.refused.contains_key(reason) {
            true => "other reasons",
            false => reason,
        };
        let rows = self.refused.entry(reason.to_string()).or_default();
        rows.count += 1;
        if rows.named.len() < NAMED_LIMIT {
            rows.named.push(name.to_string());
        }
    }

    pub fn refused(&self) -> usize {
        self.refused.values().map(|rows| rows.count).sum()
    }
}

/// One line of counts, and one for each reason.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} taken, {} known already", self.taken, self.known)?;
        if self.empty > 0 {
            write!(f, ", {} without a verdict", self.empty)?;
        }
        writeln!(f, ", {} refused", self.refused())?;
        for (reason, rows) in &self.refused {
            let more = match rows.count - rows.named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let line = format!("{reason}: {}{more}", rows.named.join(", "));
            // A terminal obeys some of what a file may hold.
            writeln!(f, "  {}", line.replace(is_control, "\u{fffd}"))?;
        }
        Ok(())
    }
}
