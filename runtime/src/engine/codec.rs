//! The codec of a processor: decodes records to its typed inputs, and encodes its typed outputs to records.
//!
//! Invariant: the topic and the event type of an input or output come from one `Topic<E>`, so a topic cannot be connected to a
//! processor that does not read its events.
//! Not here: which inputs and outputs a processor has (`src/topology/nodes.rs` of the binary).
use schemas::{
    Event, Row,
    wire::{self, Encoder, WireError},
};
use topics::{Topic, TopicInfo};

/// The reason why a record cannot be decoded.
pub struct Unreadable {
    pub reason: String,
    /// True if the bytes are not an event of any schema that this process can know. False if the schema registry, which could tell, does not
    /// answer.
    pub is_foreign: bool,
}
impl Unreadable {
    fn foreign(reason: impl Into<String>) -> Self {
        Unreadable { reason: reason.into(), is_foreign: true }
    }
}
impl From<WireError> for Unreadable {
    fn from(error: WireError) -> Self {
        Unreadable { is_foreign: error.is_foreign(), reason: error.to_string() }
    }
}

type Decode<I> = Box<dyn Fn(&str, Option<&[u8]>) -> Result<I, Unreadable> + Send>;

/// An input topic of a processor, and the function that decodes its records to the processor's input type `I`.
pub struct Input<I> {
    pub topic: TopicInfo,
    pub is_table: bool,
    decode: Decode<I>,
}
impl<I> Input<I> {
    pub fn decode(&self, key: &str, value: Option<&[u8]>) -> Result<I, Unreadable> {
        (self.decode)(key, value)
    }
}

/// Creates an input from a stream topic, in which every record counts.
pub fn stream<E: Event, I: 'static>(topic: &'static Topic<E>, wrap: fn(E) -> I) -> Input<I> {
    let decode = move |_: &str, value: Option<&[u8]>| {
        let bytes = value
            .ok_or_else(|| Unreadable::foreign("the record is a tombstone, but the topic is a stream"))?;
        Ok(wrap(wire::decode(bytes)?))
    };
    Input { topic: topic.info, is_table: false, decode: Box::new(decode) }
}

/// Creates an input from a table topic, in which the newest record of a key is the row. `wrap` receives the row id and the row, or `None`
/// for a tombstone.
pub fn table<E: Row, I: 'static>(topic: &'static Topic<E>, wrap: fn(E::Id, Option<E>) -> I) -> Input<I> {
    let decode = move |key: &str, value: Option<&[u8]>| {
        let id: E::Id = key.parse().map_err(Unreadable::foreign)?;
        let row = value.map(wire::decode).transpose()?;
        Ok(wrap(id, row))
    };
    Input { topic: topic.info, is_table: true, decode: Box::new(decode) }
}

type Encode<O> = Box<dyn FnMut(&O, &mut Vec<u8>) -> Option<Result<String, String>> + Send>;

/// An output topic of a processor, and the function that encodes its records from the processor's output type `O`.
pub struct Output<O> {
    pub topic: TopicInfo,
    /// Returns the 5-byte header that the records of this topic have without a schema registry.
    pub canonical_frame: fn() -> [u8; 5],
    encode: Encode<O>,
}
impl<O: 'static> Output<O> {
    /// Creates an output to a table topic; `select` picks the rows that belong to it.
    pub fn table<E: Row>(topic: &'static Topic<E>, select: fn(&O) -> Option<&E>) -> Self {
        let mut encoder = None;
        let encode = move |out: &O, bytes: &mut Vec<u8>| {
            let event = select(out)?;
            let encoder = encoder.get_or_insert_with(Encoder::new::<E>);
            let id = event.row_id().ok_or_else(|| format!("the fields of event {} form no row id", E::NAME));
            Some(id.and_then(|id| {
                encoder.encode(event, bytes).map_err(|error| error.to_string())?;
                Ok(id.to_string())
            }))
        };
        Output { topic: topic.info, canonical_frame: wire::canonical_frame::<E>, encode: Box::new(encode) }
    }
    /// Creates an output to a stream topic; `select` picks the events that belong to it, with their record keys.
    pub fn stream<E: Event>(topic: &'static Topic<E>, select: fn(&O) -> Option<(&E, String)>) -> Self {
        let mut encoder = None;
        let encode = move |out: &O, bytes: &mut Vec<u8>| {
            let (event, key) = select(out)?;
            let encoder = encoder.get_or_insert_with(Encoder::new::<E>);
            Some(encoder.encode(event, bytes).map_err(|error| error.to_string()).map(|()| key))
        };
        Output { topic: topic.info, canonical_frame: wire::canonical_frame::<E>, encode: Box::new(encode) }
    }
    /// Appends the encoded value to `bytes` and returns the key; `None` if `out` belongs to a different output topic.
    pub fn encode(&mut self, out: &O, bytes: &mut Vec<u8>) -> Option<Result<String, String>> {
        (self.encode)(out, bytes)
    }
}

/// A function that parses the output key of a published row from its output topic, record key and view key.
pub type ParseOutputKey<K, S> = fn(topic: &str, record_key: &str, view_key: &K) -> Option<S>;
