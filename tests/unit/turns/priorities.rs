//! Which priority goes first, and when another one does.

use super::{Line, MINUTE};
use zigcheck::app::domain::task::Priority;

#[test]
fn a_priority_that_waited_too_long_goes_first_and_every_second_time_at_most() {
    let mut line = Line::with(1);
    for number in 0..300 {
        line.push(Priority::Interactive, &format!("person {}", number % 7), 0);
        line.push(Priority::Admin, "x", 0);
        line.push(Priority::Toolchain, "y", 0);
        line.push(Priority::Recheck, "z", 0);
        line.push(Priority::Search, "z", 0);
    }
    // Builds of 5 minutes: the first three are always overdue, or nearly so.
    let (mut last, mut longest, mut start) = ([0; 5], [0; 5], [0; 5]);
    for _ in 0..300 {
        let priority = line.take().unwrap().priority as usize;
        longest[priority] = longest[priority].max(line.now - last[priority]);
        last[priority] = line.now;
        start[priority] += 1;
        line.now += 5 * MINUTE;
        line.end(0);
    }
    assert!(start[0] >= 150, "{start:?}");
    // What stands before a priority is every other start, and the starts of the three others between.
    let limits = [0, 1, 10, 30, 60].map(|bound: i64| bound * MINUTE + 8 * 5 * MINUTE);
    for priority in 0..5 {
        assert!(
            longest[priority] <= limits[priority],
            "{longest:?}, {start:?}"
        );
    }
}

#[test]
fn a_search_starts_when_nothing_else_may() {
    let mut line = Line::with(2);
    line.push(Priority::Search, "owner", 0);
    for _ in 0..3 {
        line.push(Priority::Interactive, "person", 0);
    }
    // The person has half of the slots, and nobody but a search waits beside.
    for _ in 0..2 {
        assert_eq!(line.take().unwrap().priority, Priority::Interactive);
    }
    line.end(0);
    assert_eq!(line.take().unwrap().priority, Priority::Interactive);
    line.end(0);
    assert_eq!(line.take().unwrap().priority, Priority::Search);
}

#[test]
fn the_analysis_for_other_targets_starts_when_nothing_else_may_however_long_it_waits() {
    let mut line = Line::with(2);
    line.push(Priority::Targets, "owner", 0);
    line.push(Priority::Interactive, "person", 0);
    line.push(Priority::Interactive, "person", 0);
    line.push(Priority::Search, "person", 0);
    line.now = 100_000 * MINUTE;
    // The person has half of the slots, and all tasks have waited for weeks.
    for wanted in [
        Priority::Search,
        Priority::Interactive,
        Priority::Interactive,
        Priority::Targets,
    ] {
        assert_eq!(line.take().unwrap().priority, wanted);
        line.end(0);
    }
}

#[test]
fn the_clock_of_a_priority_runs_from_its_last_start_or_its_first_work() {
    let mut line = Line::with(9);
    let takes = |line: &mut Line, minutes: i64, wanted: Priority| {
        line.now = minutes * MINUTE;
        let tenant = line.push(Priority::Interactive, &format!("at {minutes}"), 0);
        let taken = line.take().unwrap();
        assert_eq!(taken.priority, wanted, "after {minutes} minutes, {tenant}");
        line.end(0);
    };
    line.now = 10 * MINUTE;
    for _ in 0..3 {
        line.push(Priority::Toolchain, "x", 0);
    }
    takes(&mut line, 19, Priority::Interactive); // it waits since 10, not since 0
    takes(&mut line, 20, Priority::Toolchain);
    takes(&mut line, 21, Priority::Interactive);
    takes(&mut line, 29, Priority::Interactive);
    takes(&mut line, 30, Priority::Toolchain);
    line.restart(); // its clock starts anew
    takes(&mut line, 39, Priority::Interactive);
    takes(&mut line, 40, Priority::Toolchain);
    takes(&mut line, 99, Priority::Interactive);
}
