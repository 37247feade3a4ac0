//! Compares the embedded log with the log in memory: the same history gives the same content, with any compactions and restarts.
//!
//! Invariant: the content of the tables does not depend on the kind of log.
//! Not here: the invariants of the log file (crate `runtime-embedded`).
use crate::{
    accounting::checked_content,
    batch::batch,
    harness::{Schedule, content, run},
    histories::{shuffled, tiny_season},
    log::{FileLog, TestLog},
    random::Random,
    seeds,
    streams::assert_same,
};

#[test]
fn the_embedded_log_has_the_content_of_the_log_in_memory_over_restarts_and_compaction() {
    for seed in seeds(8, 1) {
        let raw_events = tiny_season(seed.0);
        let folder = tempfile::tempdir().unwrap();
        let mut log = FileLog::open(folder.path().into());
        let schedule = Schedule {
            max_read_records: 400,
            commit_percent: 30,
            compaction_percent: 10,
            restart_percent: 3,
            ..Schedule::random(seed.0)
        };
        run(&mut log, shuffled(&raw_events, &mut Random::new(seed.0)), schedule, |_| true);
        let expected = content(&mut batch(&raw_events));
        assert_same(&checked_content(&mut log), &expected);
        // Compacts the log to its end and opens it again. `checked_content` then also checks that a restored instance publishes nothing.
        for draw in 0..400 {
            log.compact(draw, &Vec::new());
        }
        drop(log);
        let mut log = FileLog::open(folder.path().into());
        assert_same(&checked_content(&mut log), &expected);
    }
}
