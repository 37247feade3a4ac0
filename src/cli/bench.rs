//! `bench`: what a record costs at each stage, alone on one thread and in memory, season after season.
//!
//! Each stage reads all that is new of its inputs and commits once, so the figures are those of catching up.
use super::{Ended, Output, output};
use crate::{ingest, lines::Lines, topology};
use anyhow::Result;
use processors::predictor::Predictor;
use runtime::{Chunk, Node, Restored};
use schemas::wire::Encoder;
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Instant,
};
use topics::{partition_of, raw_topic};

#[derive(Serialize)]
struct Stage {
    batch: String,
    stage: String,
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
    topics: HashMap<(String, i32), Vec<Chunk>>,
    read: HashMap<(String, String, i32), usize>,
}
impl Memory {
    fn append(&mut self, topic: String, partition: i32, chunk: Chunk) {
        let chunks = self.topics.entry((topic, partition)).or_default();
        let base = chunks.last().map_or(0, Chunk::next);
        chunks.push(chunk.rebased(base));
    }
    /// Pushes what is new to a node; answers how many records.
    fn feed(&mut self, node: &mut dyn Node) -> Result<i64> {
        let mut records = 0;
        for input in node.inputs() {
            for partition in 0..input.partitions {
                let Some(chunks) = self.topics.get(&(input.name.to_owned(), partition)) else { continue };
                let at =
                    self.read.entry((node.name().to_owned(), input.name.to_owned(), partition)).or_default();
                for chunk in &chunks[*at..] {
                    records += i64::from(chunk.len());
                    node.push(input.name, partition, chunk)?;
                }
                *at = chunks.len();
            }
        }
        Ok(records)
    }
}

pub fn bench(seasons: u16, files: &[PathBuf], output: Output) -> Result<Ended> {
    let mut memory = Memory::default();
    let mut nodes = topology::topology(Predictor::new(None));
    for node in &mut nodes {
        for partition in 0..topics::PARTITIONS {
            node.assign(partition, Restored::default())?;
        }
    }
    let mut stages: Vec<Stage> = Vec::new();
    let mut first: BTreeMap<String, f64> = BTreeMap::new();
    let batches: Vec<Option<PathBuf>> = if files.is_empty() {
        vec![None; usize::from(seasons)]
    } else {
        files.iter().cloned().map(Some).collect()
    };
    for (n, file) in batches.into_iter().enumerate() {
        let (name, lines) = match file {
            Some(path) => (path.display().to_string(), Lines::read(&path)?),
            None => {
                let season = simulator::Season::new(n as u64 + 1, 2018 + n as i16);
                (
                    format!("season {}", n + 1),
                    season.events().iter().map(simulator::ScraperEvent::to_jsonl).collect(),
                )
            }
        };
        let mut add = |stage: &str, records: i64, rows: i64, seconds: f64| {
            let micros = 1e6 * seconds / records.max(1) as f64;
            let before = *first.entry(stage.to_owned()).or_insert(micros);
            stages.push(Stage {
                batch: name.clone(),
                stage: stage.to_owned(),
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
            let commit = node.take()?;
            let spent = started.elapsed().as_secs_f64();
            let account = commit.out.get(&(topics::LEDGER.info.name.to_owned(), 0));
            let rows = account.and_then(|chunk| chunk.records().next()?.ok()?.value.map(<[u8]>::to_vec));
            let rows =
                rows.map(|bytes| schemas::wire::decode::<schemas::ops::LedgerEntry>(&bytes)).transpose()?;
            add(node.name(), records, rows.map_or(0, |entry| entry.rows), spent);
            (seconds, total) = (seconds + spent, total + records);
            commit
                .out
                .into_iter()
                .for_each(|((topic, partition), chunk)| memory.append(topic, partition, chunk));
        }
        add("all stages", total, 0, seconds);
    }
    output::print(output, &stages, |stages| {
        let rows = stages.iter().map(|s| {
            [
                s.batch.clone(),
                s.stage.clone(),
                s.records.to_string(),
                if s.rows > 0 { s.rows.to_string() } else { String::new() },
                format!("{:.3}", s.seconds),
                format!("{:.2}", s.micros_per_record),
                format!("{:.0}", s.records_per_second),
                format!("{:.2}", s.against_first),
            ]
        });
        output::table(["batch", "stage", "records", "rows", "s", "µs/record", "records/s", "× first"], rows)
    })?;
    Ok(Ended::Done)
}

fn append(memory: &mut Memory, lines: &[String]) -> Result<i64> {
    let mut encoder = Encoder::new::<schemas::raw::RawEvent>();
    let mut chunks: BTreeMap<(&'static str, i32), Chunk> = BTreeMap::new();
    for line in lines {
        let event = ingest::parse(line).map_err(|(_, reason)| anyhow::anyhow!("{reason}"))?;
        let topic = raw_topic(event.feed).info;
        let mut value = Vec::with_capacity(event.payload.len() + 64);
        encoder.encode(&event, &mut value)?;
        let at = (topic.name, partition_of(&event.key, topic.partitions));
        chunks.entry(at).or_default().push(&event.key, Some(&value));
    }
    chunks
        .into_iter()
        .for_each(|((topic, partition), chunk)| memory.append(topic.to_owned(), partition, chunk));
    Ok(lines.len() as i64)
}
