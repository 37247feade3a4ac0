//! The values of the metrics in the catalog, and their exposition in the OpenMetrics text format.
//!
//! Invariant: every metric of the catalog is registered at the start; a scrape never sees only a part of a lag sample.
//! Not here: names and labels (`catalog`).
use super::catalog::*;
use crate::lag::{CatchUp, ProcessorLag, Status};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter, family::Family, gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::SystemTime,
};

type Labels = Vec<(&'static str, String)>;
type Value = gauge::Gauge<f64, AtomicU64>;

enum Series {
    Counter(Family<Labels, counter::Counter>),
    Gauge(Family<Labels, Value>),
    Histogram(Family<Labels, Histogram, fn() -> Histogram>),
}

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    series: BTreeMap<&'static str, Series>,
    /// Locked while the values of one lag sample are set, and while a scrape reads all values. So a scrape never sees a part of a sample.
    sample_lock: Mutex<()>,
}
impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
impl Default for Metrics {
    fn default() -> Self {
        let mut metrics =
            Metrics { registry: Registry::default(), series: BTreeMap::new(), sample_lock: Mutex::default() };
        for metric in ALL {
            let series = metrics.register(metric);
            metrics.series.insert(metric.name, series);
        }
        metrics.set(BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        metrics.set(START, &[], now());
        metrics
    }
}

/// Returns the current time in seconds since 1970, the unit of timestamps in Prometheus.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Metrics {
    fn register(&mut self, metric: &Metric) -> Series {
        // The exposition format appends `_total` to the names of counters.
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        match metric.metric_type {
            MetricType::Counter => {
                let family = Family::default();
                self.registry.register(name, metric.help, family.clone());
                Series::Counter(family)
            }
            MetricType::Gauge => {
                let family = Family::default();
                self.registry.register(name, metric.help, family.clone());
                Series::Gauge(family)
            }
            MetricType::Histogram(_) => {
                let new: fn() -> Histogram = match metric.metric_type {
                    SECONDS => || histogram(SECONDS),
                    RECORDS => || histogram(RECORDS),
                    _ => || histogram(BYTES),
                };
                let family = Family::new_with_constructor(new);
                self.registry.register(name, metric.help, family.clone());
                Series::Histogram(family)
            }
        }
    }
    /// Adds to a counter.
    pub fn add(&self, metric: Metric, labels: &[&str], by: u64) {
        match self.series.get(metric.name) {
            Some(Series::Counter(family)) => {
                _ = family.get_or_create(&label_values(metric, labels)).inc_by(by)
            }
            _ => debug_assert!(false, "{} is not a counter", metric.name),
        }
    }
    /// Sets a gauge.
    pub fn set(&self, metric: Metric, labels: &[&str], to: f64) {
        match self.series.get(metric.name) {
            Some(Series::Gauge(family)) => _ = family.get_or_create(&label_values(metric, labels)).set(to),
            _ => debug_assert!(false, "{} is not a gauge", metric.name),
        }
    }
    /// Adds to a gauge.
    pub fn gauge_add(&self, metric: Metric, labels: &[&str], by: f64) {
        match self.series.get(metric.name) {
            Some(Series::Gauge(family)) => _ = family.get_or_create(&label_values(metric, labels)).inc_by(by),
            _ => debug_assert!(false, "{} is not a gauge", metric.name),
        }
    }
    /// Adds an observation to a histogram.
    pub fn observe(&self, metric: Metric, labels: &[&str], value: f64) {
        match self.series.get(metric.name) {
            Some(Series::Histogram(family)) => {
                family.get_or_create(&label_values(metric, labels)).observe(value)
            }
            _ => debug_assert!(false, "{} is not a histogram", metric.name),
        }
    }
    /// Sets a gauge to the current time.
    pub fn set_to_now(&self, metric: Metric, labels: &[&str]) {
        self.set(metric, labels, now());
    }
    fn clear(&self, metric: Metric) {
        if let Some(Series::Gauge(family)) = self.series.get(metric.name) {
            family.clear();
        }
    }
    /// Replaces the exported lag, and the number of dead letters of each processor, by a new sample. After a failed sample (`None`) no lag
    /// is exported, because outdated values would look like healthy ones.
    pub fn record_lag(&self, sample: Option<(&[ProcessorLag], &BTreeMap<String, i64>)>) {
        let _guard = self.sample_lock.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in [
            LAG_RECORDS,
            LAG_SECONDS,
            COMMITTED_OFFSET,
            MARGIN,
            LOG_START_OFFSET,
            END_OFFSET,
            STATUS,
            CATCH_UP,
            DEAD_LETTERS,
        ] {
            self.clear(metric);
        }
        let Some((processor_lags, dead_letters)) = sample else {
            return self.add(LAG_SAMPLES, &["failed"], 1);
        };
        self.add(LAG_SAMPLES, &["ok"], 1);
        self.set_to_now(LAG_LAST_SAMPLE, &[]);
        for (processor, dead_letters) in dead_letters {
            self.set(DEAD_LETTERS, &[processor], *dead_letters as f64);
        }
        for processor_lag in processor_lags {
            self.record_processor_lag(processor_lag);
        }
    }
    fn record_processor_lag(&self, ProcessorLag { processor, lag, partitions }: &ProcessorLag) {
        for status in Status::ALL {
            self.set(STATUS, &[processor, status.name()], f64::from(u8::from(status == lag.status)));
        }
        match lag.catch_up {
            Some(CatchUp::In(seconds)) => self.set(CATCH_UP, &[processor], seconds),
            Some(CatchUp::Never) => self.set(CATCH_UP, &[processor], f64::INFINITY),
            None => {}
        }
        for partition_lag in partitions {
            let partition = partition_lag.partition.to_string();
            let labels = [processor, partition_lag.topic, &partition];
            self.set(LAG_RECORDS, &labels, partition_lag.lag.records as f64);
            if let Some(seconds) = partition_lag.lag.seconds {
                self.set(LAG_SECONDS, &labels, seconds);
            }
            self.set(COMMITTED_OFFSET, &labels, partition_lag.committed.unwrap_or(0) as f64);
            if let Some(margin) = partition_lag.retention_margin {
                self.set(MARGIN, &labels, margin as f64);
            }
            self.set(LOG_START_OFFSET, &labels[1..], partition_lag.log_start_offset as f64);
            self.set(END_OFFSET, &labels[1..], partition_lag.end_offset as f64);
        }
    }
    /// Returns all metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// When the text cannot be formatted.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let _guard = self.sample_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn label_values(metric: Metric, labels: &[&str]) -> Labels {
    debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
    metric.labels.iter().copied().zip(labels.iter().map(|value| (*value).to_owned())).collect()
}
fn histogram(metric_type: MetricType) -> Histogram {
    let MetricType::Histogram(bounds) = metric_type else { return Histogram::new([]) };
    Histogram::new(bounds.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_exposed_under_its_name() {
        let metrics = Metrics::default();
        for metric in ALL {
            let labels: Vec<&str> = metric.labels.iter().map(|_| "x").collect();
            match metric.metric_type {
                MetricType::Counter => metrics.add(*metric, &labels, 2),
                MetricType::Gauge => metrics.gauge_add(*metric, &labels, 2.0),
                MetricType::Histogram(_) => metrics.observe(*metric, &labels, 2.0),
            }
        }
        let text = metrics.text().unwrap();
        for metric in ALL {
            let name = match metric.metric_type {
                MetricType::Histogram(_) => format!("{}_count", metric.name),
                _ => metric.name.to_owned(),
            };
            assert!(
                text.lines().any(|line| line.split(['{', ' ']).next() == Some(&name)),
                "{name} in\n{text}"
            );
        }
        assert!(text.ends_with("# EOF\n"));
    }
    #[test]
    fn a_failed_sample_removes_the_values_of_an_earlier_one() {
        let metrics = Metrics::default();
        let dead_letters = BTreeMap::from([("games".to_owned(), 3)]);
        metrics.record_lag(Some((&[], &dead_letters)));
        assert!(metrics.text().unwrap().contains("fastbreak_dead_letters{processor=\"games\"} 3.0"));
        metrics.record_lag(None);
        let text = metrics.text().unwrap();
        assert!(!text.contains("fastbreak_dead_letters{"), "{text}");
        assert!(text.contains("fastbreak_lag_samples_total{outcome=\"failed\"} 1"));
    }
}
