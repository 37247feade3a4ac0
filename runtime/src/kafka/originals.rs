//! What records of raw topics came with, beside key and value: read once more when they become dead letters.
//!
//! Whoever produces to a raw topic may add headers, and every record has a time. The engine has no use for either, so they are not
//! carried with each record; a dead letter is rare, and its record still lies where it was read.
//! Invariant: read-only; what has been deleted meanwhile is not there, and its letter goes without.
//! Not here: what a letter says of them (`letters`).
use super::{
    letters,
    reader::{CALL, Place, Reader, list},
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
use rdkafka::{
    Message,
    consumer::Consumer,
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::OwnedHeaders,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Beside a record's key and value.
#[derive(Default)]
pub struct Original {
    pub headers: Option<OwnedHeaders>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

/// By topic as it is called here, partition and offset.
pub type Originals = BTreeMap<(String, i32, i64), Original>;

/// Of the records that became the dead letters among these.
pub fn of(
    reader: &Reader,
    settings: &Settings,
    out: &BTreeMap<(String, i32), Chunk>,
) -> Result<Originals, Halt> {
    let mut wanted: BTreeMap<(String, i32), BTreeSet<i64>> = BTreeMap::new();
    for (_, chunk) in out.iter().filter(|((topic, _), _)| letters::is_letters(topic)) {
        for record in chunk.records() {
            let letter = record?.value.and_then(letters::open);
            if let Some(letter) = letter.filter(|letter| topics::is_raw(&letter.origin)) {
                wanted.entry((letter.origin, letter.partition)).or_default().insert(letter.offset);
            }
        }
    }
    let mut found = Originals::new();
    for ((topic, partition), offsets) in wanted {
        let place = (settings.topic(&topic).into_owned(), partition);
        let mut each = |offset: i64, original| _ = found.insert((topic.clone(), partition, offset), original);
        read(reader, &place, &offsets, &mut each)?;
    }
    Ok(found)
}

/// Reads from the first of these offsets to the last.
fn read(
    reader: &Reader,
    place: &Place,
    offsets: &BTreeSet<i64>,
    each: &mut dyn FnMut(i64, Original),
) -> Result<(), Halt> {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(()) };
    let halt = |error: KafkaError| reader.halt("reading what became dead letters", &error);
    let client = Arc::new(reader.client_of_its_own()?);
    client.assign(&list([(place, *first)].into_iter()).map_err(halt)?).map_err(halt)?;
    let queue = client.split_partition_queue(&place.0, place.1);
    let queue = queue.ok_or_else(|| halt(KafkaError::Subscription(place.0.clone())))?;
    let since = Instant::now();
    let mut failed = KafkaError::MessageConsumption(Code::OperationTimedOut);
    while since.elapsed() < CALL {
        if let Some(Err(error)) = client.poll(Duration::ZERO) {
            failed = error;
        }
        match queue.poll(Duration::from_millis(20)) {
            Some(Ok(message)) => {
                let at = message.offset();
                if offsets.contains(&at) {
                    let headers = message.headers().map(rdkafka::message::BorrowedHeaders::detach);
                    each(at, Original { headers, timestamp: message.timestamp().to_millis() });
                }
                if at >= *last {
                    return Ok(());
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
    Err(halt(failed))
}
