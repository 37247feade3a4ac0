//! Avro schema compatibility: whether a reader schema can read the records of a writer schema.
//!
//! Invariant: `apache-avro` decides whether schemas are compatible, by the schema resolution rules of the Avro specification.
//! Not here: which schemas must be compatible (`catalog`).

/// Checks that `reader` reads every record written with `writer`.
///
/// # Errors
/// Returns the first incompatibility, or the reason why one of the texts is not an Avro schema.
pub fn can_read(reader: &str, writer: &str) -> Result<(), String> {
    let parse = |text| apache_avro::Schema::parse_str(text).map_err(|error| error.to_string());
    apache_avro::schema_compatibility::SchemaCompatibility::can_read(&parse(writer)?, &parse(reader)?)
        .map(|_| ())
        .map_err(|error| error.to_string())
}
