//! Bench: the CPU time per record of each processor, on one thread and in memory, over consecutive batches of events.
//!
//! Per batch, each processor reads all new records of its inputs and commits once, as a processor does while it catches up.
//! Invariant: no log and no warehouse is read or written.
//! Not here: end-to-end throughput (`benches/`).
use crate::{ingest, ingest::line_reader::LineReader, topology};
use anyhow::Result;
use processors::predictor::Predictor;
use runtime::{ProcessorNode, RecordBatch, Restored};
use schemas::{raw::RawEvent, wire::Encoder};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Instant,
};
use topics::{TopicPartition, partition_of, raw_topic};

/// Year in which the first simulated season starts.
const FIRST_SEASON: i16 = 2018;
/// Bytes reserved for the fields of an encoded raw event other than its payload.
const ENVELOPE_BYTES: usize = 64;

/// The cost of one processor in one batch, on one thread.
#[derive(Serialize)]
pub struct ProcessorCost {
    pub batch: String,
    pub processor: String,
    pub records: i64,
    /// Number of rows in the records; 0 for a processor that does not count rows.
    pub rows: i64,
    pub seconds: f64,
    pub micros_per_record: f64,
    pub records_per_second: f64,
    /// Microseconds per record, divided by the microseconds per record of the same processor in the first batch.
    pub against_first: f64,
}

/// A log in memory: the record batches of each partition, and the number of record batches that each processor has read.
#[derive(Default)]
struct MemoryLog {
    batches: HashMap<TopicPartition, Vec<RecordBatch>>,
    read: HashMap<(String, TopicPartition), usize>,
}
impl MemoryLog {
    fn append(&mut self, partition: TopicPartition, record_batch: RecordBatch) {
        let record_batches = self.batches.entry(partition).or_default();
        let base = record_batches.last().map_or(0, RecordBatch::next);
        record_batches.push(record_batch.rebased(base));
    }
    /// Processes all unread records of a processor's inputs and returns their number.
    fn feed(&mut self, node: &mut dyn ProcessorNode) -> Result<i64> {
        let mut records = 0;
        for input in node.inputs() {
            for partition in 0..input.partitions {
                let partition = TopicPartition::new(input.name, partition);
                let Some(record_batches) = self.batches.get(&partition) else { continue };
                let read = self.read.entry((node.name().to_owned(), partition)).or_default();
                for record_batch in &record_batches[*read..] {
                    records += i64::from(record_batch.len());
                    node.process(partition, record_batch)?;
                }
                *read = record_batches.len();
            }
        }
        Ok(records)
    }
    /// Appends events to the raw topics and returns their number.
    fn ingest(&mut self, lines: &[String]) -> Result<i64> {
        let mut encoder = Encoder::new::<RawEvent>();
        let mut record_batches: BTreeMap<TopicPartition, RecordBatch> = BTreeMap::new();
        for line in lines {
            let event = ingest::parse(line).map_err(|(_, reason)| anyhow::anyhow!("{reason}"))?;
            let topic = raw_topic(event.feed).info;
            let mut value = Vec::with_capacity(event.payload.len() + ENVELOPE_BYTES);
            encoder.encode(&event, &mut value)?;
            let partition = TopicPartition::new(topic.name, partition_of(&event.key, topic.partitions));
            record_batches.entry(partition).or_default().push(&event.key, Some(&value));
        }
        for (partition, record_batch) in record_batches {
            self.append(partition, record_batch);
        }
        Ok(lines.len() as i64)
    }
}

/// What one processor did in one batch: number of records read, number of rows found in them, and CPU time.
#[derive(Clone, Copy)]
struct Measurement {
    records: i64,
    rows: i64,
    seconds: f64,
}

/// The measured costs and, for each processor, its microseconds per record in the first batch.
#[derive(Default)]
struct Costs {
    rows: Vec<ProcessorCost>,
    first_micros: BTreeMap<String, f64>,
}
impl Costs {
    fn add(&mut self, batch: &str, processor: &str, Measurement { records, rows, seconds }: Measurement) {
        let micros = 1e6 * seconds / records.max(1) as f64;
        let first_micros = *self.first_micros.entry(processor.to_owned()).or_insert(micros);
        self.rows.push(ProcessorCost {
            batch: batch.to_owned(),
            processor: processor.to_owned(),
            records,
            rows,
            seconds,
            micros_per_record: micros,
            records_per_second: records as f64 / seconds.max(1e-9),
            against_first: micros / first_micros.max(1e-9),
        });
    }
}

/// Measures the cost of each processor over the batches: each file, or each simulated season if there are no files.
///
/// # Errors
/// If a file cannot be read or a processor fails.
pub fn bench(seasons: u16, files: &[PathBuf]) -> Result<Vec<ProcessorCost>> {
    let (mut memory_log, mut costs) = (MemoryLog::default(), Costs::default());
    let mut nodes = topology::topology(Predictor::new(None));
    for node in &mut nodes {
        for partition in 0..topics::PARTITIONS {
            node.assign(partition, Restored::default())?;
        }
    }
    if files.is_empty() {
        for number in 1..=seasons {
            let name = format!("season {number}");
            measure(&mut memory_log, &mut nodes, &mut costs, &name, &simulated_season(number))?;
        }
    }
    for path in files {
        let (name, lines) = (path.display().to_string(), LineReader::read(path)?);
        measure(&mut memory_log, &mut nodes, &mut costs, &name, &lines)?;
    }
    Ok(costs.rows)
}

fn simulated_season(number: u16) -> Vec<String> {
    let season = simulator::Season::new(u64::from(number), FIRST_SEASON + number as i16 - 1);
    season.events().iter().map(simulator::ScraperEvent::to_jsonl).collect()
}

/// Ingests a batch of events and runs every processor once.
fn measure(
    memory_log: &mut MemoryLog,
    nodes: &mut [Box<dyn ProcessorNode>],
    costs: &mut Costs,
    batch: &str,
    lines: &[String],
) -> Result<()> {
    let started = Instant::now();
    let records = memory_log.ingest(lines)?;
    let seconds = started.elapsed().as_secs_f64();
    costs.add(batch, "ingest", Measurement { records, rows: records, seconds });
    let mut total = Measurement { records, rows: 0, seconds };
    for node in nodes {
        let started = Instant::now();
        let records = memory_log.feed(node.as_mut())?;
        if records == 0 {
            continue;
        }
        let commit = node.take_commit()?;
        let seconds = started.elapsed().as_secs_f64();
        let rows = commit.ledger_entry.as_ref().map_or(0, |entry| entry.rows);
        costs.add(batch, node.name(), Measurement { records, rows, seconds });
        (total.seconds, total.records) = (total.seconds + seconds, total.records + records);
        for (partition, record_batch) in commit.records {
            memory_log.append(partition, record_batch);
        }
    }
    costs.add(batch, "all processors", total);
    Ok(())
}
