//! The wire contract: released schemas and round trips, whose results are compared with those of `apache-avro`.
//!
//! Invariant: the tests invent a second version of an event, so that a released version does not change what they check.
//! Not here: schema ids of a registry (`binding`).
#![allow(clippy::unwrap_used, clippy::expect_used)]
use schemas::wire::Event;
use schemas::{
    catalog,
    features::*,
    ids::*,
    ops::{SinkBatchPlanned, StoredSinkBatch},
    prediction::*,
    raw::*,
    team::Team,
    units::*,
    wire,
};
use std::sync::LazyLock;

#[test]
fn every_event_has_a_released_schema_that_matches_its_type_and_reads_its_predecessors() {
    assert_eq!(catalog::check(), Vec::<String>::new());
}

#[test]
fn no_two_schemas_share_an_id() {
    let texts = catalog::entries().into_iter().flat_map(|entry| entry.released);
    let mut ids: Vec<u32> = texts.map(|text| catalog::id_of(text)).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids[0] > 1_000_000, "registries count from 1 and may assign {} to another schema", ids[0]);
}

#[test]
fn a_schema_that_adds_a_field_without_default_is_incompatible() {
    let v1 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let v2 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#;
    let v3 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
    assert!(catalog::can_read(v2, v1).is_err());
    assert!(catalog::can_read(v3, v1).is_ok());
}

fn features() -> Features {
    Features {
        player: PlayerId(203999),
        game: GameId(22300061),
        name: "Nikola Jokić".into(),
        home: Team::DEN,
        away: Team::LAL,
        team: Some(Team::DEN),
        date: EasternDate(19_700),
        tip_off: Timestamp(1_698_190_200_000),
        basis: Basis::Issued,
        known_at: Timestamp(1_698_000_000_000),
        eligibility: Eligibility::Eligible,
        appearances: 7,
        vector: vec![Feature::Value(24.25), Feature::Missing(MissingReason::NoShotZones)],
        rest_days: Some(1),
        main_line: Some(Line(2450)),
        quality_flags: vec![QualityFlag::AgeUnknown],
        voided: None,
        comparables: vec![Comparable {
            game: GameId(22300001),
            points: 29,
            tier: DefenseTier::Weak,
            rest_days: 2,
            is_home: true,
            streak: Streak::Hot,
        }],
    }
}
fn prediction() -> Prediction {
    Prediction {
        player: PlayerId(203999),
        game: GameId(22300061),
        name: "Nikola Jokić".into(),
        home: Team::DEN,
        away: Team::LAL,
        team: None,
        date: EasternDate(19_700),
        tip_off: Timestamp(1_698_190_200_000),
        basis: Basis::Retrospective,
        known_at: Timestamp(1),
        eligibility: Eligibility::Eligible,
        appearances: 7,
        input_version: -5,
        model_version: 9,
        base_line: None,
        line_source: Some(LineSource::Estimate),
        omitted_line_offsets: vec![-2],
        quality_flags: vec![],
        voided: None,
        systems: vec![
            SystemPrediction {
                system: System::MovingAverage,
                outcome: SystemOutcome::Predicted(Predicted {
                    points: 23.5,
                    stddev_points: 6.0,
                    confidence: 0.5,
                    line_ladder: vec![LadderLine {
                        line_offset: 0,
                        line: Line(2350),
                        p_over: 0.5,
                        p_push: 0.0,
                        recommendation: Recommendation::NO_LINE,
                    }],
                    missing_adjustments: vec!["pace_score".into()],
                }),
            },
            SystemPrediction {
                system: System::LearnedV1,
                outcome: SystemOutcome::Skipped(SystemSkip::ModelAbsent),
            },
        ],
    }
}
fn dead_letter() -> DeadLetter {
    DeadLetter {
        code: RejectCode::BadRow,
        reason: "MIN is missing".into(),
        raw: Some(RawId(-3)),
        fetched_at: None,
        origin: "raw.box-scores.v1".into(),
        partition: 2,
        offset: 9,
        value: vec![0, 255, 10],
        processor: "box-score-loader".into(),
        key: "2023-10-24".into(),
        processor_version: 1,
        redrive_count: 2,
        batch: "0f".into(),
    }
}

// The deprecated functions of `apache-avro` read and write a datum without a header, which this test needs.
#[allow(deprecated)]
fn round_trip<E: wire::Event + PartialEq + std::fmt::Debug>(event: &E) {
    let bytes = wire::encode(event).unwrap();
    assert_eq!(&wire::decode::<E>(&bytes).unwrap(), event);
    let schema = apache_avro::Schema::parse_str(E::RELEASED.last().unwrap()).unwrap();
    let value =
        apache_avro::from_avro_datum(&schema, &mut &bytes[5..], None).expect("apache-avro reads the record");
    let rewritten = apache_avro::to_avro_datum(&schema, value).unwrap();
    assert_eq!(rewritten, bytes[5..], "apache-avro writes the same bytes");
    assert!(wire::decode::<E>(&bytes[..3]).is_err());
    assert!(wire::decode::<E>(&[&[0, 9, 9, 9, 9], &bytes[5..]].concat()).is_err());
}

#[test]
fn events_round_trip_and_apache_avro_writes_the_same_bytes() {
    round_trip(&features());
    round_trip(&prediction());
    round_trip(&dead_letter());
    let payload = "{\"a\": [1, null]}".to_owned();
    round_trip(&RawEvent::new(Feed::EspnRoster, "BOS".into(), Timestamp(5), FetchOutcome::Partial, payload));
    round_trip(&SinkBatchPlanned {
        batch_id: "0f".into(),
        ranges: vec!["ml.features.v2/0:0-7".into()],
        records: 7,
        reason: "age".into(),
        planned_at: Timestamp(5),
        states_predecessor: true,
        predecessor: Some(StoredSinkBatch { batch_id: "0e".into(), planned_at: Timestamp(4) }),
    });
}

/// The first version of an event, as an earlier program writes it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, serde_avro_derive::BuildSchema)]
#[avro_schema(namespace = "fastbreak", name = "SinkBatchPlanned")]
struct FirstVersion {
    batch_id: String,
    ranges: Vec<String>,
    records: i64,
    reason: String,
    planned_at: Timestamp,
}
impl wire::Event for FirstVersion {
    const NAME: &'static str = "sink-batch-planned";
    const RELEASED: &'static [&'static str] = &[SinkBatchPlanned::RELEASED[0]];
    fn schemas() -> &'static catalog::Schemas {
        static SCHEMAS: LazyLock<catalog::Schemas> =
            LazyLock::new(|| catalog::Schemas::parse(FirstVersion::NAME, FirstVersion::RELEASED));
        &SCHEMAS
    }
}

/// An invented second version of an event: its first version plus one field with a default.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, serde_avro_derive::BuildSchema)]
#[avro_schema(namespace = "fastbreak", name = "SinkBatchPlanned")]
struct SecondVersion {
    batch_id: String,
    ranges: Vec<String>,
    records: i64,
    reason: String,
    planned_at: Timestamp,
    #[serde(default)]
    attempt: i64,
}
const SECOND_VERSION: &str = r#"{
  "fields": [
    {
      "name": "batch_id",
      "type": "string"
    },
    {
      "name": "ranges",
      "type": {
        "items": "string",
        "type": "array"
      }
    },
    {
      "name": "records",
      "type": "long"
    },
    {
      "name": "reason",
      "type": "string"
    },
    {
      "name": "planned_at",
      "type": "long"
    },
    {
      "default": 0,
      "name": "attempt",
      "type": "long"
    }
  ],
  "name": "fastbreak.SinkBatchPlanned",
  "type": "record"
}
"#;
impl wire::Event for SecondVersion {
    const NAME: &'static str = "sink-batch-planned";
    const RELEASED: &'static [&'static str] = &[SinkBatchPlanned::RELEASED[0], SECOND_VERSION];
    const DEFAULTS: &'static [(&'static str, &'static str)] = &[("SinkBatchPlanned.attempt", "0")];
    fn schemas() -> &'static catalog::Schemas {
        static SCHEMAS: LazyLock<catalog::Schemas> =
            LazyLock::new(|| catalog::Schemas::parse(SecondVersion::NAME, SecondVersion::RELEASED));
        &SCHEMAS
    }
}

#[test]
fn a_field_that_the_first_version_lacks_is_read_as_its_default() {
    let first = FirstVersion {
        batch_id: "0f".into(),
        ranges: vec!["ml.features.v1/0:0-7".into()],
        records: 7,
        reason: "age".into(),
        planned_at: Timestamp(5),
    };
    let expected = SecondVersion {
        batch_id: first.batch_id.clone(),
        ranges: first.ranges.clone(),
        records: first.records,
        reason: first.reason.clone(),
        planned_at: first.planned_at,
        attempt: 0,
    };
    let bytes = wire::encode(&first).unwrap();
    assert_eq!(wire::decode::<SecondVersion>(&bytes).unwrap(), expected);
    assert_ne!(wire::encode(&expected).unwrap()[..5], bytes[..5], "each version has its own id");
    round_trip(&SecondVersion { attempt: 3, ..expected });
    let released: SinkBatchPlanned = wire::decode(&bytes).unwrap();
    assert_eq!((released.batch_id, released.planned_at), (first.batch_id, first.planned_at));
    assert_eq!((released.states_predecessor, released.predecessor), (false, None));
}

#[test]
fn a_second_version_passes_the_check_of_the_catalog_only_with_its_default() {
    let entry = |released: &'static [&'static str]| catalog::Entry {
        name: SecondVersion::NAME,
        released,
        derived: catalog::derived::<SecondVersion>,
        schemas: SecondVersion::schemas,
        decode_to_json: |_| Ok(serde_json::Value::Null),
    };
    assert_eq!(catalog::problems(&entry(SecondVersion::RELEASED)), Vec::<String>::new());
    let without_default: &'static str = SECOND_VERSION.replace("      \"default\": 0,\n", "").leak();
    let problems = catalog::problems(&entry(vec![SinkBatchPlanned::RELEASED[0], without_default].leak()));
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[1].contains("v2 cannot read v1"), "{problems:#?}");
}
