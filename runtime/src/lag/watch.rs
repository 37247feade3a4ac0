//! A watch over readers: the last window of looks, and what they come to.
//!
//! Invariant: what is not in the newest look is forgotten; a reader that is gone has no lag.
//! Not here: what the points mean (`judge`), when to look (the caller).
use super::{
    Lag, PartitionLag, Place, StageLag, Standing, Status,
    judge::{Point, WINDOW, judge},
};
use std::collections::BTreeMap;

/// The points of one reader in one partition.
type Points = BTreeMap<(&'static str, i32), Vec<Point>>;

/// The last window of looks.
#[derive(Debug, Default)]
pub struct Watch {
    points: BTreeMap<&'static str, Points>,
}

impl Watch {
    /// Takes a look into account, at a time in milliseconds since 1970, and judges.
    pub fn look(&mut self, at: i64, standings: &[Standing]) -> Vec<StageLag> {
        self.points.retain(|name, _| standings.iter().any(|standing| standing.processor == *name));
        standings.iter().map(|standing| self.stage(at, standing)).collect()
    }
    fn stage(&mut self, at: i64, standing: &Standing) -> StageLag {
        let points = self.points.entry(standing.processor).or_default();
        let here = |(topic, partition): &(&str, i32)| {
            standing.places.iter().any(|place| place.topic.name == *topic && place.partition == *partition)
        };
        points.retain(|place, _| here(place));
        let mut partitions = Vec::new();
        let mut sum: BTreeMap<i64, Point> = BTreeMap::new();
        for place in &standing.places {
            let kept = points.entry((place.topic.name, place.partition)).or_default();
            kept.retain(|point| at - point.at <= WINDOW);
            kept.push(point(at, place));
            for point in kept.iter() {
                let before = sum.get(&point.at).copied();
                sum.insert(point.at, before.map_or(*point, |before| before.and(*point)));
            }
            let lag = partition(judge(kept, standing.is_attended), place);
            partitions.push(PartitionLag {
                topic: place.topic.name,
                partition: place.partition,
                committed: place.committed,
                low: place.low,
                high: place.high,
                retention_margin: place.retention_margin(),
                lag,
            });
        }
        let sum: Vec<Point> = sum.into_values().collect();
        let mut lag = judge(&sum, standing.is_attended);
        // A trend of the whole is the whole's; a partition that stands still or loses records is its own matter.
        let worst = partitions.iter().filter(|p| p.lag.status >= Status::Stalled);
        if let Some(worst) = worst.max_by_key(|p| p.lag.status)
            && worst.lag.status > lag.status
        {
            lag.status = worst.lag.status;
            lag.reason = format!("{}/{}: {}", worst.topic, worst.partition, worst.lag.reason);
        }
        StageLag { processor: standing.processor, lag, partitions }
    }
}

fn point(at: i64, place: &Place) -> Point {
    let oldest = place.unread.and_then(|unread| unread.appended);
    let committed = place.committed.unwrap_or(place.low);
    Point { at, committed, high: place.high, behind: place.behind(), oldest }
}

/// Adds what the partition's beginning says: whether records went before they were read.
fn partition(mut lag: Lag, place: &Place) -> Lag {
    if let Some(margin) = place.retention_margin().filter(|margin| *margin < 0) {
        lag.status = Status::LosingData;
        lag.reason =
            format!("{} records below offset {} were deleted before they were read", -margin, place.low);
    }
    lag
}
