//! What records of raw topics came with, beside their values: read once more when they become dead letters.
//!
//! Whoever produces to a raw topic may add headers, and every record has a time. A key may be any bytes. The engine has
//! no use for these, so they are not carried with each record; a dead letter is rare, and its record still lies where it was read.
//! Invariant: read-only; what cannot be read, or is not there any more, is left out, and its letter goes without.
//! Not here: what a letter says of them (`letters`).
use super::{
    letters,
    reader::{Place, Reader, list},
    settings::Settings,
};
use crate::{chunk::Chunk, log::Halt};
use rdkafka::{
    Message,
    consumer::Consumer,
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

/// How long they are read for; they are an extra, and a letter goes without rather than not at all.
const LONGEST: Duration = Duration::from_secs(5);

/// Of the records that became the dead letters among these, as far as they can be read.
pub fn of(reader: &Reader, settings: &Settings, out: &BTreeMap<(String, i32), Chunk>) -> Originals {
    let mut wanted: BTreeMap<Place, (String, BTreeSet<i64>)> = BTreeMap::new();
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
    let mut found = Originals::new();
    if wanted.is_empty() {
        return found;
    }
    if let Err(halt) = read(reader, wanted, &mut found) {
        tracing::warn!(reason = %halt, "dead letters go without the headers and the time of their records");
    }
    found
}

/// Reads from the first of the offsets to the last, of all partitions at once.
fn read(
    reader: &Reader,
    mut wanted: BTreeMap<Place, (String, BTreeSet<i64>)>,
    found: &mut Originals,
) -> Result<(), Halt> {
    let halt = |error: KafkaError| reader.halt("reading what became dead letters", &error);
    let client = reader.client_of_its_own()?;
    let firsts = wanted.iter().map(|(place, (_, offsets))| (place, offsets.first().copied().unwrap_or(0)));
    client.assign(&list(firsts).map_err(halt)?).map_err(halt)?;
    let since = Instant::now();
    while !wanted.is_empty() {
        if since.elapsed() > LONGEST {
            return Err(halt(KafkaError::MessageConsumption(Code::OperationTimedOut)));
        }
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let (place, at) = ((message.topic().to_owned(), message.partition()), message.offset());
                let Some((topic, offsets)) = wanted.get_mut(&place) else { continue };
                if offsets.remove(&at) {
                    let key = message.key().map(<[u8]>::to_vec);
                    let (headers, timestamp) = (headers(&message), message.timestamp().to_millis());
                    let original = Original { key, headers, timestamp };
                    found.insert((topic.clone(), place.1, at), original);
                }
                if offsets.last().is_none_or(|last| *last <= at) {
                    wanted.remove(&place);
                }
            }
            // What is gone is gone: an end before the last of them says so too.
            Some(Err(KafkaError::PartitionEOF(partition))) => wanted.retain(|(_, p), _| *p != partition),
            Some(Err(error)) => return Err(halt(error)),
            None => {}
        }
    }
    Ok(())
}

/// The headers, when their names are text: the client's reader panics at any other.
fn headers(message: &BorrowedMessage<'_>) -> Option<OwnedHeaders> {
    let headers = message.headers()?.detach();
    let is_text = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| headers.iter().count())).is_ok();
    is_text.then_some(headers)
}
