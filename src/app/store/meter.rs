//! What statements cost: a budget for reads, and the steps of each statement for a test that compares them.
//!
//! A step is one instruction of SQLite's virtual machine. Steps need no clock, and are the same on every machine.

use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ErrorCode, Statement, StatementStatus};

/// Steps between two looks at the budget.
const PULSE_STEPS: u64 = 1_000;
const UNLIMITED: u64 = u64::MAX;

/// How many steps the statements of one read may still take together.
#[derive(Debug, Clone)]
pub struct Budget(Arc<AtomicU64>);

impl Budget {
    /// The budget of a connection, whose statements are interrupted once it is used up.
    pub(super) fn of(db: &Connection) -> Budget {
        let left = Arc::new(AtomicU64::new(UNLIMITED));
        let budget = Budget(left.clone());
        let is_used_up = move || match left.load(Ordering::Relaxed) {
            UNLIMITED => false,
            0 => true,
            pulses => {
                left.store(pulses - 1, Ordering::Relaxed);
                false
            }
        };
        db.progress_handler(PULSE_STEPS as i32, Some(is_used_up));
        budget
    }

    pub(super) fn begin(&self, steps: u64) {
        self.0.store(steps / PULSE_STEPS, Ordering::Relaxed);
    }

    /// Lifts the limit; gives the steps that were left.
    pub(super) fn end(&self) -> u64 {
        let left = self.0.swap(UNLIMITED, Ordering::Relaxed);
        left * PULSE_STEPS
    }
}

/// True if a statement ended because the budget was used up.
pub fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// A statement that was run, where the program says so, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    pub file: &'static str,
    pub line: u32,
    pub sql: String,
    pub steps: i32,
    /// How often SQLite compiled it anew since it was prepared.
    pub compiled_again: i32,
}

thread_local! {
    static COSTS: RefCell<Option<Vec<Cost>>> = const { RefCell::new(None) };
}

/// The cost of each statement that this thread runs meanwhile.
pub fn costs(run: impl FnOnce()) -> Vec<Cost> {
    COSTS.set(Some(Vec::new()));
    run();
    COSTS.take().unwrap_or_default()
}

/// Notes what a statement has cost, and writes into the log which one was interrupted.
pub(super) fn note<T>(
    at: &'static Location<'static>,
    sql: &str,
    statement: &Statement,
    result: rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    COSTS.with_borrow_mut(|costs| {
        if let Some(costs) = costs {
            costs.push(Cost {
                file: at.file(),
                line: at.line(),
                sql: sql.to_string(),
                steps: statement.reset_status(StatementStatus::VmStep),
                compiled_again: statement.get_status(StatementStatus::RePrepare),
            });
        }
    });
    if result.as_ref().is_err_and(is_interrupted) {
        log::warn!(
            "a read was interrupted at its budget, in {}:{}: {sql}",
            at.file(),
            at.line()
        );
    }
    result
}
