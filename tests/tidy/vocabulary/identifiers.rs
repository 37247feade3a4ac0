//! Identifiers: former names of types, functions and files, and the names that replaced them.
//!
//! Only distinctive names are listed: a common word, which may be correct elsewhere, is left to reviewers.
//! Invariant: an identifier is one token of Rust code, inside macros too; comments and strings are ignored.
//! Not here: the words of comments and messages (`glossary`).
use proc_macro2::{Ident, TokenStream, TokenTree};
use std::collections::BTreeMap;

/// Old name, then the name to use.
const RENAMED: &str = "
    Agreement: Reconciliation
    Artefact: Artifact
    ArtefactError: ArtifactError
    artefact: artifact
    Aside: JobKind::Unleased
    BigQueryKeys: BigQueryOptions
    Board: ProgressBoard
    BoxScoreSighting: BoxScoreObservation
    Breaker: DlqLimits
    Bucket: RateLimiter
    Chunk: RecordBatch
    Complaints: LastClientError
    Crowded: DmlQueueFull
    Damaged: CorruptBatch
    DefenceTier: DefenseTier
    Desk: TopicPlanner
    Differing: Mismatch
    Dry: TaskEvent::Idle
    EVER: DISTANT_PAST
    Ended: CommandOutcome
    Fact: FactHistory
    Failures: FailureWindow
    GameSighting: GameObservation
    GiveBack: UnassignKeepState
    Guarded: GuardedTable
    Halt: RuntimeError
    Halved: CloseReason::Split
    HandOut: Reassign
    Heard: Provenance
    Hindsight: Retrospective
    IN_THE_END: LATEST_KNOWN
    Inbox: PollChannel
    InjurySighting: InjuryObservation
    Kept: ViewTestDriver, StateChange::Retained
    LOG_ID: (a topic of its own)
    Lack: SchemaDiff
    Lane: RedriveGroup
    LetGo: UnassignDropState
    Life: ProducerSession
    LinkSighting: LinkObservation
    Looker: LagProbe
    KafkaStorage: KafkaLog
    MapNode: StatelessNode
    Merged: StateChange
    Metered: InstrumentedMember
    NAP: (a name that ends in _INTERVAL)
    NameAnswer: NameMatch
    NameStep: NameRevision
    NamesSighting: NamesObservation
    Newest: LatestByKey
    OddsSighting: OddsObservation
    Onlooker: StandaloneConsumer
    Original: OriginalRecord
    Originals: OriginalRecords
    Place: PhysicalPartition, PartitionLag, WarehouseLocation
    Places: ColumnIndex
    PlayerGameStep: PlayerGameRevision
    Poison: BadRow
    RawRecord: RawEventRecord
    Refusal: ErrorResponse
    Rejecting: DlqLimitExceeded
    RosterSighting: RosterObservation
    RowCopy: QueryCopy
    STAGE: INGEST
    STAMP: SOURCE_COLUMNS
    Said: (the value's own name)
    Settled: UpsertOutcome
    Sighting: Observation
    Sightings: Observations
    Signals: RunContext
    Silent: Idle
    Slot: OutputKey
    StageLag: ProcessorLag
    Stages: ProcessorStatuses
    Stamp: SourceColumns
    Standing: WriterState, SubjectState, ReplayStatus
    StartOver: Recovery::Rebuild
    Tallies: ControlTotalsByGame
    Tally: ControlTotals
    TeamGameStep: TeamGameRevision
    Transactions: TransactionalProducer
    Trouble: ApiError
    Unheard: OutcomeUnknown
    Unsent: NotSent
    ViewNode: MaterializedViewNode
    Watched: StopOnDrop
    Windowing: SinkConfig
    absent_since: unassigned_since
    adopt: take_ownership
    adopted: reused
    adopting: rebuilding
    aside: rejected
    ask_all: lookup_in_league
    ask_both: lookup_in_matchup
    asked_by: lookup_scope
    attend: register_processor
    attended: active_groups
    begin_life: init_transactions
    believe: as_of
    bisect: bad_row_search
    bout: backlog
    breaker: dlq_limits
    check_place: ensure_same_warehouse
    chunk: record_batch
    client_of_its_own: dedicated_client
    come_back: retry_after
    complain: on_error
    content_of: content_sql
    drift: divergence
    finish_adoption: delete_stale_epochs
    first_words: reserved_prefixes
    forgotten: offset_expiry
    give_up: abort
    halving: batch_split
    hand_over: enqueue
    handed_out: delivered_offsets
    has_work: has_pending
    heard: provenance
    highs: high_watermarks
    hindsight: retrospective
    is_adopted: is_reused
    is_alone: ProcessorKind
    is_asked: position_requested
    is_attended: has_active_members
    is_broken: is_poisoned
    is_set_back: was_rewound
    is_view: ProcessorKind
    is_wait: Progress::Pending
    join_again_if_cut_off: rejoin_if_disconnected
    keeping: view_test_driver
    kind_of: normalize_reason
    known_id: existing_id
    letter: dead_letter
    letters: dead_letters
    limit_rejects: set_dlq_limits
    lows: log_start_offsets
    markers: control_records
    may_commit: can_commit
    may_read: can_read
    melting: drain_rate
    most_bad: max_bad_records
    names_sighting: names_observation
    onlooker: standalone_consumer
    originals: original_record
    overlay: replay_log
    pass_deleted_markers: skip_deleted_control_records
    patience: max_upstream_wait
    patiently: with_retries
    put_off: classify_error
    read_again: reread
    recount: recount_parked
    rejoin: join
    remedy: remediation
    rung: line_offset
    said: message, summary
    set_aside: send_to_dlq
    set_dry: set_idle
    settle: await_last_stable, handle_expired_offsets, await_applied, resolve_attempt, upsert_if_newer
    show_lag: record_lag
    side_by_side: in_parallel
    sighting: observation
    sightings: observations
    stables: last_stable_offsets
    stage: processor
    stages: processors, dlq_owners
    stand_aside: await_fencing_instance
    stood: retained_changelog_ends
    stray: unexpected_main_queue_message
    sweep: delete_expired_staging
    swept: staging_tables_deleted
    take_up: restore_partition
    taken_back: compensating_entry
    tallies: control_totals
    tally: control_totals
    teach: known_names
    tend: run_maintenance
    unanswered: query_error
    uniquely: random_suffix
    widest: max_partitions
    write_until_it_stands: write_with_retries
";

/// Returns the names that must not be used, with the names to use instead.
pub fn renamed() -> BTreeMap<&'static str, &'static str> {
    RENAMED.lines().filter_map(|line| line.trim().split_once(": ")).collect()
}

/// Returns every identifier of a source file with its line.
pub fn identifiers(source: &str) -> Vec<(String, usize)> {
    let tokens: TokenStream = source.parse().unwrap_or_else(|error| panic!("not valid Rust: {error}"));
    let mut found = Vec::new();
    collect(tokens, &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<(String, usize)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Ident(name) => found.push((plain(&name), name.span().start().line)),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn plain(name: &Ident) -> String {
    let name = name.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

#[test]
fn identifiers_are_found_in_code_and_macros_and_not_in_comments_and_strings() {
    let source = "// comment\nfn name() {\n    call!(inner, \"string\");\n}\n";
    let found = identifiers(source);
    let names: Vec<(&str, usize)> = found.iter().map(|(name, line)| (name.as_str(), *line)).collect();
    assert_eq!(names, [("fn", 2), ("name", 2), ("call", 3), ("inner", 3)]);
}

#[test]
fn a_name_to_use_is_no_name_that_left() {
    let renamed = renamed();
    let names = renamed.values().flat_map(|new| new.split(", "));
    let again: Vec<&str> = names.filter(|new| renamed.contains_key(new)).collect();
    assert!(again.is_empty(), "{again:?}");
}
