//! A watch over readers: the last window of looks, and what they come to.
//!
//! Invariant: what is not in the newest look is forgotten; a reader that is gone has no lag.
//! Not here: what the points mean (`assess`), when to look (the caller).
use super::{
    Lag, PartitionLag, PartitionProgress, ProcessorLag, ProcessorProgress, Status,
    assess::{Sample, WINDOW_MS, assess},
};
use std::collections::BTreeMap;

/// The points of one reader in one partition.
type Samples = BTreeMap<(&'static str, i32), Vec<Sample>>;

/// The last window of looks.
#[derive(Debug, Default)]
pub struct LagMonitor {
    samples: BTreeMap<&'static str, Samples>,
}

impl LagMonitor {
    /// Takes a look into account, at a time in milliseconds since 1970, and judges.
    pub fn sample(&mut self, at: i64, lag_snapshot: &[ProcessorProgress]) -> Vec<ProcessorLag> {
        self.samples.retain(|name, _| lag_snapshot.iter().any(|progress| progress.processor == *name));
        lag_snapshot.iter().map(|progress| self.processor_lag(at, progress)).collect()
    }
    fn processor_lag(&mut self, at: i64, progress: &ProcessorProgress) -> ProcessorLag {
        let samples = self.samples.entry(progress.processor).or_default();
        let here = |(topic, partition): &(&str, i32)| {
            progress.partitions.iter().any(|partition_progress| {
                partition_progress.topic.name == *topic && partition_progress.partition == *partition
            })
        };
        samples.retain(|partition_progress, _| here(partition_progress));
        let mut partitions = Vec::new();
        let mut sum: BTreeMap<i64, Sample> = BTreeMap::new();
        for partition_progress in &progress.partitions {
            let kept =
                samples.entry((partition_progress.topic.name, partition_progress.partition)).or_default();
            kept.retain(|sample| at - sample.at <= WINDOW_MS);
            kept.push(sample(at, partition_progress));
            for sample in kept.iter() {
                let before = sum.get(&sample.at).copied();
                sum.insert(sample.at, before.map_or(*sample, |before| before.and(*sample)));
            }
            let lag = partition(assess(kept, progress.has_active_members), partition_progress);
            partitions.push(PartitionLag {
                topic: partition_progress.topic.name,
                partition: partition_progress.partition,
                committed: partition_progress.committed,
                log_start_offset: partition_progress.log_start_offset,
                end_offset: partition_progress.end_offset,
                retention_margin: partition_progress.retention_margin(),
                lag,
            });
        }
        let sum: Vec<Sample> = sum.into_values().collect();
        let mut lag = assess(&sum, progress.has_active_members);
        // A trend of the whole is the whole's; a partition that stands still or loses records is its own matter.
        let worst = partitions.iter().filter(|p| p.lag.status >= Status::Stalled);
        if let Some(worst) = worst.max_by_key(|p| p.lag.status)
            && worst.lag.status > lag.status
        {
            lag.status = worst.lag.status;
            lag.reason = format!("{}/{}: {}", worst.topic, worst.partition, worst.lag.reason);
        }
        ProcessorLag { processor: progress.processor, lag, partitions }
    }
}

fn sample(at: i64, partition_progress: &PartitionProgress) -> Sample {
    let oldest = partition_progress.unread.and_then(|unread| unread.appended);
    let committed = partition_progress.committed.unwrap_or(partition_progress.log_start_offset);
    Sample {
        at,
        committed,
        end_offset: partition_progress.end_offset,
        behind: partition_progress.behind(),
        oldest,
    }
}

/// Adds what the partition's beginning says: whether records went before they were read.
fn partition(mut lag: Lag, partition_progress: &PartitionProgress) -> Lag {
    if let Some(margin) = partition_progress.retention_margin().filter(|margin| *margin < 0) {
        lag.status = Status::LosingData;
        lag.reason = format!(
            "{} records below offset {} were deleted before they were read",
            -margin, partition_progress.log_start_offset
        );
    }
    lag
}
