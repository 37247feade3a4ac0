//! `bench`: what a record costs at each stage, alone on one thread and in memory, season after season.
//!
//! Each stage reads all that is new of its inputs and commits once, so the figures are those of catching up.
use super::{CommandOutcome, Output, output};
use crate::{ingest, ingest::line_reader::LineReader, topology};
use anyhow::Result;
use processors::predictor::Predictor;
use runtime::{ProcessorNode, RecordBatch, Restored};
use schemas::wire::Encoder;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Instant,
};
use topics::{partition_of, raw_topic};

#[derive(Serialize)]
struct ProcessorCost {
    batch: String,
    processor: String,
    records: i64,
    rows: i64,
    seconds: f64,
    micros_per_record: f64,
    records_per_second: f64,
    /// Microseconds per record against the same stage of the first batch.
    against_first: f64,
}

/// Topics in memory.
#[derive(Default)]
struct Memory {
    topics: HashMap<(String, i32), Vec<RecordBatch>>,
    read: HashMap<(String, String, i32), usize>,
}
impl Memory {
    fn append(&mut self, topic: String, partition: i32, record_batch: RecordBatch) {
        let record_batches = self.topics.entry((topic, partition)).or_default();
        let base = record_batches.last().map_or(0, RecordBatch::next);
        record_batches.push(record_batch.rebased(base));
    }
    /// Pushes what is new to a node; answers how many records.
    fn feed(&mut self, node: &mut dyn ProcessorNode) -> Result<i64> {
        let mut records = 0;
        for input in node.inputs() {
            for partition in 0..input.partitions {
                let Some(record_batches) = self.topics.get(&(input.name.to_owned(), partition)) else {
                    continue;
                };
                let at =
                    self.read.entry((node.name().to_owned(), input.name.to_owned(), partition)).or_default();
                for record_batch in &record_batches[*at..] {
                    records += i64::from(record_batch.len());
                    node.process(input.name, partition, record_batch)?;
                }
                *at = record_batches.len();
            }
        }
        Ok(records)
    }
}

pub fn bench(seasons: u16, files: &[PathBuf], output: Output) -> Result<CommandOutcome> {
    let mut memory = Memory::default();
    let mut nodes = topology::topology(Predictor::new(None));
    for node in &mut nodes {
        for partition in 0..topics::PARTITIONS {
            node.assign(partition, Restored::default())?;
        }
    }
    let mut costs: Vec<ProcessorCost> = Vec::new();
    let mut first: BTreeMap<String, f64> = BTreeMap::new();
    let batches: Vec<Option<PathBuf>> = if files.is_empty() {
        vec![None; usize::from(seasons)]
    } else {
        files.iter().cloned().map(Some).collect()
    };
    for (n, file) in batches.into_iter().enumerate() {
        let (name, lines) = match file {
            Some(path) => (path.display().to_string(), LineReader::read(&path)?),
            None => {
                let season = simulator::Season::new(n as u64 + 1, 2018 + n as i16);
                (
                    format!("season {}", n + 1),
                    season.events().iter().map(simulator::ScraperEvent::to_jsonl).collect(),
                )
            }
        };
        let mut add = |processor: &str, records: i64, rows: i64, seconds: f64| {
            let micros = 1e6 * seconds / records.max(1) as f64;
            let before = *first.entry(processor.to_owned()).or_insert(micros);
            costs.push(ProcessorCost {
                batch: name.clone(),
                processor: processor.to_owned(),
                records,
                rows,
                seconds,
                micros_per_record: micros,
                records_per_second: records as f64 / seconds.max(1e-9),
                against_first: micros / before.max(1e-9),
            });
        };
        let started = Instant::now();
        let appended = append(&mut memory, &lines)?;
        add("ingest", appended, appended, started.elapsed().as_secs_f64());
        let (mut seconds, mut total) = (started.elapsed().as_secs_f64(), appended);
        for node in &mut nodes {
            let started = Instant::now();
            let records = memory.feed(node.as_mut())?;
            if records == 0 {
                continue;
            }
            let commit = node.take_commit()?;
            let spent = started.elapsed().as_secs_f64();
            let rows = commit.ledger_entry.as_ref().map_or(0, |entry| entry.rows);
            add(node.name(), records, rows, spent);
            (seconds, total) = (seconds + spent, total + records);
            for (partition, batch) in commit.records {
                memory.append(partition, batch);
            }
        }
        add("all processors", total, 0, seconds);
    }
    output::print(output, &costs, |costs| {
        let rows = costs.iter().map(|s| {
            [
                s.batch.clone(),
                s.processor.clone(),
                s.records.to_string(),
                if s.rows > 0 { s.rows.to_string() } else { String::new() },
                format!("{:.3}", s.seconds),
                format!("{:.2}", s.micros_per_record),
                format!("{:.0}", s.records_per_second),
                format!("{:.2}", s.against_first),
            ]
        });
        output::table(
            ["batch", "processor", "records", "rows", "s", "µs/record", "records/s", "× first"],
            rows,
        )
    })?;
    Ok(CommandOutcome::Done)
}

fn append(memory: &mut Memory, lines: &[String]) -> Result<i64> {
    let mut encoder = Encoder::new::<schemas::raw::RawEvent>();
    let mut batches: BTreeMap<TopicPartition, RecordBatch> = BTreeMap::new();
    for line in lines {
        let event = ingest::parse(line).map_err(|(_, reason)| anyhow::anyhow!("{reason}"))?;
        let topic = raw_topic(event.feed).info;
        let mut value = Vec::with_capacity(event.payload.len() + 64);
        encoder.encode(&event, &mut value)?;
        let partition = TopicPartition::new(topic.name, partition_of(&event.key, topic.partitions));
        batches.entry(partition).or_default().push(&event.key, Some(&value));
    }
    for (partition, batch) in batches {
        memory.append(partition, batch);
    }
    Ok(lines.len() as i64)
}
