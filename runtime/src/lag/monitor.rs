//! The lag monitor: keeps the samples of the last minute (the window) and assesses them.
//!
//! Invariant: a processor or partition that is not in the newest sample is dropped, because it has no lag.
//! Not here: the assessment of samples (`assess`), when to sample (the caller).
use super::{
    assess::{Sample, WINDOW_MS, assess},
    progress::{PartitionProgress, ProcessorProgress},
    status::{Lag, PartitionLag, ProcessorLag, Status},
};
use std::collections::BTreeMap;
use topics::TopicPartition;

/// The samples of one processor, by partition, oldest first.
type Samples = BTreeMap<TopicPartition, Vec<Sample>>;

/// Keeps the samples of the last window by processor, and assesses the lag of each processor.
#[derive(Debug, Default)]
pub struct LagMonitor {
    samples: BTreeMap<&'static str, Samples>,
    /// How long processors collect records before they commit them, in milliseconds; those that do not collect are absent.
    collect_ms: BTreeMap<&'static str, i64>,
}

impl LagMonitor {
    /// Creates a monitor that knows how long processors collect records before they commit them, in milliseconds.
    pub fn new(collect_ms: impl IntoIterator<Item = (&'static str, i64)>) -> LagMonitor {
        LagMonitor { samples: BTreeMap::new(), collect_ms: collect_ms.into_iter().collect() }
    }
    /// Adds a sample taken at `now`, in milliseconds since 1970, and assesses every processor in it.
    pub fn sample(&mut self, now: i64, progress: &[ProcessorProgress]) -> Vec<ProcessorLag> {
        self.samples.retain(|name, _| progress.iter().any(|progress| progress.processor == *name));
        progress.iter().map(|progress| self.processor_lag(now, progress)).collect()
    }
    fn processor_lag(&mut self, now: i64, progress: &ProcessorProgress) -> ProcessorLag {
        let collect_ms = self.collect_ms.get(progress.processor).copied().unwrap_or(0);
        let samples = self.samples.entry(progress.processor).or_default();
        samples.retain(|sampled, _| {
            progress.partitions.iter().any(|partition| partition.topic_partition() == *sampled)
        });
        let mut partitions = Vec::new();
        let mut sums: BTreeMap<i64, Sample> = BTreeMap::new();
        for partition in &progress.partitions {
            let window = samples.entry(partition.topic_partition()).or_default();
            window.retain(|sample| now - sample.at <= WINDOW_MS);
            window.push(sample(now, partition));
            for sample in window.iter() {
                sums.entry(sample.at).and_modify(|sum| *sum = sum.and(*sample)).or_insert(*sample);
            }
            let mut lag = partition_lag(partition, assess(window, progress.has_active_members, collect_ms));
            lag.owner = progress.owners.get(&partition.topic_partition()).cloned();
            partitions.push(lag);
        }
        let sums: Vec<Sample> = sums.into_values().collect();
        let mut lag = assess(&sums, progress.has_active_members, collect_ms);
        // The trend is computed from the sums, but the status of a partition that is stalled or worse must not be hidden by the other
        // partitions.
        let worst = partitions.iter().filter(|partition| partition.lag.status >= Status::Stalled);
        if let Some(worst) = worst.max_by_key(|partition| partition.lag.status)
            && worst.lag.status > lag.status
        {
            lag.status = worst.lag.status;
            lag.reason = format!("{}/{}: {}", worst.topic, worst.partition, worst.lag.reason);
        }
        ProcessorLag { processor: progress.processor, lag, partitions }
    }
}

fn sample(now: i64, progress: &PartitionProgress) -> Sample {
    Sample {
        at: now,
        committed: progress.committed.unwrap_or(progress.log_start_offset),
        end_offset: progress.end_offset,
        behind: progress.behind(),
        oldest: progress.unread.and_then(|unread| unread.appended),
    }
}

fn partition_lag(progress: &PartitionProgress, mut lag: Lag) -> PartitionLag {
    let retention_margin = progress.retention_margin();
    if let Some(margin) = retention_margin.filter(|margin| *margin < 0) {
        lag.status = Status::LosingData;
        lag.reason = format!(
            "{} records below offset {} were deleted before they were read",
            -margin, progress.log_start_offset
        );
    }
    PartitionLag {
        topic: progress.topic.name,
        partition: progress.partition,
        committed: progress.committed,
        log_start_offset: progress.log_start_offset,
        end_offset: progress.end_offset,
        retention_margin,
        owner: None,
        lag,
    }
}
