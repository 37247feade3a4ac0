//! The conformance suite against the SQLite warehouse, and tests of its files, views and read queries.
//!
//! Invariant: properties that the suite cannot check through the trait `Warehouse` are tested here with SQL.
//! Not here: throughput (`examples/season.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[allow(dead_code)]
mod conformance;

use conformance::{LOG, done, events::*, record, write};
use schemas::{EasternDate, Line, Season, Timestamp, prediction::Prediction};
use sinks::{
    RecordChange, Sqlite, Warehouse, WarehouseError,
    grading::{Grader, Population},
    sqlite::{Span, WarehouseQueries},
};
use std::path::{Path, PathBuf};

conformance!(|| Sqlite::in_memory().unwrap());

fn in_folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.db");
    (folder, path)
}
/// Returns the result of a query as text, with columns separated by `|`.
fn query(path: &Path, sql: &str) -> String {
    let db = rusqlite::Connection::open(path).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut text = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells = (0..columns).map(|i| match row.get_ref_unwrap(i) {
            rusqlite::types::ValueRef::Null => "NULL".to_owned(),
            rusqlite::types::ValueRef::Integer(value) => value.to_string(),
            rusqlite::types::ValueRef::Real(value) => format!("{value:?}"),
            value => value.as_str().unwrap().to_owned(),
        });
        text.push(cells.collect::<Vec<_>>().join("|"));
    }
    text.join("\n")
}
/// Writes a game day with two predicted candidates, one of whom played, one candidate who is ruled out, and one player who was not a
/// candidate. Returns the day.
fn evening(w: &mut dyn Warehouse) -> EasternDate {
    let (a, b, c, d) = (id(1, 61), id(2, 61), id(3, 61), id(4, 61));
    write(
        w,
        &[
            record(1, RecordChange::Prediction(a, Some(prediction(a, Line(2450))))),
            record(2, RecordChange::Prediction(b, Some(prediction(b, Line(1200))))),
            record(3, RecordChange::Prediction(c, Some(ruled_out(c)))),
            record(4, RecordChange::PlayerGame(played(a), Some(player_game(a, Some(25))))),
            record(5, RecordChange::PlayerGame(played(d), Some(player_game(d, Some(2))))),
            record(6, RecordChange::Features(a, Some(features(a, 1)))),
        ],
    );
    prediction(a, Line(2450)).date
}

#[test]
fn rows_are_typed_and_readable_by_any_sql_tool() {
    let (_folder, path) = in_folder();
    evening(&mut Sqlite::open(&path).unwrap());
    let of = "WHERE player_id = 200001 AND game_id = '0022300061'";
    assert_eq!(
        query(
            &path,
            &format!(
                "SELECT system, line_offset, line, p_over, missing_adjustments, is_home, game_date, season, season_start FROM player_prop_predictions {of} AND line_offset = -2 ORDER BY system LIMIT 2"
            )
        ),
        "ensemble_v1|-2|22.5|0.58|[]|0|2023-10-31|2023-24|2023\nmoving_average|-2|22.5|0.58|[]|0|2023-10-31|2023-24|2023"
    );
    assert_eq!(
        query(
            &path,
            &format!(
                "SELECT missing_adjustments FROM player_prop_predictions {of} AND system = 'zone_matchup_v1' AND line_offset = 0"
            )
        ),
        r#"["usage_spike_score","pct_paint"]"#
    );
    assert_eq!(
        query(
            &path,
            "SELECT player_name, status, team, opponent, base_line, quality_flags, system_statuses, tip_off, model_version FROM player_slate ORDER BY player_id LIMIT 1"
        ),
        "Player Number 200001|predicted|NYK|BOS|24.5|[\"age_unknown\"]|{\"ensemble_v1\":\"predicted\",\"learned_v1\":\"model_absent\",\
         \"moving_average\":\"predicted\",\"similarity_balanced_v1\":\"predicted\",\"zone_matchup_v1\":\"predicted\"}|2023-10-31T23:30:00Z|fffffffffffffffd"
    );
    assert_eq!(
        query(
            &path,
            "SELECT points, round(minutes, 2), feed, raw_event_id, plus_minus, game_date FROM player_games ORDER BY player_id LIMIT 1"
        ),
        "25|31.23|nbacom/leaguegamelog|0123456789abcdef|NULL|2023-10-31"
    );
    assert_eq!(
        query(
            &path,
            "SELECT points_avg_last_5, pct_paint, eligibility, json_extract(missing_features, '$.pct_paint') FROM features"
        ),
        "1.0|NULL|eligible|no_shot_zones"
    );
    assert_eq!(
        query(
            &path,
            "SELECT records, applied, rows_written, close_reason, json_extract(input_ranges, '$[0]'), job_id FROM sink_batches"
        ),
        "6|6|46|recovered|ml.predictions.v2/0:1-4|NULL"
    );
}

#[test]
fn an_eligible_candidate_without_a_prediction_has_the_first_reason() {
    use schemas::prediction::{SystemOutcome, SystemSkip};
    let (_folder, path) = in_folder();
    let mut event: Prediction = prediction(id(1, 61), Line(2450));
    for (prediction, reason) in
        event.systems.iter_mut().zip([SystemSkip::MissingFeature, SystemSkip::MissingZones].iter().cycle())
    {
        prediction.outcome = SystemOutcome::Skipped(*reason);
    }
    write(&mut Sqlite::open(&path).unwrap(), &[record(1, RecordChange::Prediction(id(1, 61), Some(event)))]);
    assert_eq!(query(&path, "SELECT status FROM player_slate"), "missing_feature");
}

#[test]
fn a_reopened_file_has_the_same_content() {
    let (_folder, path) = in_folder();
    let before = {
        let mut w = Sqlite::open(&path).unwrap();
        evening(&mut w);
        (done(w.writer_state()).unwrap(), done(w.content_hashes()).unwrap())
    };
    let w = Sqlite::open(&path).unwrap();
    assert_eq!((done(w.writer_state()).unwrap(), done(w.content_hashes()).unwrap()), before);
    assert_eq!(before.0.log.as_deref(), Some(LOG));
}

#[test]
fn a_file_of_another_version_or_kind_is_rejected_with_the_remediation() {
    let (folder, path) = in_folder();
    drop(Sqlite::open(&path).unwrap());
    query(&path, "PRAGMA user_version = 99");
    assert!(matches!(WarehouseQueries::open(&path), Err(WarehouseError::Config { .. })));
    let refused = Sqlite::open(&path).err().unwrap();
    assert!(
        matches!(refused, WarehouseError::Config { .. }) && refused.to_string().contains("next: "),
        "{refused}"
    );
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, however long it may be").unwrap();
    assert!(matches!(Sqlite::open(&text), Err(WarehouseError::Fatal { .. })));
    assert!(matches!(
        Sqlite::open(&folder.path().join("no/such/folder.db")),
        Err(WarehouseError::Config { .. })
    ));
    assert!(matches!(
        WarehouseQueries::open(&folder.path().join("none.db")),
        Err(WarehouseError::Config { .. })
    ));
}

#[test]
fn a_batch_planned_before_a_change_of_ownership_is_rejected() {
    use sinks::{Batch, BatchPlan, WriterId};
    let mut w = Sqlite::in_memory().unwrap();
    let epoch = done(w.acquire(LOG)).unwrap();
    let batch = Batch::from_records([record(1, RecordChange::Features(id(1, 61), None))]).unwrap();
    let plan =
        BatchPlan::new(WriterId { sink: "warehouse".into(), log: LOG.into(), epoch }, &batch, Timestamp(0));
    done(w.take_ownership(LOG)).unwrap();
    assert!(matches!(w.write(&batch, &plan, Timestamp(0)), Err(WarehouseError::Config { .. })));
}

#[test]
fn a_slate_has_each_candidate_with_the_predictions_at_the_base_line() {
    let (_folder, path) = in_folder();
    let date = evening(&mut Sqlite::open(&path).unwrap());
    let slate = WarehouseQueries::open(&path).unwrap().slate(date).unwrap();
    let shown: Vec<_> = slate
        .iter()
        .map(|row| (row.player_id, row.status.as_str(), row.base_line, row.systems.len()))
        .collect();
    assert_eq!(
        shown,
        [
            (200_002, "predicted", Some(12.0), 4),
            (200_001, "predicted", Some(24.5), 4),
            (200_003, "ruled_out", Some(24.5), 0),
        ]
    );
    let first = &slate[1].systems[0];
    assert_eq!((first.system, first.predicted_points), ("moving_average", 24.5));
    assert_eq!((first.p_over, first.recommendation), (Some(0.5), Some("PASS")));
}

#[test]
fn coverage_counts_each_status_and_players_who_were_not_candidates() {
    let (_folder, path) = in_folder();
    let date = evening(&mut Sqlite::open(&path).unwrap());
    let coverage = WarehouseQueries::open(&path).unwrap().coverage(date).unwrap();
    assert_eq!(coverage.statuses, [("predicted".into(), 2), ("ruled_out".into(), 1)].into());
    assert_eq!(coverage.not_a_candidate, 1);
}

#[test]
fn grades_come_from_the_base_line_once_per_player_game_and_system() {
    let (_folder, path) = in_folder();
    let date = evening(&mut Sqlite::open(&path).unwrap());
    let reader = WarehouseQueries::open(&path).unwrap();
    let grades = |span| {
        let mut grader = Grader::new(Population::Eligible);
        reader.candidates(span, |candidate| grader.add(candidate)).unwrap();
        serde_json::to_value(grader.grades()).unwrap()
    };
    let season = grades(Span::Season(Season(2023)));
    let first = &season["rows"][0];
    assert_eq!(first["system"], "moving_average");
    assert_eq!((&first["n"], &first["voids"]), (&1.into(), &1.into()));
    assert_eq!((&first["mae"], &first["bias"], &first["brier"]), (&0.5.into(), &(-0.5).into(), &0.25.into()));
    assert_eq!(season["rows"][4]["n"], serde_json::Value::Null);
    assert_eq!((season["rows"].as_array().unwrap().len(), &season["common_set"][3]["n"]), (10, &1.into()));
    assert_eq!(grades(Span::Dates(date, date)), season);
    assert_eq!(grades(Span::All), season);
    assert_eq!(
        grades(Span::Dates(date.plus_days(1), date.plus_days(9)))["rows"][0]["n"],
        serde_json::Value::Null
    );
}

#[test]
fn a_game_without_box_scores_is_not_graded() {
    let (_folder, path) = in_folder();
    let a = id(1, 61);
    write(
        &mut Sqlite::open(&path).unwrap(),
        &[record(1, RecordChange::Prediction(a, Some(prediction(a, Line(2450)))))],
    );
    let mut grader = Grader::new(Population::All);
    WarehouseQueries::open(&path).unwrap().candidates(Span::All, |candidate| grader.add(candidate)).unwrap();
    let row = &grader.grades().rows[0];
    assert_eq!((row.n, row.voids), (Some(0), Some(0)));
}

#[test]
fn the_views_have_the_columns_of_the_bigquery_views_in_the_same_order() {
    use sinks::bigquery::{Names, definitions};
    let (_folder, path) = in_folder();
    drop(Sqlite::open(&path).unwrap());
    let views = definitions(&Names { project: "project".into(), dataset: "dataset".into() });
    let views: Vec<_> = views.into_iter().filter(|definition| definition.is_sql_view).collect();
    let names: Vec<_> = views.iter().map(|view| view.name).collect();
    assert_eq!(
        names,
        ["player_prop_predictions", "player_slate", "player_games", "features", "sink_batches", "coverage"]
    );
    for view in views {
        let column = |line: &str| Some(line.strip_prefix("  `")?.split('`').next()?.to_owned());
        let bigquery: Vec<String> = view.statement.lines().filter_map(column).collect();
        let sqlite = query(&path, &format!("SELECT name FROM pragma_table_info('{}')", view.name));
        assert_eq!(sqlite, bigquery.join("\n"), "{}", view.name);
        let bookkeeping = ["deleted", "partition", "offset", "content_hash"];
        assert!(bigquery.iter().all(|name| !bookkeeping.contains(&name.as_str())), "{}", view.name);
    }
}

#[test]
fn deleted_rows_are_in_no_view() {
    let (_folder, path) = in_folder();
    let mut w = Sqlite::open(&path).unwrap();
    evening(&mut w);
    write(
        &mut w,
        &[
            record(10, RecordChange::Prediction(id(1, 61), None)),
            record(11, RecordChange::PlayerGame(played(id(4, 61)), None)),
            record(12, RecordChange::Features(id(1, 61), None)),
        ],
    );
    let count = |from: &str| query(&path, &format!("SELECT count(*) FROM {from}"));
    assert_eq!((count("player_slate"), count("player_slate_rows")), ("2".into(), "3".into()));
    assert_eq!((count("player_games"), count("player_games_rows")), ("1".into(), "2".into()));
    assert_eq!((count("features"), count("features_rows")), ("0".into(), "1".into()));
    assert_eq!(count("player_prop_predictions WHERE player_id = 200001"), "0");
    assert_eq!(
        query(&path, "SELECT season_start, game_date, status, player_count FROM coverage ORDER BY status"),
        "2023|2023-10-31|not_a_candidate|1\n2023|2023-10-31|predicted|1\n2023|2023-10-31|ruled_out|1"
    );
}

/// Files of the earlier table versions, with two live rows and a deleted one in each table.
const FORMER_FILES: [&str; 2] = [include_str!("version_1.sql"), include_str!("version_2.sql")];

#[test]
fn a_file_of_an_earlier_version_keeps_every_row_and_begins_a_rebuild() {
    for file in FORMER_FILES {
        let (_folder, path) = in_folder();
        rusqlite::Connection::open(&path).unwrap().execute_batch(file).unwrap();
        assert!(Sqlite::pending_statements(&path).unwrap().is_some());
        drop(Sqlite::open(&path).unwrap());
        assert_eq!(Sqlite::pending_statements(&path).unwrap(), None);
        for table in ["player_prop_predictions", "player_slate", "features"] {
            let rows =
                format!("SELECT player_id, game_date, team, voided, void_reason, epoch FROM {table}_rows");
            let expected = "1|2023-10-31|NYK|0|NULL|1\n2|2023-10-31|NYK|0|NULL|1";
            assert_eq!(query(&path, &rows), expected, "{table}");
        }
        assert_eq!(
            query(&path, "SELECT player_id, game_date, matchup FROM player_games"),
            "1|2023-10-31|BOS-NYK\n2|2023-10-31|BOS-NYK"
        );
        assert_eq!(query(&path, "SELECT log_id, epoch, rebuilding FROM warehouse_meta"), "log|2|1");
        assert_eq!(query(&path, "SELECT count(*) FROM coverage"), "1");
        let tables = query(&path, "SELECT name FROM sqlite_master WHERE name LIKE '%_former'");
        assert_eq!(tables, "");
    }
}
#[test]
fn the_features_of_a_file_of_version_2_stay_and_the_new_ones_are_null() {
    let (_folder, path) = in_folder();
    rusqlite::Connection::open(&path).unwrap().execute_batch(FORMER_FILES[1]).unwrap();
    drop(Sqlite::open(&path).unwrap());
    let rows = query(&path, "SELECT points_avg_last_5, points_ewma_3, minutes_absent_change FROM features");
    assert_eq!(rows, "7.5|NULL|NULL\n7.5|NULL|NULL");
}
#[test]
fn a_migrated_file_has_the_tables_of_a_new_one() {
    let definitions = |path: &Path| {
        query(
            path,
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT IN ('sink_batches', 'warehouse_meta') ORDER BY 1, 2",
        )
    };
    for file in FORMER_FILES {
        let (_folder, path) = in_folder();
        rusqlite::Connection::open(&path).unwrap().execute_batch(file).unwrap();
        drop(Sqlite::open(&path).unwrap());
        let (_folder, new) = in_folder();
        drop(Sqlite::open(&new).unwrap());
        assert_eq!(definitions(&path), definitions(&new));
    }
}
