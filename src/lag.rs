//! One look at the lag of every processor of the topology, and at its dead letters.
//!
//! Invariant: `fastbreak lag`, the console and the metrics look in this one way.
//! Not here: what a lag means (`runtime::lag`).
use crate::{config::Config, sink, topology};
use anyhow::Result;
use runtime::{
    Storage,
    engine::dead_letters_of,
    lag::{StageLag, Watch},
    member::Reader,
};
use std::collections::BTreeMap;

/// Every reader of the topology, the sink included, upstream first.
pub fn readers(config: &Config) -> Result<Vec<Reader>> {
    let mut readers = Reader::of(&topology::topology(crate::cli::predictor(config)?));
    readers.push(sink::reader(&readers));
    Ok(readers)
}

/// How everyone does, and each one's dead letters.
pub fn look(
    log: &mut dyn Storage,
    readers: &[Reader],
    watch: &mut Watch,
) -> Result<(Vec<StageLag>, BTreeMap<String, i64>)> {
    let standings = log.standings(readers)?;
    let lags = watch.look(sink::now().0, &standings);
    let topics: Vec<String> = readers.iter().map(|reader| dead_letters_of(reader.name)).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let (starts, ends) = (log.starts(&topics)?, log.ends(&topics)?);
    let letters = readers.iter().zip(&topics).map(|(reader, topic)| {
        let of_topic = ends.iter().filter(|((name, _), _)| name == topic);
        let letters = of_topic.map(|(at, end)| end - starts.get(at).copied().unwrap_or(0)).sum();
        (reader.name.to_owned(), letters)
    });
    Ok((lags, letters.collect()))
}
