//! Parsing the JSON of payloads, rows and events.
//!
//! serde reads the fields of a struct from a list, too, by position. So everything here parses objects, and a field of a payload that is an
//! object has the type [`Object`].
//!
//! Invariant: a text that is not JSON and a JSON value with an unexpected shape are distinguished; a reason names the field, what was found
//! and what is expected, in words of JSON and never by the name of a Rust type. A row that cannot be parsed affects no other row.
//! Not here: single values of a row (`cell`).
use super::loaded::Reject;
use schemas::raw::RejectCode;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{error::Category, value::RawValue};
use std::{fmt, marker::PhantomData, ops::Deref};

/// Why a text cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// The text is not JSON.
    NotJson(String),
    /// The text is JSON, but not of the expected shape.
    Shape(String),
}

/// A struct that is read from a JSON object, and from nothing else.
#[derive(Default)]
pub struct Object<T>(pub T);
impl<T> Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsOf(PhantomData))
    }
}
struct FieldsOf<T>(PhantomData<T>);
impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldsOf<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

/// Parses a JSON object.
///
/// # Errors
/// If the text is not JSON, or not an object of the expected shape.
pub fn parse_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, JsonError> {
    parse::<Object<T>>(json).map(|object| object.0)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, JsonError> {
    serde_json::from_str(json).map_err(|error| match error.classify() {
        // The shape may be wrong before the text stops being JSON.
        Category::Data => match serde_json::from_str::<IgnoredAny>(json) {
            Ok(_) => JsonError::Shape(shape_reason::<T>(json, &error)),
            Err(error) => JsonError::NotJson(error.to_string()),
        },
        Category::Syntax | Category::Eof | Category::Io => JsonError::NotJson(error.to_string()),
    })
}

/// Parses a payload that is an object, or the part of it that contains the rows.
pub fn parse_payload<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Reject> {
    parse_json(json).map_err(reject)
}

/// Parses a payload that is a list of rows.
pub fn parse_rows(json: &str) -> Result<Vec<&RawValue>, Reject> {
    parse(json).map_err(reject)
}

fn reject(error: JsonError) -> Reject {
    match error {
        JsonError::NotJson(reason) => Reject { code: RejectCode::NotJson, reason },
        JsonError::Shape(reason) => Reject::bad_payload(reason),
    }
}

/// Parses one row that is an object.
pub fn parse_row<'a, T: Deserialize<'a>>(row: &'a RawValue) -> Result<T, String> {
    parse_json(row.get()).map_err(|error| match error {
        JsonError::NotJson(reason) | JsonError::Shape(reason) => reason,
    })
}

/// Returns the reason of an error, with the field in which it is. Only a text that cannot be parsed is parsed a second time, because
/// keeping track of the field makes parsing slower.
fn shape_reason<'a, T: Deserialize<'a>>(json: &'a str, error: &serde_json::Error) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => reason(&error.path().to_string(), &error.inner().to_string()),
        Ok(_) => reason(".", &error.to_string()),
    }
}

/// Converts an error message of serde: `invalid type: null, expected struct Report at line 1 column 20` in the field `metadata` becomes
/// `metadata: found null, expected an object`. `.` is the path of the complete value.
pub(super) fn reason(path: &str, message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let field_of = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
    let at = |path: &str, text: &str| {
        if path == "." { text.to_owned() } else { format!("{path}: {text}") }
    };
    let member = |field: &str| if path == "." { field.to_owned() } else { format!("{path}.{field}") };
    if let Some(field) = field_of("missing field `") {
        return at(&member(field), "found nothing, expected a value");
    }
    if let Some(field) = field_of("duplicate field `") {
        // The path already ends with the field, because its second value is parsed.
        let path = if path.ends_with(field) { path.to_owned() } else { member(field) };
        return at(&path, "found twice, expected once");
    }
    let kinds = message.split_once(": ").filter(|(kind, _)| kind.starts_with("invalid "));
    let found_and_expected = match kinds {
        Some((_, kinds)) => kinds.rsplit_once(", expected "),
        None => message.strip_prefix("invalid length ").and_then(|kinds| kinds.rsplit_once(", expected ")),
    };
    match (found_and_expected, kinds.is_some()) {
        (Some((found, expected)), true) => {
            at(path, &format!("found {}, expected {}", found_kind(found), expected_kind(expected)))
        }
        (Some((length, expected)), false) => {
            at(path, &format!("found {length} elements, expected {}", expected_kind(expected)))
        }
        (None, _) => at(path, message),
    }
}

/// Converts serde's description of a value: ``integer `5` `` becomes `5`, and `sequence` becomes `a list`. A long text is cut.
fn found_kind(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ => {
            let text = found.strip_prefix("string ").unwrap_or(found);
            let number = ["integer `", "floating point `", "boolean `", "number `"].iter();
            let number = number.filter_map(|prefix| text.strip_prefix(prefix)?.strip_suffix('`')).next();
            number.unwrap_or(text).chars().take(60).collect()
        }
    }
}

/// Converts serde's description of a type: a Rust type becomes `an object`, a sequence `a list`, a string `a text`.
fn expected_kind(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a string" | "a borrowed string" => "a text",
        "a map" => "an object",
        _ => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Inner<'a> {
        #[serde(borrow)]
        rows: Vec<&'a RawValue>,
        name: String,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Outer<'a> {
        #[serde(borrow)]
        inner: Object<Inner<'a>>,
        #[serde(borrow)]
        others: Option<Vec<Object<Inner<'a>>>>,
    }

    #[test]
    fn a_reason_names_the_field_and_the_kinds_of_json_that_were_found_and_expected() {
        for (json, expected) in [
            ("[]", "found a list, expected an object"),
            (r#"[{"rows":[],"name":"a"},null]"#, "found a list, expected an object"),
            (r#"{"inner":[[],"a"]}"#, "inner: found a list, expected an object"),
            ("null", "found null, expected an object"),
            ("5", "found 5, expected an object"),
            ("{}", "inner: found nothing, expected a value"),
            (r#"{"inner":null}"#, "inner: found null, expected an object"),
            (r#"{"inner":true}"#, "inner: found true, expected an object"),
            (r#"{"inner":{"rows":{}}}"#, "inner.rows: found an object, expected a list"),
            (r#"{"inner":{"rows":2.5}}"#, "inner.rows: found 2.5, expected a list"),
            (r#"{"inner":{"rows":[]}}"#, "inner.name: found nothing, expected a value"),
            (r#"{"inner":{"rows":[],"name":["a"]}}"#, "inner.name: found a list, expected a text"),
            (r#"{"inner":{"rows":[],"rows":[]}}"#, "inner.rows: found twice, expected once"),
            (
                r#"{"inner":{"rows":[1],"name":"a"},"others":[{"rows":", expected x at line 2"}]}"#,
                r#"others[0].rows: found ", expected x at line 2", expected a list"#,
            ),
        ] {
            let error = parse_json::<Outer>(json).err();
            assert_eq!(error, Some(JsonError::Shape(expected.to_owned())), "{json}");
        }
    }
    #[test]
    fn a_text_that_is_not_json_is_not_of_a_wrong_shape() {
        for json in ["", "{", "not json", r#"{"inner":{"rows":[1],"name":NaN}}"#, "{} {}", r#"{"inner":5,"#] {
            assert!(matches!(parse_json::<Outer>(json), Err(JsonError::NotJson(_))), "{json}");
        }
    }
    #[test]
    fn a_long_text_is_cut() {
        let json = format!("{:?}", "é".repeat(200));
        let Err(JsonError::Shape(reason)) = parse_json::<Outer>(&json) else { panic!("parsed") };
        assert!(reason.chars().count() < 100, "{reason}");
    }
}
