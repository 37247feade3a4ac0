//! Tests of the lag: properties that always hold, and one invented series of samples for each status.
//!
//! Invariant: no log is needed; samples are values.
//! Not here: how a log takes a sample (the backends).
use super::{
    CatchUp, LagMonitor, Owner, PartitionProgress, ProcessorProgress, Status, Trend, Unread,
    assess::{Sample, WINDOW_MS, assess},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use topics::{Policy, TopicInfo};

const START: i64 = 1_700_000_000_000;
const SAMPLE_INTERVAL: i64 = 2_000;

fn topic(policy: Policy) -> TopicInfo {
    *topics::ALL.iter().find(|topic| topic.policy == policy).unwrap()
}
/// Returns sample `index` of a processor that has read `read` of `written` records; the first unread record is `age` milliseconds old.
fn sample(index: i64, written: i64, read: i64, age: i64) -> Sample {
    let at = START + index * SAMPLE_INTERVAL;
    let oldest = (written > read).then_some(at - age);
    Sample { at, committed: read, end_offset: written, behind: written - read, oldest }
}
fn status_of(samples: impl Iterator<Item = Sample>) -> Status {
    assess(&samples.collect::<Vec<_>>(), true, 0).status
}
const HOUR: i64 = 3_600_000;

#[test]
fn a_processor_that_reads_everything_is_ok_and_idle_without_new_records() {
    assert_eq!(status_of((0..20).map(|i| sample(i, 100 * i, 100 * i, 0))), Status::Ok);
    assert_eq!(status_of((0..20).map(|i| sample(i, 100, 100, 0))), Status::Idle);
}
#[test]
fn a_micro_batch_in_progress_is_not_a_backlog() {
    assert_eq!(
        status_of((0..20).map(|i| sample(i, 100 * i, 100 * (i - i % 4), 2_000 * (i % 4)))),
        Status::Ok
    );
}
#[test]
fn records_that_wait_until_a_sink_batch_is_old_enough_are_no_backlog() {
    // Nothing is committed during the window, and the oldest record waits for 14 to 24 s.
    let samples: Vec<Sample> = (0..6).map(|i| sample(i, 100 + i, 0, 14_000 + 2_000 * i)).collect();
    assert_eq!(assess(&samples, true, 15_000).status, Status::Ok);
    assert_eq!(assess(&samples, true, 0).status, Status::Unknown);
    // A batch that is not written although it is older than that is a backlog.
    let stalled: Vec<Sample> = (0..30).map(|i| sample(i, 100, 0, 26_000 + 2_000 * i)).collect();
    assert_eq!(assess(&stalled, true, 15_000).status, Status::Stalled);
}
#[test]
fn a_shrinking_backlog_is_catching_up_with_an_estimated_end() {
    let samples: Vec<Sample> = (0..20).map(|i| sample(i, 100_000 + 100 * i, 1_100 * i, HOUR)).collect();
    let lag = assess(&samples, true, 0);
    assert_eq!((lag.status, lag.trend), (Status::CatchingUp, Trend::Shrinking));
    // 81,000 records are unread; 550 per second are read, and 50 per second arrive.
    let Some(CatchUp::In(seconds)) = lag.catch_up else { panic!("{lag:?}") };
    assert!((seconds - 162.0).abs() < 1e-6, "{seconds}");
}
#[test]
fn reading_less_than_arrives_is_falling_behind_after_a_window_and_not_before() {
    let reader = |i| sample(i, 5_000 + 1_000 * i, 10 * i, HOUR);
    assert_eq!(status_of((0..10).map(reader)), Status::Unknown);
    assert_eq!(status_of((0..30).map(reader)), Status::FallingBehind);
    let lag = assess(&(0..30).map(reader).collect::<Vec<_>>(), true, 0);
    assert_eq!(lag.catch_up, Some(CatchUp::Never));
}
#[test]
fn a_steady_lag_of_hours_is_falling_behind() {
    assert_eq!(
        status_of((0..30).map(|i| sample(i, 100_000 + 10 * i, 10 * i, 2 * HOUR))),
        Status::FallingBehind
    );
    assert_eq!(status_of((0..30).map(|i| sample(i, 100 + 10 * i, 10 * i, 20_000))), Status::Ok);
}
#[test]
fn committing_nothing_is_stalled_after_a_window_and_not_before() {
    let reader = |i: i64| sample(i, 100, 50, 2_000 * i);
    assert_eq!(status_of((0..4).map(reader)), Status::Ok, "a micro-batch may be in progress");
    assert_eq!(status_of((0..20).map(reader)), Status::Unknown);
    assert_eq!(status_of((0..31).map(reader)), Status::Stalled);
}
#[test]
fn a_committed_offset_that_went_back_is_rewound_until_it_is_reached_again() {
    let at = |i| if i < 10 { 1_000 } else { 100 * (i - 10) };
    assert_eq!(status_of((0..12).map(|i| sample(i, 1_000, at(i), HOUR))), Status::Rewound);
    assert_eq!(status_of((0..21).map(|i| sample(i, 1_000, at(i), HOUR))), Status::Idle);
}

fn partition_progress(
    policy: Policy,
    committed: Option<i64>,
    log_start_offset: i64,
    end_offset: i64,
    unread: Option<Unread>,
) -> PartitionProgress {
    PartitionProgress {
        topic: topic(policy),
        partition: 0,
        committed,
        is_start_deleted: false,
        log_start_offset,
        end_offset,
        unread,
    }
}
fn progress(partition_progress: PartitionProgress) -> ProcessorProgress {
    ProcessorProgress {
        processor: "games",
        has_active_members: true,
        owners: BTreeMap::new(),
        partitions: vec![partition_progress],
    }
}
#[test]
fn each_partition_has_its_own_owner() {
    let owner = Owner::Process { process: 7, since: "2024-01-01T00:00:00Z".into() };
    let owned = partition_progress(Policy::Delete, Some(9), 0, 9, None);
    let mut progress = progress(owned);
    progress.partitions.push(PartitionProgress { partition: owned.partition + 1, ..owned });
    progress.owners.insert(owned.topic_partition(), owner.clone());
    let lags = LagMonitor::default().sample(START, &[progress]);
    let owners: Vec<_> = lags[0].partitions.iter().map(|lag| lag.owner.clone()).collect();
    assert_eq!(owners, [Some(owner), None]);
}
#[test]
fn the_name_of_each_status_is_parsed() {
    assert!(Status::ALL.into_iter().all(|status| status.name().parse() == Ok(status)));
    assert_eq!("losing-data".parse(), Ok(Status::LosingData));
    assert!("late".parse::<Status>().unwrap_err().contains("falling_behind"));
}
#[test]
fn a_processor_without_members_is_stopped_even_with_nothing_to_read() {
    let none = ProcessorProgress {
        has_active_members: false,
        ..progress(partition_progress(Policy::Delete, Some(9), 0, 9, None))
    };
    assert_eq!(LagMonitor::default().sample(START, &[none])[0].lag.status, Status::Stopped);
}
#[test]
fn unread_records_deleted_from_a_stream_are_lost_data_and_from_a_table_are_not() {
    let unread = Some(Unread { offset: 50, appended: None });
    let status = |policy| {
        let progress = progress(partition_progress(policy, Some(40), 50, 90, unread));
        LagMonitor::default().sample(START, &[progress])[0].lag.status
    };
    assert_eq!(status(Policy::Delete), Status::LosingData);
    assert_ne!(status(Policy::Compact), Status::LosingData);
    // The same before the first commit, if the processor has to read the stream from its first record.
    let first_read = |is_start_deleted| {
        let partition = PartitionProgress {
            is_start_deleted,
            ..partition_progress(Policy::Delete, None, 50, 90, unread)
        };
        LagMonitor::default().sample(START, &[progress(partition)])[0].lag.status
    };
    assert_eq!(first_read(true), Status::LosingData);
    assert_ne!(first_read(false), Status::LosingData);
}
#[test]
fn an_offset_gap_is_not_lag() {
    // The offsets 98 and 99 have no record, for example because they are commit markers.
    let processor_lag = &LagMonitor::default()
        .sample(START, &[progress(partition_progress(Policy::Delete, Some(98), 0, 100, None))])[0];
    assert_eq!((processor_lag.lag.records, processor_lag.lag.seconds), (0, Some(0.0)));
}
#[test]
fn an_unknown_append_time_gives_no_age() {
    let unread = Some(Unread { offset: 5, appended: None });
    let processor_lag = &LagMonitor::default()
        .sample(START, &[progress(partition_progress(Policy::Delete, Some(5), 0, 9, unread))])[0];
    assert_eq!((processor_lag.lag.records, processor_lag.lag.seconds), (4, None));
}

proptest! {
    #[test]
    fn lag_is_zero_exactly_when_no_record_is_left(
        samples in prop::collection::vec((0i64..50, 0i64..50, 0i64..100_000), 1..40),
        has_active_members: bool,
    ) {
        let mut monitor = LagMonitor::default();
        let (mut end_offset, mut committed) = (0, 0);
        for (i, (more, read, age)) in samples.into_iter().enumerate() {
            end_offset += more;
            committed = (committed + read).min(end_offset);
            let at = START + i as i64 * SAMPLE_INTERVAL;
            let unread = (committed < end_offset).then_some(Unread { offset: committed, appended: Some(at - age) });
            let mut progress = progress(partition_progress(Policy::Delete, Some(committed), 0, end_offset, unread));
            progress.has_active_members = has_active_members;
            let processor_lag = monitor.sample(at, &[progress]).remove(0);
            prop_assert_eq!(processor_lag.lag.records, end_offset - committed);
            prop_assert_eq!(processor_lag.lag.seconds, Some(unread.map_or(0.0, |_| age as f64 / 1000.0)));
            prop_assert_eq!(&processor_lag.partitions[0].lag, &processor_lag.lag, "the only partition is the total");
            prop_assert_eq!(processor_lag.lag.status == Status::Stopped, !has_active_members);
            prop_assert!(processor_lag.lag.status <= Status::Stopped, "no offset went back, nothing was deleted");
            if processor_lag.lag.records == 0 && has_active_members {
                prop_assert!(processor_lag.lag.status <= Status::Ok);
            }
        }
    }
    #[test]
    fn samples_older_than_the_window_have_no_effect(old in prop::collection::vec(0i64..1000, 1..30)) {
        let mut monitor = LagMonitor::default();
        let sample_at = |monitor: &mut LagMonitor, at: i64, committed: i64| {
            monitor.sample(at, &[progress(partition_progress(Policy::Delete, Some(committed), 0, committed, None))]).remove(0)
        };
        for (i, committed) in old.iter().enumerate() {
            sample_at(&mut monitor, START + i as i64, *committed);
        }
        let later = START + 2 * WINDOW_MS;
        prop_assert_eq!(sample_at(&mut monitor, later, 5), sample_at(&mut LagMonitor::default(), later, 5));
    }
}
