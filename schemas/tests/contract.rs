//! The wire contract: released schemas, round trips, and `apache-avro` as the oracle of the codec.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use schemas::{features::*, ids::*, prediction::*, raw::*, registry, team::Team, units::*, wire};

#[test]
fn every_type_has_a_released_schema_of_its_shape_that_reads_its_predecessors() {
    assert_eq!(registry::check(), Vec::<String>::new());
}

#[test]
fn no_two_schemas_share_an_id() {
    let mut ids: Vec<u32> = registry::entries()
        .iter()
        .flat_map(|e| e.released.iter().map(|text| registry::id_of(text)))
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    assert!(ids[0] > 1_000_000, "registries count from 1: {} may be handed out for another schema", ids[0]);
}

#[test]
fn a_schema_that_drops_a_field_without_default_is_seen_as_incompatible() {
    let v1 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    let v2 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#;
    let v3 = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
    assert!(registry::can_read(v2, v1).is_err());
    assert!(registry::can_read(v3, v1).is_ok());
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
        tip_off: Instant(1_698_190_200_000),
        basis: Basis::Issued,
        known_at: Instant(1_698_000_000_000),
        eligibility: Eligibility::Eligible,
        appearances: 7,
        vector: vec![Feature::Value(24.25), Feature::Missing(MissingReason::NoShotZones)],
        rest_days: Some(1),
        main_line: Some(Line(2450)),
        marks: vec![Mark::AgeUnknown],
        comparables: vec![Comparable {
            game: GameId(22300001),
            points: 29,
            tier: DefenceTier::Weak,
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
        tip_off: Instant(1_698_190_200_000),
        basis: Basis::Hindsight,
        known_at: Instant(1),
        eligibility: Eligibility::Eligible,
        appearances: 7,
        input_version: -5,
        model_version: 9,
        base_line: None,
        line_source: Some(LineSource::Estimate),
        rungs_not_made: vec![-2],
        marks: vec![],
        systems: vec![
            SystemPrediction {
                system: System::MovingAverage,
                outcome: SystemOutcome::Predicted(Predicted {
                    points: 23.5,
                    spread: 6.0,
                    confidence: 0.5,
                    rungs: vec![Rung {
                        rung: 0,
                        line: Line(2350),
                        p_over: 0.5,
                        p_push: 0.0,
                        recommendation: Recommendation::NO_LINE,
                    }],
                    without: vec!["pace_score".into()],
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
        stage: "box-score-loader".into(),
        key: "2023-10-24".into(),
        version: 1,
        replays: 2,
        batch: "0f".into(),
    }
}

// The oracle's short forms are deprecated, and just what an oracle needs.
#[allow(deprecated)]
fn round_trip<E: wire::Event + PartialEq + std::fmt::Debug>(event: &E) {
    let bytes = wire::encode(event).unwrap();
    assert_eq!(&wire::decode::<E>(&bytes).unwrap(), event);
    let schema = apache_avro::Schema::parse_str(E::RELEASED.last().unwrap()).unwrap();
    let value = apache_avro::from_avro_datum(&schema, &mut &bytes[5..], None)
        .expect("the oracle reads what we write");
    let again = apache_avro::to_avro_datum(&schema, value).unwrap();
    assert_eq!(again, bytes[5..], "the oracle writes the same bytes");
    assert!(wire::decode::<E>(&bytes[..3]).is_err());
    assert!(wire::decode::<E>(&[&[0, 9, 9, 9, 9], &bytes[5..]].concat()).is_err());
}

#[test]
fn events_survive_the_wire_and_the_oracle_agrees() {
    round_trip(&features());
    round_trip(&prediction());
    round_trip(&dead_letter());
    let payload = "{\"a\": [1, null]}".to_owned();
    round_trip(&RawEvent::new(Feed::EspnRoster, "BOS".into(), Instant(5), FetchOutcome::Partial, payload));
}

#[test]
fn fields_that_a_first_version_lacks_are_read_as_their_defaults() {
    let none = String::new;
    let letter =
        DeadLetter { stage: none(), key: none(), version: 0, replays: 0, batch: none(), ..dead_letter() };
    assert_eq!(wire::decode::<DeadLetter>(&first::<DeadLetter>(&letter)).unwrap(), letter);
    let raw = RawEvent::new(Feed::EspnRoster, "BOS".into(), Instant(5), FetchOutcome::Partial, "{}".into());
    assert_eq!(wire::decode::<RawEvent>(&first::<RawEvent>(&raw)).unwrap(), raw);
}
/// The event as the first version of its schema has it.
#[allow(deprecated)]
fn first<E: wire::Event>(event: &E) -> Vec<u8> {
    let parse = |text| apache_avro::Schema::parse_str(text).unwrap();
    let (oldest, newest) = (parse(E::RELEASED[0]), parse(E::RELEASED.last().unwrap()));
    let bytes = wire::encode(event).unwrap();
    let value = apache_avro::from_avro_datum(&newest, &mut &bytes[5..], None).unwrap();
    let apache_avro::types::Value::Record(mut fields) = value else { unreachable!("events are records") };
    let apache_avro::Schema::Record(schema) = &oldest else { unreachable!("events are records") };
    fields.retain(|(name, _)| schema.fields.iter().any(|field| field.name == *name));
    let body = apache_avro::to_avro_datum(&oldest, apache_avro::types::Value::Record(fields)).unwrap();
    let mut framed = vec![0];
    framed.extend(registry::id_of(E::RELEASED[0]).to_be_bytes());
    framed.extend(body);
    framed
}
