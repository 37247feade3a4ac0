//! Schemas that somebody else registered: the same as one of ours in other words, or one that ours reads.
//!
//! Invariant: a record of theirs is read by Avro's rules of resolution or not at all; what ours cannot read is refused by name.
//! Not here: schemas of our own, which are read without a detour (`schema_ids`).
use crate::catalog::can_read;
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};

/// What a registered text is to an event.
pub(crate) enum ForeignSchema {
    /// The version at this position, written differently.
    Ours(usize),
    Readable(Box<Translation>),
}
impl ForeignSchema {
    /// Compares in Avro's parsing canonical form, which leaves out what does not change a record.
    pub(crate) fn from_text(text: &str, ours: &[&str]) -> Result<ForeignSchema, String> {
        let writer = parse(text).map_err(|reason| format!("its text is no Avro schema: {reason}"))?;
        let form = writer.canonical_form();
        for (at, ours) in ours.iter().enumerate() {
            if parse(ours)?.canonical_form() == form {
                return Ok(ForeignSchema::Ours(at));
            }
        }
        let newest = ours.last().ok_or("there is no schema to read it with")?;
        can_read(newest, text).map_err(|reason| format!("the newest schema cannot read it: {reason}"))?;
        Ok(ForeignSchema::Readable(Box::new(Translation { writer, reader: parse(newest)? })))
    }
}
fn parse(text: &str) -> Result<Schema, String> {
    Schema::parse_str(text).map_err(|error| error.to_string())
}

/// From their schema to our newest.
pub(crate) struct Translation {
    writer: Schema,
    reader: Schema,
}
impl Translation {
    pub(crate) fn translate(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let translate = || {
            let theirs = GenericDatumReader::builder(&self.writer).reader_schema(&self.reader).build()?;
            let value = theirs.read_value(&mut &body[..])?;
            GenericDatumWriter::builder(&self.reader).build()?.write_value_to_vec(value)
        };
        translate().map_err(|error: apache_avro::Error| error.to_string())
    }
}
