//! Laws of the lag, and each status on a reader that is played.
use super::{
    assess::{Sample, WINDOW_MS, assess},
    *,
};
use proptest::prelude::*;
use topics::{Policy, TopicInfo};

const START: i64 = 1_700_000_000_000;
const SAMPLE_INTERVAL: i64 = 2_000;

fn topic(policy: Policy) -> TopicInfo {
    *topics::ALL.iter().find(|topic| topic.policy == policy).unwrap()
}
/// A reader that has read `read` of `written` records, the first unread one `age` milliseconds old.
fn sample(index: i64, written: i64, read: i64, age: i64) -> Sample {
    let at = START + index * SAMPLE_INTERVAL;
    let oldest = (written > read).then_some(at - age);
    Sample { at, committed: read, end_offset: written, behind: written - read, oldest }
}
fn status_of(samples: impl Iterator<Item = Sample>) -> Status {
    assess(&samples.collect::<Vec<_>>(), true).status
}
const HOUR: i64 = 3_600_000;

#[test]
fn one_who_reads_all_is_ok_and_idle_when_nothing_comes() {
    assert_eq!(status_of((0..20).map(|i| sample(i, 100 * i, 100 * i, 0))), Status::Ok);
    assert_eq!(status_of((0..20).map(|i| sample(i, 100, 100, 0))), Status::Idle);
}
#[test]
fn a_batch_that_is_being_worked_on_is_no_backlog() {
    assert_eq!(
        status_of((0..20).map(|i| sample(i, 100 * i, 100 * (i - i % 4), 2_000 * (i % 4)))),
        Status::Ok
    );
}
#[test]
fn a_backlog_that_melts_is_catching_up_with_an_end() {
    let samples: Vec<Sample> = (0..20).map(|i| sample(i, 100_000 + 100 * i, 1_100 * i, HOUR)).collect();
    let lag = assess(&samples, true);
    assert_eq!((lag.status, lag.trend), (Status::CatchingUp, Trend::Shrinking));
    // 81,000 are left; 550 a second are read, 50 come.
    let Some(CatchUp::In(seconds)) = lag.catch_up else { panic!("{lag:?}") };
    assert!((seconds - 162.0).abs() < 1e-6, "{seconds}");
}
#[test]
fn one_who_reads_less_than_comes_falls_behind_after_a_window_and_not_before() {
    let reader = |i| sample(i, 5_000 + 1_000 * i, 10 * i, HOUR);
    assert_eq!(status_of((0..10).map(reader)), Status::Unknown);
    assert_eq!(status_of((0..30).map(reader)), Status::FallingBehind);
    let lag = assess(&(0..30).map(reader).collect::<Vec<_>>(), true);
    assert_eq!(lag.catch_up, Some(CatchUp::Never));
}
#[test]
fn one_who_keeps_a_distance_of_hours_falls_behind() {
    assert_eq!(
        status_of((0..30).map(|i| sample(i, 100_000 + 10 * i, 10 * i, 2 * HOUR))),
        Status::FallingBehind
    );
    assert_eq!(status_of((0..30).map(|i| sample(i, 100 + 10 * i, 10 * i, 20_000))), Status::Ok);
}
#[test]
fn one_who_commits_nothing_is_stalled_after_a_window_and_not_before() {
    let reader = |i: i64| sample(i, 100, 50, 2_000 * i);
    assert_eq!(status_of((0..4).map(reader)), Status::Ok, "it may be at work on a batch");
    assert_eq!(status_of((0..20).map(reader)), Status::Unknown);
    assert_eq!(status_of((0..31).map(reader)), Status::Stalled);
}
#[test]
fn one_whose_position_went_back_is_rewound_until_it_is_where_it_was() {
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
    PartitionProgress { topic: topic(policy), partition: 0, committed, log_start_offset, end_offset, unread }
}
fn progress(partition_progress: PartitionProgress) -> ProcessorProgress {
    ProcessorProgress { processor: "games", has_active_members: true, partitions: vec![partition_progress] }
}
#[test]
fn nobody_who_runs_it_is_stopped_even_with_nothing_to_read() {
    let none = ProcessorProgress {
        has_active_members: false,
        ..progress(partition_progress(Policy::Delete, Some(9), 0, 9, None))
    };
    assert_eq!(LagMonitor::default().sample(START, &[none])[0].lag.status, Status::Stopped);
}
#[test]
fn a_stream_that_was_deleted_past_its_reader_loses_data_and_a_table_does_not() {
    let unread = Some(Unread { offset: 50, appended: None });
    let status = |policy| {
        let progress = progress(partition_progress(policy, Some(40), 50, 90, unread));
        LagMonitor::default().sample(START, &[progress])[0].lag.status
    };
    assert_eq!(status(Policy::Delete), Status::LosingData);
    assert_ne!(status(Policy::Compact), Status::LosingData);
}
#[test]
fn what_offsets_lack_is_no_lag() {
    // A transaction's marker is the last offset.
    let stage = &LagMonitor::default()
        .sample(START, &[progress(partition_progress(Policy::Delete, Some(98), 0, 100, None))])[0];
    assert_eq!((stage.lag.records, stage.lag.seconds), (0, Some(0.0)));
}
#[test]
fn an_append_time_that_was_not_recorded_is_no_age() {
    let unread = Some(Unread { offset: 5, appended: None });
    let stage = &LagMonitor::default()
        .sample(START, &[progress(partition_progress(Policy::Delete, Some(5), 0, 9, unread))])[0];
    assert_eq!((stage.lag.records, stage.lag.seconds), (4, None));
}

proptest! {
    #[test]
    fn lag_is_zero_exactly_when_no_record_is_left(
        looks in prop::collection::vec((0i64..50, 0i64..50, 0i64..100_000), 1..40),
        has_active_members: bool,
    ) {
        let mut watch = LagMonitor::default();
        let (mut end_offset, mut committed) = (0, 0);
        for (i, (more, read, age)) in looks.into_iter().enumerate() {
            end_offset += more;
            committed = (committed + read).min(end_offset);
            let at = START + i as i64 * SAMPLE_INTERVAL;
            let unread = (committed < end_offset).then_some(Unread { offset: committed, appended: Some(at - age) });
            let mut progress = progress(partition_progress(Policy::Delete, Some(committed), 0, end_offset, unread));
            progress.has_active_members = has_active_members;
            let stage = watch.sample(at, &[progress]).remove(0);
            prop_assert_eq!(stage.lag.records, end_offset - committed);
            prop_assert_eq!(stage.lag.seconds, Some(unread.map_or(0.0, |_| age as f64 / 1000.0)));
            prop_assert_eq!(&stage.partitions[0].lag, &stage.lag, "one partition is the whole");
            prop_assert_eq!(stage.lag.status == Status::Stopped, !has_active_members);
            prop_assert!(stage.lag.status <= Status::Stopped, "nothing went back, nothing was deleted");
            if stage.lag.records == 0 && has_active_members {
                prop_assert!(stage.lag.status <= Status::Ok);
            }
        }
    }
    #[test]
    fn a_window_forgets_what_is_older_than_itself(old in prop::collection::vec(0i64..1000, 1..30)) {
        let mut watch = LagMonitor::default();
        let index = |watch: &mut LagMonitor, at: i64, committed: i64| {
            watch.sample(at, &[progress(partition_progress(Policy::Delete, Some(committed), 0, committed, None))]).remove(0)
        };
        for (i, committed) in old.iter().enumerate() {
            index(&mut watch, START + i as i64, *committed);
        }
        let later = START + 2 * WINDOW_MS;
        prop_assert_eq!(index(&mut watch, later, 5), index(&mut LagMonitor::default(), later, 5));
    }
}
