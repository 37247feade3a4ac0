//! What records of raw topics came with, beside their values: read once more when they become dead letters.
//!
//! Whoever produces to a raw topic may add headers, and every record has a time. A key may be any bytes. The engine has
//! no use for these, so they are not carried with each record; a dead letter is rare, and its record still lies where it was read.
//! Invariant: read-only; what is not there any more is left out, and its letter goes without; what cannot be read now is an error.
//! Not here: what a letter says of them (`letters`).
use super::{
    client::Context,
    letters, queues,
    reader::{CALL, Place, Reader},
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
use rdkafka::{
    Message,
    consumer::{Consumer, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Headers, OwnedHeaders},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// What a record came with, beside its value.
#[derive(Default)]
pub struct Original {
    /// Its bytes: as text it may be another one.
    pub key: Option<Vec<u8>>,
    pub headers: Option<OwnedHeaders>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

/// By topic as it is called here, partition and offset.
pub type Originals = BTreeMap<(String, i32, i64), Original>;

/// How long nothing may come of them. The processor has just read them, so brokers that give them to nobody now are away.
const LONGEST: Duration = CALL;

/// Offsets that are wanted of a topic, as it is called here.
type Wanted = (String, BTreeSet<i64>);

/// Of the records that became the dead letters among these.
///
/// # Errors
/// `Halt::Unreachable` when they cannot be read now.
pub fn of(
    reader: &Reader,
    settings: &Settings,
    out: &BTreeMap<(String, i32), Chunk>,
) -> Result<Originals, Halt> {
    let mut wanted: BTreeMap<Place, Wanted> = BTreeMap::new();
    for (_, chunk) in out.iter().filter(|((topic, _), _)| letters::is_letters(topic)) {
        for record in chunk.records().flatten() {
            let letter = record.value.and_then(letters::open);
            if let Some(letter) = letter.filter(|letter| topics::is_raw(&letter.origin)) {
                let place = (settings.topic(&letter.origin).into_owned(), letter.partition);
                let of_place = wanted.entry(place).or_insert_with(|| (letter.origin, BTreeSet::new()));
                of_place.1.insert(letter.offset);
            }
        }
    }
    match wanted.is_empty() {
        true => Ok(Originals::new()),
        false => read(reader, wanted),
    }
}

/// Reads from the first of the offsets that is still there to the last, of all partitions at once.
fn read(reader: &Reader, mut wanted: BTreeMap<Place, Wanted>) -> Result<Originals, Halt> {
    let halt = |error: KafkaError| reader.halt("reading what became dead letters", &error);
    let places: Vec<Place> = wanted.keys().cloned().collect();
    let lows = reader.lows(&places)?;
    for (place, (_, offsets)) in &mut wanted {
        *offsets = offsets.split_off(lows.get(place).unwrap_or(&0));
    }
    let first = |(place, (_, offsets)): (&Place, &Wanted)| Some((place.clone(), *offsets.first()?));
    let firsts: Vec<(Place, i64)> = wanted.iter().filter_map(first).collect();
    let client = reader.client_of_its_own()?;
    let queues = queues::assign(&client, &firsts).map_err(halt)?;
    let mut open = Vec::new();
    for ((place, _), queue) in firsts.into_iter().zip(queues) {
        if let Some((topic, offsets)) = wanted.remove(&place) {
            open.push(Open { topic, known_as: place.0, partition: place.1, offsets, queue });
        }
    }
    let (mut found, mut last) = (Originals::new(), Instant::now());
    while !open.is_empty() {
        if last.elapsed() > LONGEST {
            return Err(halt(KafkaError::MessageConsumption(Code::OperationTimedOut)));
        }
        match client.poll(Duration::from_millis(1)) {
            Some(Ok(message)) => return Err(queues::stray(&message)),
            Some(Err(error)) => reader.check(&error)?,
            None => {}
        }
        let mut index = 0;
        while let Some(partition) = open.get_mut(index) {
            let (any, ended) = partition.take(reader, &mut found)?;
            if any {
                last = Instant::now();
            }
            match ended {
                None => index += 1,
                Some(End::Taken) => _ = open.swap_remove(index),
                Some(End::OfPartition) => {
                    let position = client.position().map_err(halt)?;
                    let at = position.find_partition(&partition.known_as, partition.partition);
                    let passed = at.and_then(|at| at.offset().to_raw()).unwrap_or(0);
                    // What is gone is gone. But one that has just begun to lead may not know yet how far it is.
                    if partition.offsets.last().is_some_and(|last| *last >= passed) {
                        return Err(halt(KafkaError::MessageConsumption(Code::OffsetNotAvailable)));
                    }
                    open.swap_remove(index);
                }
            }
        }
    }
    Ok(found)
}

/// Why nothing more comes of a partition.
enum End {
    /// The last that was wanted has come, or a later one.
    Taken,
    OfPartition,
}

/// A partition of which something is still wanted.
struct Open {
    topic: String,
    /// As the brokers call it.
    known_as: String,
    partition: i32,
    offsets: BTreeSet<i64>,
    queue: PartitionQueue<Context>,
}
impl Open {
    /// Takes what is wanted out of what the queue holds; whether that held anything, and how it ended.
    fn take(&mut self, reader: &Reader, found: &mut Originals) -> Result<(bool, Option<End>), Halt> {
        let mut any = false;
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let at = message.offset();
                    any = true;
                    if self.offsets.remove(&at) {
                        let key = message.key().map(<[u8]>::to_vec);
                        let (headers, timestamp) = (headers(&message), message.timestamp().to_millis());
                        let original = Original { key, headers, timestamp };
                        found.insert((self.topic.clone(), self.partition, at), original);
                    }
                    if self.offsets.last().is_none_or(|last| *last <= at) {
                        return Ok((any, Some(End::Taken)));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok((any, Some(End::OfPartition))),
                Some(Err(error)) => reader.check(&error)?,
                None => return Ok((any, None)),
            }
        }
    }
}

/// The headers, when their names are text: the client's reader panics at any other.
fn headers(message: &BorrowedMessage<'_>) -> Option<OwnedHeaders> {
    let headers = message.headers()?.detach();
    let is_text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| headers.iter().count())).is_ok();
    is_text.then_some(headers)
}
