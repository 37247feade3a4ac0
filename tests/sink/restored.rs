//! A law over random histories of a log and its warehouse: batches, crashes between plan, write and commit, offset resets, and copies of
//! the log or of the warehouse that are restored, or a warehouse that is removed.
//!
//! `TEST_LAW_SEED` replays one history, `TEST_LAW_CASES` sets their number.
//! Invariant: the expected content is written from the start of a copy of the log, in an epoch that no plan has.
//! Not here: the decision itself (`sinks::recovery`), the commands after a restore (`tests/commands/restored.rs`).
use crate::{
    common::{Chance, Fastbreak, copy_database},
    fault_injection::{CommitKind, Fault, append, deliver, part, sink_offsets},
};
use fastbreak::warehouse::path_in;
use runtime::{Commit, LogReader, LogWriter};
use runtime_embedded::EmbeddedLog;
use rusqlite::Connection;
use sinks::{
    SINK, Sqlite, Warehouse,
    continuity::{Continuity, ContinuityCheck, has_written},
    reconciler::Reconciler,
    sqlite::examine,
    subscription::subscription,
    warehouse::ContentHash,
};
use std::path::Path;

fn content(folder: &Path) -> Option<Vec<ContentHash>> {
    let path = path_in(folder);
    let warehouse = path.exists().then(|| Sqlite::open_read_only(&path).unwrap());
    warehouse.map(|warehouse| warehouse.content_hashes().unwrap().done().unwrap())
}
/// Returns the content that a fresh run over the log writes.
fn expected(data: &Fastbreak) -> Vec<ContentHash> {
    let fresh = Fastbreak::new();
    copy_database("log.db", data.folder.path(), fresh.folder.path());
    let id = EmbeddedLog::open(fresh.folder.path()).unwrap().id().unwrap();
    drop(Sqlite::open(&path_in(fresh.folder.path())).unwrap());
    let db = Connection::open(path_in(fresh.folder.path())).unwrap();
    db.execute("UPDATE warehouse_meta SET log_id = ?1, epoch = 1000000, rebuilding = 1", [id]).unwrap();
    drop(db);
    deliver(&fresh, None, 10_000, None).unwrap();
    content(fresh.folder.path()).unwrap()
}
/// True if the checks of `audit` that concern the warehouse find nothing.
fn is_green(data: &Fastbreak) -> bool {
    let folder = data.folder.path();
    let mut log = EmbeddedLog::open_read_only(folder).unwrap();
    let path = path_in(folder);
    if !path.exists() {
        return !has_written(&mut log).unwrap();
    }
    let warehouse = Sqlite::open_read_only(&path).unwrap();
    let continuity = ContinuityCheck::default().check(&mut log, &warehouse).unwrap().done().unwrap();
    let compared = Reconciler::default().reconcile(&mut log, &warehouse, &|| false).unwrap().done().unwrap();
    continuity == Continuity::Continues
        && compared.skipped.is_none()
        && compared.mismatches.is_empty()
        && examine(&path, false).unwrap().problems.is_empty()
}
fn is_read_to_end(data: &Fastbreak) -> bool {
    EmbeddedLog::open_read_only(data.folder.path()).unwrap().is_caught_up(&[subscription(&[])]).unwrap()
}
fn reset_offsets(data: &Fastbreak, chance: &mut Chance) {
    let offsets = sink_offsets(data).into_iter();
    let offsets = offsets.map(|(at, next)| (at, chance.below(next.unsigned_abs() + 1) as i64)).collect();
    let commit = Commit { group: SINK.to_owned(), offsets, ..Commit::default() };
    EmbeddedLog::open(data.folder.path()).unwrap().append(commit).unwrap();
}

/// A log with its warehouse, and the copies that were made of both.
struct World {
    data: Fastbreak,
    logs: Vec<tempfile::TempDir>,
    warehouses: Vec<tempfile::TempDir>,
    chance: Chance,
    appended: usize,
    history: Vec<String>,
}
impl World {
    fn new(seed: u64) -> World {
        let (data, chance) = (part(12), Chance(seed));
        World { data, logs: vec![], warehouses: vec![], chance, appended: 0, history: vec![] }
    }
    /// Returns a number from 0 to n−1.
    fn below(&mut self, n: usize) -> usize {
        self.chance.below(n as u64) as usize
    }
    /// Appends records with few keys, so that records of two copies of the log get equal keys and offsets, but other content.
    fn append(&mut self) {
        for _ in 0..=self.below(2) {
            self.appended += 1;
            let (player, name) = (1 + self.below(3) as u32, format!("name {}", self.appended));
            append(&self.data, 1_000_000 + player, |event, player| {
                (event.player, event.name) = (player, name)
            });
        }
    }
    fn run(&mut self, fault: Option<(CommitKind, usize, Fault)>) {
        let records = 40 + self.below(400);
        if let Err(error) = deliver(&self.data, None, records, fault) {
            assert!(fault.is_some(), "{:?}: {error}", self.history);
            return;
        }
        let found = content(self.data.folder.path());
        assert_eq!(found, Some(expected(&self.data)), "after a run: {:#?}", self.history);
        assert!(is_green(&self.data), "after a run: {:#?}", self.history);
    }
    fn random_fault(&mut self) -> (CommitKind, usize, Fault) {
        const FAULTS: [Fault; 3] = [Fault::NotCommitted, Fault::CommittedThenCrashed, Fault::Aborted];
        const KINDS: [CommitKind; 4] =
            [CommitKind::Plan, CommitKind::Done, CommitKind::Plan, CommitKind::Begin];
        let kind = KINDS[self.below(KINDS.len())];
        (kind, self.below(3), FAULTS[self.below(FAULTS.len())])
    }
    fn step(&mut self) {
        let folder = self.data.folder.path().to_owned();
        let choice = self.below(12);
        self.history.push(format!("choice {choice}"));
        match choice {
            0 | 1 => self.append(),
            2 | 3 => self.run(None),
            4..=6 => {
                let fault = self.random_fault();
                self.history.push(format!("{fault:?}"));
                self.append();
                self.run(Some(fault));
            }
            7 | 8 => {
                let (log, warehouse) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
                copy_database("log.db", &folder, log.path());
                copy_database("warehouse.db", &folder, warehouse.path());
                self.logs.push(log);
                self.warehouses.push(warehouse);
            }
            9 if !self.logs.is_empty() => {
                let log = self.below(self.logs.len());
                copy_database("log.db", self.logs[log].path(), &folder);
            }
            10 if !self.warehouses.is_empty() => {
                let warehouse = self.below(self.warehouses.len());
                copy_database("warehouse.db", self.warehouses[warehouse].path(), &folder);
            }
            11 if self.below(2) == 0 => copy_database("warehouse.db", Path::new("/nonexistent"), &folder),
            11 => reset_offsets(&self.data, &mut self.chance),
            _ => self.append(),
        }
        if is_read_to_end(&self.data) && is_green(&self.data) {
            let found = content(&folder);
            assert_eq!(found, Some(expected(&self.data)), "a green audit: {:#?}", self.history);
        }
    }
}

#[test]
fn whatever_is_restored_the_next_run_writes_what_the_log_says_and_no_audit_passes_before() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cases = number("TEST_LAW_CASES").unwrap_or(16);
    let seeds = number("TEST_LAW_SEED").map_or(1..=cases, |seed| seed..=seed);
    for seed in seeds {
        let mut world = World::new(seed);
        world.history.push(format!("TEST_LAW_SEED={seed}"));
        for _ in 0..14 {
            world.step();
        }
        world.run(None);
    }
}

#[test]
fn a_log_and_a_warehouse_of_two_histories_with_equal_batch_ids_begin_a_new_epoch() {
    let data = part(12);
    let folder = data.folder.path();
    deliver(&data, None, 10_000, None).unwrap();
    let (first, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_database("log.db", folder, first.path());
    copy_database("warehouse.db", folder, first.path());
    let put = |name: &str| {
        append(&data, 1_000_001, |event, player| (event.player, event.name) = (player, name.into()));
        deliver(&data, None, 10_000, None).unwrap();
    };
    put("lost");
    copy_database("warehouse.db", folder, other.path());
    copy_database("log.db", first.path(), folder);
    copy_database("warehouse.db", first.path(), folder);
    put("kept");
    // Its newest batch has the id of the newest plan, but was planned by the log that is gone.
    copy_database("warehouse.db", other.path(), folder);
    assert!(!is_green(&data));
    deliver(&data, None, 10_000, None).unwrap();
    assert_eq!(content(folder), Some(expected(&data)));
    assert!(is_green(&data));
}

#[test]
fn a_crash_in_a_rebuild_before_a_log_is_restored_leaves_no_row_of_the_lost_records() {
    let data = part(12);
    let folder = data.folder.path();
    deliver(&data, None, 100, None).unwrap();
    let id = EmbeddedLog::open(folder).unwrap().id().unwrap();
    _ = Sqlite::open(&path_in(folder)).unwrap().take_ownership(&id).unwrap();
    let begun = Some((CommitKind::Plan, 1, Fault::NotCommitted));
    assert!(deliver(&data, None, 100, begun).is_err());
    let copied = tempfile::tempdir().unwrap();
    copy_database("log.db", folder, copied.path());
    append(&data, 1_000_001, |event, player| (event.player, event.name) = (player, "lost".into()));
    // The rebuild is not finished when the log is restored.
    assert!(deliver(&data, None, 10_000, Some((CommitKind::Done, 0, Fault::NotCommitted))).is_err());
    copy_database("log.db", copied.path(), folder);
    deliver(&data, None, 100, None).unwrap();
    assert_eq!(content(folder), Some(expected(&data)));
    assert!(is_green(&data));
}
