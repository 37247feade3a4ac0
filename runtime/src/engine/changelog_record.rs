//! What a record of a changelog stores, as JSON for an operator.
//!
//! Invariant: reads only; a record that no version of the engine writes is an error with its reason.
//! Not here: restoring the state of a view (`materialized_view`), the keys (`view_state`).
use super::view_state::ChangelogKey;
use serde_json::{Value, json};

/// Returns the kind of a changelog record, and its value: the number of parked records, a retained record of observations, or the hash of
/// a published row.
///
/// # Errors
/// The reason why it is not a record of a changelog.
pub fn changelog_record(key: &str, value: &[u8]) -> Result<(&'static str, Value), String> {
    let number =
        || value.try_into().map(u64::from_le_bytes).map_err(|_| "the value has not 8 bytes".to_owned());
    match ChangelogKey::parse(key).ok_or("the record key is not a changelog key")? {
        ChangelogKey::ParkedCount => Ok(("parked-count", json!(number()? as i64))),
        ChangelogKey::State { .. } => {
            let retained = serde_json::from_slice(value).map_err(|error| error.to_string())?;
            Ok(("state", retained))
        }
        ChangelogKey::Published { .. } => Ok(("published", json!({ "hash": format!("{:016x}", number()?) }))),
        ChangelogKey::FormerCopy => Err("a copy of an input record, as former versions stored it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_changelog_record_is_shown_and_other_bytes_are_named() {
        let eight = 26_u64.to_le_bytes();
        assert_eq!(changelog_record("parked-count", &eight), Ok(("parked-count", json!(26))));
        assert_eq!(
            changelog_record("published|core.games.v1|BOS-NYK|BOS-NYK/1", &eight),
            Ok(("published", json!({ "hash": "000000000000001a" })))
        );
        assert_eq!(changelog_record("state|BOS-NYK|x", br#"{"a":1}"#), Ok(("state", json!({ "a": 1 }))));
        for (key, value) in
            [("else", &b"{}"[..]), ("state|k|x", b"{"), ("parked-count", b"1"), ("retained|t|k|r", b"")]
        {
            assert!(changelog_record(key, value).is_err(), "{key}");
        }
    }
}
