//! The embedded log against the one in memory: the same history gives the same content, whatever is compacted and restarted.
//!
//! Invariant: which log is used cannot be seen in any table.
//! Not here: the file's own invariants (`runtime`).
use crate::{
    accounts::sound,
    harness::{Plan, batch, content, run},
    histories::{shuffled, tiny},
    log::OnDisk,
    random::Random,
    seeds,
    streams::assert_same,
};

#[test]
fn the_embedded_log_gives_the_content_of_the_one_in_memory_over_restarts_and_compaction() {
    for seed in seeds(8, 2) {
        let raw = tiny(seed.0);
        let folder = tempfile::tempdir().unwrap();
        let mut log = OnDisk::new(folder.path().into());
        let plan = Plan { batch: 400, commits: 30, compactions: 10, restarts: 3, ..Plan::random(seed.0) };
        run(&mut log, shuffled(&raw, &mut Random::new(seed.0)), plan, |_| true);
        let should = content(&mut batch(&raw));
        assert_same(&sound(&mut log), &should);
        // Compacted to the end, opened again, and restored: nothing is read, nothing is published anew.
        for draw in 0..400 {
            crate::log::Store::compact(&mut log, draw, &Vec::new());
        }
        drop(log);
        let mut log = OnDisk::new(folder.path().into());
        assert_same(&sound(&mut log), &should);
    }
}
