//! Every record of every topic, against `apache-avro` as the oracle of the codec.
#![allow(clippy::expect_used, deprecated)]
mod common;
use common::{Fastbreak, season};
use runtime::embedded::EmbeddedLog;
use std::collections::BTreeMap;

/// So many records of each topic's partition are looked at.
const LOOKED_AT: usize = 60;

#[test]
fn records_of_a_season_round_trip_through_the_reference_codec() {
    let run = Fastbreak::new();
    run.ingest(&season());
    run.catch_up();
    let mut log = EmbeddedLog::open(run.folder.path()).expect("the log");
    let entries = schemas::catalog::entries();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in topics::ALL {
        let entry = entries.iter().find(|entry| entry.name == topic.event).expect("a schema");
        let text = entry.released.last().expect("a version");
        let schema = apache_avro::Schema::parse_str(text).expect("Avro");
        for partition in 0..topic.partitions {
            let record_batches = log.read(topic.name, partition, 0, usize::MAX).expect("read");
            for record in
                record_batches.iter().flat_map(|record_batch| record_batch.records()).take(LOOKED_AT)
            {
                let Some(bytes) = record.expect("sound").value else { continue };
                let (id, body) = schemas::catalog::unframe(bytes).expect("framed");
                assert_eq!(id, schemas::catalog::id_of(text), "{}", topic.name);
                let value = apache_avro::from_avro_datum(&schema, &mut &body[..], None).expect(topic.name);
                assert_eq!(
                    apache_avro::to_avro_datum(&schema, value).expect(topic.name),
                    body,
                    "{}",
                    topic.name
                );
                *seen.entry(topic.event).or_default() += 1;
            }
        }
    }
    let missing: Vec<&str> = entries.iter().map(|e| e.name).filter(|name| !seen.contains_key(name)).collect();
    assert_eq!(missing, ["dead-letter"], "every other event is in a season with every fault");
}
