//! Decodes and encodes records of every topic with `apache-avro`, the reference codec.
//!
//! Invariant: the reference codec decodes each record and encodes it to the same bytes.
//! Not here: other clients and a schema registry (`registry`).
#![allow(clippy::expect_used, deprecated)]
mod common;
use common::{Fastbreak, season};
use runtime::{LogReader, RecordBatch};
use runtime_embedded::EmbeddedLog;
use schemas::catalog;
use std::collections::BTreeSet;
use topics::TopicPartition;

/// Number of records per partition that are compared.
const SAMPLES: usize = 60;

#[test]
fn records_of_a_season_round_trip_through_the_reference_codec() {
    let run = Fastbreak::straight(&season());
    let mut log = EmbeddedLog::open(run.folder.path()).expect("the log");
    let entries = catalog::entries();
    let mut compared: BTreeSet<&str> = BTreeSet::new();
    for topic in topics::ALL {
        let entry = entries.iter().find(|entry| entry.name == topic.event).expect("a schema");
        let text = entry.released.last().expect("a version");
        let schema = apache_avro::Schema::parse_str(text).expect("Avro");
        for partition in 0..topic.partitions {
            let partition = TopicPartition::new(topic.name, partition);
            let batches = log.read(partition, 0, usize::MAX).expect("record batches");
            for record in batches.iter().flat_map(RecordBatch::records).take(SAMPLES) {
                let Some(bytes) = record.expect("a record").value else { continue };
                let (id, body) = catalog::unframe(bytes).expect("a frame");
                assert_eq!(id, catalog::id_of(text), "{partition}");
                let value = apache_avro::from_avro_datum(&schema, &mut &body[..], None).expect(topic.name);
                let encoded = apache_avro::to_avro_datum(&schema, value).expect(topic.name);
                assert_eq!(encoded, body, "{partition}");
                compared.insert(topic.event);
            }
        }
    }
    let missing: Vec<&str> =
        entries.iter().map(|entry| entry.name).filter(|name| !compared.contains(name)).collect();
    // Two events are in no record of this log: no topic of the catalog contains dead letters, and only a log on Kafka stores its id as a
    // record.
    assert_eq!(
        missing,
        ["dead-letter", "log-id"],
        "a season with every fault must have records of every other event"
    );
}
