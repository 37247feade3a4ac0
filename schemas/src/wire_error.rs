//! The error of reading or writing a record on the wire.
//!
//! Invariant: every variant contains the name of the event whose record was expected.
//! Not here: encoding and decoding (`wire`), schema ids (`schema_ids`).

/// The reason why a record of the expected event cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("{event}: the record is not in Confluent framing ({len} bytes)")]
    Framing { event: &'static str, len: usize },
    #[error(
        "{event}: schema id {id} is not the id of a released version; if a schema registry assigned it, specify that registry: \
         `--registry URL`, or `registry` in the configuration"
    )]
    UnknownSchema { event: &'static str, id: u32 },
    #[error(
        "{event}: schema id {id} was registered by another producer: {reason}; next: `fastbreak schemas check`"
    )]
    ForeignSchema { event: &'static str, id: u32, reason: String },
    #[error("{event}: the registry does not answer what schema id {id} is: {reason}")]
    Registry { event: &'static str, id: u32, reason: String },
    #[error("{event}: {reason}")]
    Body { event: &'static str, reason: String },
}
impl WireError {
    /// True if these bytes are not a record of the event, as far as this process can know. False if the registry, which could tell, does not
    /// answer.
    pub const fn is_foreign(&self) -> bool {
        !matches!(self, WireError::Registry { .. })
    }
}
