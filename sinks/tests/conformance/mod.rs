//! The conformance suite: `conformance!(fresh)` defines its tests for a warehouse that the expression `fresh` creates.
//!
//! Invariant: the suite uses a warehouse only through the trait `Warehouse`.
//! Not here: the tables and files of a warehouse.
pub mod drive;
pub mod events;
pub mod histories;

pub use histories::random_histories_converge;

use events::{features, id, played, player_game, prediction, ruled_out};
use schemas::{Line, PlayerGameDateId, Timestamp, prediction::Prediction};
use sinks::{
    Batch, BatchPlan, DateRange, Progress, Record, RecordChange, SinkTopic, TopicPartitionOffset, Warehouse,
    WarehouseError, WriteSummary, WriterId,
    control_totals::{Comparison, LatestByKey, is_in_flight},
};
use std::collections::BTreeSet;

/// Calls the macro `$with` with the expression `$more`, if it is given, and the names of all tests.
#[macro_export]
macro_rules! cases {
    ($with:ident $(, $more:expr)?) => {
        $with!($($more;)?
            the_same_batch_twice_changes_nothing,
            an_older_record_changes_nothing,
            a_deleted_row_is_not_restored_by_an_older_record,
            a_moved_main_line_leaves_no_row_of_the_old_ladder,
            a_candidate_ruled_out_later_has_no_predictions,
            a_player_who_did_not_play_has_no_row,
            a_record_with_unchanged_content_is_counted_as_unchanged,
            a_rebuilt_log_is_rejected_until_it_takes_ownership,
            a_rebuild_deletes_rows_without_a_record_in_the_log,
            bad_records_are_reported_and_nothing_is_written,
            a_filtered_batch_writes_only_the_games_of_its_days,
            control_totals_show_which_records_the_live_rows_come_from,
            the_newest_batch_is_the_one_that_was_stored_last_in_the_epoch,
        );
    };
}

/// Defines the tests, each with a new warehouse.
#[macro_export]
macro_rules! conformance {
    ($fresh:expr) => {
        $crate::cases!(conformance, $fresh);
        #[test]
        fn random_histories_converge() {
            conformance::random_histories_converge(&$fresh);
        }
    };
    ($fresh:expr; $($law:ident),+ $(,)?) => {
        $(#[test] fn $law() { conformance::$law(&mut $fresh()); })+
    };
}

pub const LOG: &str = "log-1";
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub fn record(offset: i64, change: RecordChange) -> Record {
    Record { coordinates: TopicPartitionOffset { input: change.input(), partition: 0, offset }, change }
}
/// Returns the result of a call whose operation must be done, because the warehouse is fast.
pub fn done<T>(result: Result<Progress<T>, WarehouseError>) -> Result<T, WarehouseError> {
    match result? {
        Progress::Done(result) => Ok(result),
        Progress::Pending(what) => panic!("{what}"),
    }
}
fn plan(w: &dyn Warehouse, log: &str, batch: &Batch) -> BatchPlan {
    let epoch = done(w.writer_state()).unwrap().epoch;
    BatchPlan::new(WriterId { sink: "warehouse".into(), log: log.into(), epoch }, batch, NOW)
}
/// Writes records as one batch of this log.
pub fn write_as(
    w: &mut dyn Warehouse,
    log: &str,
    records: &[Record],
) -> Result<WriteSummary, WarehouseError> {
    done(w.acquire(log))?;
    let batch = Batch::from_records(records.iter().cloned()).unwrap();
    let plan = plan(w, log, &batch);
    let written = done(w.write(&batch, &plan, NOW))?;
    assert!(done(w.is_committed(&plan.id))?);
    let sum = written.applied + written.unchanged + written.stale + written.superseded + written.rejected;
    assert_eq!(written.records, sum, "a record has no outcome");
    Ok(written)
}
pub fn write(w: &mut dyn Warehouse, records: &[Record]) -> WriteSummary {
    write_as(w, LOG, records).unwrap()
}
/// Returns the content hashes of all tables.
pub fn content(w: &dyn Warehouse) -> Vec<(&'static str, u64, String)> {
    done(w.content_hashes()).unwrap().into_iter().map(|c| (c.table, c.rows, c.hash)).collect()
}
fn rows(w: &dyn Warehouse, table: &str) -> u64 {
    content(w).iter().find(|c| c.0 == table).unwrap().1
}

fn one() -> PlayerGameDateId {
    id(1, 61)
}
fn predicted(line: i32) -> RecordChange {
    RecordChange::Prediction(one(), Some(prediction(one(), Line(line))))
}
fn all_three() -> Vec<Record> {
    vec![
        record(10, predicted(2450)),
        record(11, RecordChange::Features(one(), Some(features(one(), 1)))),
        record(12, RecordChange::PlayerGame(played(one()), Some(player_game(one(), Some(31))))),
    ]
}

pub fn the_same_batch_twice_changes_nothing(w: &mut dyn Warehouse) {
    let first = write(w, &all_three());
    assert_eq!((first.applied, first.already_committed), (3, false));
    let before = content(w);
    assert_eq!(write(w, &all_three()), WriteSummary { already_committed: true, ..first });
    // Writes the same records in different batches.
    for record in all_three() {
        assert_eq!(write(w, &[record]).stale, 1);
    }
    assert_eq!(content(w), before);
}

pub fn the_newest_batch_is_the_one_that_was_stored_last_in_the_epoch(w: &mut dyn Warehouse) {
    done(w.acquire(LOG)).unwrap();
    let newest = |w: &dyn Warehouse, epoch| done(w.newest_batch(epoch)).unwrap();
    assert_eq!(newest(w, 1), None);
    // The order of writing counts, not that of the ids or of the plans.
    let mut put = |epoch: i64, offset: i64, planned_at: i64| {
        let batch = Batch::from_records([record(offset, predicted(2450))]).unwrap();
        let writer = WriterId { sink: "warehouse".into(), log: LOG.into(), epoch };
        let plan = BatchPlan::new(writer, &batch, Timestamp(NOW.0 + planned_at));
        done(w.write(&batch, &plan, NOW)).unwrap();
        (plan.stored(), newest(w, epoch))
    };
    for (offset, planned_at) in [(10, 7), (4, 3), (11, 5), (2, 9)] {
        let (stored, newest) = put(1, offset, planned_at);
        assert_eq!(newest, Some(stored));
    }
    let (repeated, newest_of_all) = put(1, 4, 20);
    assert_ne!(newest_of_all.as_ref().map(|stored| &stored.id), Some(&repeated.id));
    assert_eq!(done(w.take_ownership(LOG)).unwrap(), 2);
    assert_eq!((newest(w, 2), newest(w, 1)), (None, newest_of_all));
}

pub fn an_older_record_changes_nothing(w: &mut dyn Warehouse) {
    write(w, &[record(20, predicted(2450))]);
    let before = content(w);
    assert_eq!(write(w, &[record(19, predicted(2700))]).stale, 1);
    assert_eq!(write(w, &[record(7, RecordChange::Prediction(one(), None))]).stale, 1);
    assert_eq!(content(w), before);
}

pub fn a_deleted_row_is_not_restored_by_an_older_record(w: &mut dyn Warehouse) {
    let empty = content(w);
    write(w, &all_three());
    write(
        w,
        &[
            record(20, RecordChange::Prediction(one(), None)),
            record(21, RecordChange::Features(one(), None)),
            record(22, RecordChange::PlayerGame(played(one()), None)),
        ],
    );
    assert_eq!(content(w), empty);
    assert_eq!(write(w, &[record(15, predicted(2450))]).stale, 1);
    assert_eq!(content(w), empty);
    assert_eq!(write(w, &[record(30, predicted(2450))]).applied, 1);
    assert_eq!(rows(w, "player_prop_predictions"), 20);
}

pub fn a_moved_main_line_leaves_no_row_of_the_old_ladder(w: &mut dyn Warehouse) {
    write(w, &[record(1, predicted(2500))]);
    let want = content(w);
    write(w, &[record(2, predicted(2450))]);
    assert_ne!(content(w), want);
    write(w, &[record(3, predicted(2500))]);
    assert_eq!(content(w), want);
    assert_eq!((rows(w, "player_prop_predictions"), rows(w, "player_slate")), (20, 1));
}

pub fn a_candidate_ruled_out_later_has_no_predictions(w: &mut dyn Warehouse) {
    write(w, &[record(1, RecordChange::Prediction(one(), Some(ruled_out(one()))))]);
    let want = content(w);
    write(w, &[record(2, predicted(2450))]);
    write(w, &[record(3, RecordChange::Prediction(one(), Some(ruled_out(one()))))]);
    assert_eq!(content(w), want);
    assert_eq!((rows(w, "player_prop_predictions"), rows(w, "player_slate")), (0, 1));
}

pub fn a_player_who_did_not_play_has_no_row(w: &mut dyn Warehouse) {
    let event_of = |points| RecordChange::PlayerGame(played(one()), Some(player_game(one(), points)));
    write(w, &[record(1, event_of(Some(12)))]);
    assert_eq!(rows(w, "player_games"), 1);
    write(w, &[record(2, event_of(None))]);
    assert_eq!(rows(w, "player_games"), 0);
}

pub fn a_record_with_unchanged_content_is_counted_as_unchanged(w: &mut dyn Warehouse) {
    write(w, &[record(1, predicted(2450))]);
    let written = write(w, &[record(2, predicted(2600)), record(3, predicted(2450))]);
    assert_eq!((written.unchanged, written.superseded, written.applied, written.rows), (1, 1, 0, 0));
    // A record with unchanged content still raises the offset of the row, so an older record is now stale.
    assert_eq!(write(w, &[record(2, predicted(2600))]).stale, 1);
}

pub fn a_rebuilt_log_is_rejected_until_it_takes_ownership(w: &mut dyn Warehouse) {
    write(w, &[record(50, predicted(2450))]);
    let before = content(w);
    let refused = write_as(w, "log-2", &[record(1, predicted(2700))]).unwrap_err();
    assert!(matches!(refused, WarehouseError::Config { .. }));
    assert!(refused.to_string().contains("fastbreak sink rebuild"), "{refused}");
    assert_eq!(content(w), before);
    assert_eq!(done(w.take_ownership("log-2")).unwrap(), 2);
    // A lower offset in the new epoch is newer than a higher offset in the old epoch.
    assert_eq!(write_as(w, "log-2", &[record(1, predicted(2700))]).unwrap().applied, 1);
    assert_ne!(content(w), before);
    assert!(matches!(write_as(w, LOG, &[record(51, predicted(2450))]), Err(WarehouseError::Config { .. })));
}

pub fn a_rebuild_deletes_rows_without_a_record_in_the_log(w: &mut dyn Warehouse) {
    let event_of = |n: u32| {
        let id = id(n, 61);
        [
            record(i64::from(n), RecordChange::Prediction(id, Some(prediction(id, Line(2450))))),
            record(i64::from(n), RecordChange::Features(id, Some(features(id, n)))),
            record(i64::from(n), RecordChange::PlayerGame(played(id), Some(player_game(id, Some(3))))),
        ]
    };
    write(w, &event_of(2));
    let want = content(w);
    write(w, &event_of(3));
    done(w.take_ownership("log-2")).unwrap();
    assert!(done(w.writer_state()).unwrap().rebuilding);
    // The content of these records is unchanged: their rows stay, and are now in the new epoch.
    write_as(w, "log-2", &event_of(2)).unwrap();
    assert_eq!(
        rows(w, "features"),
        2,
        "a row of an older epoch was deleted before the log was read to its end"
    );
    assert!(w.delete_stale_epochs("log-1").is_err());
    assert!(done(w.delete_stale_epochs("log-2")).unwrap() > 0);
    assert_eq!(content(w), want);
    assert!(!done(w.writer_state()).unwrap().rebuilding);
    assert_eq!(done(w.delete_stale_epochs("log-2")).unwrap(), 0);
}

pub fn bad_records_are_reported_and_nothing_is_written(w: &mut dyn Warehouse) {
    done(w.acquire(LOG)).unwrap();
    let before = content(w);
    let mut not_a_number = prediction(id(2, 61), Line(2450));
    not_a_number.base_line = None;
    if let schemas::prediction::SystemOutcome::Predicted(predicted) = &mut not_a_number.systems[0].outcome {
        predicted.points = f64::NAN;
    }
    let without_reason =
        schemas::prediction::Prediction { systems: vec![], ..prediction(id(3, 61), Line(2450)) };
    let records = [
        record(1, predicted(2450)),
        record(2, RecordChange::Prediction(id(2, 61), Some(not_a_number))),
        record(3, RecordChange::Prediction(id(3, 61), Some(without_reason))),
        record(4, RecordChange::Features(id(4, 61), Some(features(id(5, 61), 1)))),
    ];
    let Err(WarehouseError::Rows(bad)) = write_as(w, LOG, &records) else { panic!("bad rows were written") };
    let mut offsets: Vec<_> = bad.iter().map(|bad| bad.coordinates.offset).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [2, 3, 4]);
    assert_eq!(content(w), before);
    let mut batch = Batch::from_records(records).unwrap();
    let rejected = batch.reject(&bad.iter().map(|bad| bad.coordinates).collect::<Vec<_>>());
    assert_eq!((rejected.len(), batch.records.len()), (3, 1));
    let plan = plan(w, LOG, &batch);
    let written = done(w.write(&batch, &plan, NOW)).unwrap();
    assert_eq!((written.records, written.applied, written.rejected), (4, 1, 3));
}

/// Returns the newest records of a log, which the warehouse must have after the log has been read to its end.
pub fn newest(log: &[Record], rejected: &BTreeSet<TopicPartitionOffset>) -> Vec<LatestByKey> {
    let of = |input: SinkTopic| {
        let mut newest = LatestByKey::new(input);
        for record in log.iter().filter(|record| record.coordinates.input == input) {
            let is_live = match &record.change {
                RecordChange::Prediction(_, event) => event.is_some(),
                RecordChange::Features(_, event) => event.is_some(),
                RecordChange::PlayerGame(_, event) => {
                    event.as_ref().is_some_and(|event| sinks::rows::player_game(event).unwrap().is_some())
                }
            };
            let is_live = (!is_in_flight(record.coordinates, i64::MAX, rejected)).then_some(is_live);
            newest.push(record.change.key(), record.coordinates.offset, is_live);
        }
        newest
    };
    SinkTopic::ALL.into_iter().map(of).collect()
}

/// Checks that the control totals of the warehouse match the log.
pub fn assert_reconciled(w: &dyn Warehouse, log: &[Record], rejected: &BTreeSet<TopicPartitionOffset>) {
    let comparison = Comparison::new(&newest(log, rejected), &done(w.control_totals()).unwrap());
    assert_eq!(comparison.mismatches, []);
}

pub fn control_totals_show_which_records_the_live_rows_come_from(w: &mut dyn Warehouse) {
    let other = |offset| record(offset, RecordChange::Features(id(2, 61), Some(features(id(2, 61), 1))));
    let did_not_play = record(15, RecordChange::PlayerGame(played(one()), Some(player_game(one(), None))));
    let mut log = all_three();
    let differing = |w: &dyn Warehouse, log: &[Record]| {
        let comparison = Comparison::new(&newest(log, &BTreeSet::new()), &done(w.control_totals()).unwrap());
        comparison.mismatches.iter().map(|d| (d.input, d.log.rows, d.warehouse.rows)).collect::<Vec<_>>()
    };
    write(w, &log);
    assert_eq!(differing(w, &log), []);
    log.extend([other(13), record(14, predicted(2600)), did_not_play]);
    assert_eq!(
        differing(w, &log),
        [(SinkTopic::Predictions, 1, 1), (SinkTopic::Features, 2, 1), (SinkTopic::PlayerGames, 0, 1)],
        "each input with an unwritten record must be a mismatch"
    );
    write(w, &log[3..]);
    assert_eq!(differing(w, &log), []);
    // A record with unchanged content raises the offset, too.
    log.push(record(16, predicted(2600)));
    assert_eq!(differing(w, &log), [(SinkTopic::Predictions, 1, 1)]);
    write(w, &log[6..]);
    assert_eq!(differing(w, &log), []);
    assert_eq!(
        differing(w, &log[..3]).len(),
        3,
        "each input with a row that has no record in the log must be a mismatch"
    );
}

pub fn a_filtered_batch_writes_only_the_games_of_its_days(w: &mut dyn Warehouse) {
    done(w.acquire(LOG)).unwrap();
    let (inside, outside) = (id(1, 61), id(2, 161));
    let day = prediction(inside, Line(2450)).date;
    let dates = DateRange { from: day, to: day };
    let moved = |id| Prediction { date: day.plus_days(1), ..prediction(id, Line(2450)) };
    let mut put = |records: &[Record]| {
        let mut batch = Batch::from_records(records.iter().cloned()).unwrap();
        let plan = plan(w, LOG, &batch);
        done(dates.filter_batch(&mut batch, w)).unwrap();
        let once = batch.clone();
        done(dates.filter_batch(&mut batch, w)).unwrap();
        assert_eq!(batch, once, "a second filtering changed the batch");
        assert_eq!(
            BatchPlan::new(plan.writer.clone(), &batch, NOW).id,
            plan.id,
            "filtering changed the id of the batch"
        );
        let written = done(w.write(&batch, &plan, NOW)).unwrap();
        assert_eq!(written.records, records.len() as u64);
        (written.applied, written.unchanged, rows(w, "player_slate"), rows(w, "player_prop_predictions"))
    };
    let first = [
        record(1, RecordChange::Prediction(inside, Some(prediction(inside, Line(2450))))),
        record(2, RecordChange::Prediction(outside, Some(prediction(outside, Line(2450))))),
        record(3, RecordChange::Features(outside, None)),
        record(4, RecordChange::PlayerGame(played(outside), Some(player_game(outside, Some(9))))),
    ];
    assert_eq!(put(&first), (1, 3, 1, 20));
    let moves_out = [record(5, RecordChange::Prediction(inside, Some(moved(inside))))];
    assert_eq!(
        put(&moves_out),
        (1, 0, 0, 0),
        "the rows of a game that moves out of the range are not deleted"
    );
    let stays_out = [record(6, RecordChange::Prediction(inside, Some(moved(inside))))];
    assert_eq!(put(&stays_out), (0, 1, 0, 0));
    let moves_back = [record(7, RecordChange::Prediction(inside, Some(prediction(inside, Line(2450)))))];
    assert_eq!(put(&moves_back), (1, 0, 1, 20));
}
