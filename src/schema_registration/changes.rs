//! The fields in which two Avro record schemas differ.
//!
//! Invariant: equal schemas have no changes.
//! Not here: compatibility of two schemas (crate `schemas`).
use serde_json::Value;

/// Returns added fields as `+ name: type`, changed ones as `~ name: old → new`, removed ones as `- name`.
pub fn field_changes(older: &str, newer: &str) -> Vec<String> {
    let (older, newer) = (fields(older), fields(newer));
    let find = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(field, _)| field == name).map(|(_, field_type)| field_type.clone())
    };
    let added_or_changed = newer.iter().filter_map(|(name, field_type)| match find(&older, name) {
        None => Some(format!("+ {name}: {field_type}")),
        Some(before) if before != *field_type => Some(format!("~ {name}: {before} → {field_type}")),
        Some(_) => None,
    });
    let removed = older.iter().filter(|(name, _)| find(&newer, name).is_none());
    added_or_changed.chain(removed.map(|(name, _)| format!("- {name}"))).collect()
}

/// Returns the names and types of a record schema's fields.
fn fields(text: &str) -> Vec<(String, String)> {
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    let fields = schema["fields"].as_array().cloned().unwrap_or_default();
    fields
        .iter()
        .map(|field| (field["name"].as_str().unwrap_or_default().to_owned(), type_name(&field["type"])))
        .collect()
}
fn type_name(field_type: &Value) -> String {
    match field_type {
        Value::String(name) => name.clone(),
        Value::Object(named) => named.get("name").unwrap_or(field_type).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_changed_and_removed_fields_are_listed() {
        let older = r#"{"fields":[{"name":"a","type":"int"},{"name":"b","type":["null","int"]},{"name":"c","type":"int"}]}"#;
        let newer = r#"{"fields":[{"name":"a","type":"long"},{"name":"b","type":["null","int"]},{"name":"d","type":"int"}]}"#;
        assert_eq!(field_changes(older, newer), ["~ a: int → long", "+ d: int", "- c"]);
        assert!(field_changes(newer, newer).is_empty());
    }
}
