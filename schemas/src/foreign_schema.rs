//! Schemas that another producer registered: either a released version of ours with a different text, or a different schema whose records
//! our newest version can read.
//!
//! Invariant: a record of a different schema is read by Avro's schema resolution; a schema that our newest version cannot read is rejected
//! with its id and the reason.
//! Not here: our own schemas, which need no translation (`schema_ids`).
use crate::compatibility::can_read;
use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};

/// The relation of a registered schema to the released versions of an event.
pub(crate) enum ForeignSchema {
    /// The registered schema has the same meaning as the released version at this index, but a different text.
    SameAs(usize),
    /// The registered schema differs from all released versions, but our newest version can read its records.
    Readable(Box<Translation>),
}
impl ForeignSchema {
    /// Compares a registered schema with the released ones. The comparison uses Avro's parsing canonical form, which omits attributes that
    /// do not affect the encoding of a record.
    pub(crate) fn from_text(text: &str, released_texts: &[&str]) -> Result<ForeignSchema, String> {
        let writer = parse(text).map_err(|reason| format!("its text is not an Avro schema: {reason}"))?;
        let canonical_form = writer.canonical_form();
        for (index, released_text) in released_texts.iter().enumerate() {
            if parse(released_text)?.canonical_form() == canonical_form {
                return Ok(ForeignSchema::SameAs(index));
            }
        }
        let newest =
            released_texts.last().ok_or("the event has no released schema that could read its records")?;
        can_read(newest, text)
            .map_err(|reason| format!("our newest schema cannot read its records: {reason}"))?;
        Ok(ForeignSchema::Readable(Box::new(Translation { writer, reader: parse(newest)? })))
    }
}
fn parse(text: &str) -> Result<Schema, String> {
    Schema::parse_str(text).map_err(|error| error.to_string())
}

/// Translates record bodies from a foreign schema to our newest one.
pub(crate) struct Translation {
    writer: Schema,
    reader: Schema,
}
impl Translation {
    pub(crate) fn translate(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let translate = || {
            let reader = GenericDatumReader::builder(&self.writer).reader_schema(&self.reader).build()?;
            let value = reader.read_value(&mut &body[..])?;
            GenericDatumWriter::builder(&self.reader).build()?.write_value_to_vec(value)
        };
        translate().map_err(|error: apache_avro::Error| error.to_string())
    }
}
