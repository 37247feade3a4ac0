//! Ports: how a processor's typed inputs and outputs are read from and written to topics.
//!
//! Invariant: a port's topic and its event type come from one `Topic<E>`, so a topic cannot be wired to a processor that does not
//! read its events.
//! Not here: which ports a processor has (`src/topology.rs` of the root).
use schemas::{
    Event, Row,
    wire::{self, Encoder, WireError},
};
use topics::{Topic, TopicInfo};

/// Why a record is no input.
pub struct Unreadable {
    pub reason: String,
    /// Its bytes are no event, whatever schemas are known; otherwise a setting may mend it.
    pub is_foreign: bool,
}
impl Unreadable {
    fn foreign(reason: impl Into<String>) -> Self {
        Unreadable { reason: reason.into(), is_foreign: true }
    }
}
impl From<WireError> for Unreadable {
    fn from(error: WireError) -> Self {
        let is_foreign = matches!(error, WireError::Framing { .. } | WireError::Body { .. });
        Unreadable { reason: error.to_string(), is_foreign }
    }
}

type Decode<I> = Box<dyn Fn(&str, Option<&[u8]>) -> Result<I, Unreadable> + Send>;

/// An input of a processor whose inputs are `I`.
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

/// A stream of events.
pub fn stream<E: Event, I: 'static>(topic: &'static Topic<E>, wrap: fn(E) -> I) -> Input<I> {
    let decode = move |_: &str, value: Option<&[u8]>| {
        let bytes = value.ok_or_else(|| Unreadable::foreign("a stream has no tombstones"))?;
        Ok(wrap(wire::decode(bytes)?))
    };
    Input { topic: topic.info, is_table: false, decode: Box::new(decode) }
}

/// The rows of a table: id, and row or tombstone.
pub fn table<E: Row, I: 'static>(topic: &'static Topic<E>, wrap: fn(E::Id, Option<E>) -> I) -> Input<I> {
    let decode = move |key: &str, value: Option<&[u8]>| {
        let id: E::Id = key.parse().map_err(Unreadable::foreign)?;
        let row = value.map(wire::decode).transpose()?;
        Ok(wrap(id, row))
    };
    Input { topic: topic.info, is_table: true, decode: Box::new(decode) }
}

type Encode<O> = Box<dyn FnMut(&O, &mut Vec<u8>) -> Option<Result<String, String>> + Send>;

/// An output of a processor whose outputs are `O`.
pub struct Output<O> {
    pub topic: TopicInfo,
    /// What would stand before its records if no registry handed out ids.
    pub canonical_frame: fn() -> [u8; 5],
    encode: Encode<O>,
}
impl<O: 'static> Output<O> {
    /// The table rows among the outputs.
    pub fn table<E: Row>(topic: &'static Topic<E>, select: fn(&O) -> Option<&E>) -> Self {
        let mut encoder = None;
        let encode = move |out: &O, bytes: &mut Vec<u8>| {
            let event = select(out)?;
            let encoder = encoder.get_or_insert_with(Encoder::new::<E>);
            let id = event.row_id().ok_or_else(|| format!("{} names nothing", E::NAME));
            Some(id.and_then(|id| {
                encoder.encode(event, bytes).map_err(|error| error.to_string())?;
                Ok(id.to_string())
            }))
        };
        Output { topic: topic.info, canonical_frame: wire::canonical_frame::<E>, encode: Box::new(encode) }
    }
    /// The events of a stream among the outputs, keyed for partitioning.
    pub fn stream<E: Event>(topic: &'static Topic<E>, select: fn(&O) -> Option<(&E, String)>) -> Self {
        let mut encoder = None;
        let encode = move |out: &O, bytes: &mut Vec<u8>| {
            let (event, key) = select(out)?;
            let encoder = encoder.get_or_insert_with(Encoder::new::<E>);
            Some(encoder.encode(event, bytes).map_err(|error| error.to_string()).map(|()| key))
        };
        Output { topic: topic.info, canonical_frame: wire::canonical_frame::<E>, encode: Box::new(encode) }
    }
    /// Appends the record's value and answers its key; `None` when the output belongs to another topic.
    pub fn encode(&mut self, out: &O, bytes: &mut Vec<u8>) -> Option<Result<String, String>> {
        (self.encode)(out, bytes)
    }
}

/// How a view's slots are found again from the keys of what it published: output topic, record key, view key.
pub type ParseOutputKey<K, S> = fn(topic: &str, record_key: &str, view_key: &K) -> Option<S>;
