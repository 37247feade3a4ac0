//! Determines which changes a subject of the registry needs, and makes them.
//!
//! Invariant: a schema that cannot read every registered version of its subject is never pushed, whatever the compatibility
//! level of the subject is. Registered versions are kept, so a second push changes nothing.
//! Not here: the report (`cli::schemas` of the binary).
use crate::{
    client::{Client, Level, Registered, Verdict},
    error::RegistryError,
    subject::Subject,
};
use schemas::catalog::can_read;

/// The compatibility level that every subject must have: a topic that is reprocessed from its start has records of all schema versions.
pub const REQUIRED_LEVEL: Level = Level::BackwardTransitive;

/// Actual state of a subject in the registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectState {
    pub level: Option<Level>,
    /// All registered versions, oldest first.
    pub versions: Vec<Registered>,
    /// Index (in the list of released schemas) and id of the newest released schema that is registered; `None` if none is registered.
    pub registered: Option<(usize, u32)>,
    /// The reason why the registry would reject the newest released schema; `None` if it would accept the schema or was not queried.
    pub objection: Option<String>,
}

/// The change that a subject needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAction {
    /// No change: the newest schema is registered under this id, and the subject has the required level.
    Nothing { id: u32 },
    Push {
        /// Index of the first released schema to register; the number of released schemas if all are registered.
        from: usize,
        /// True if the compatibility level must be set.
        sets_level: bool,
    },
    /// The newest schema is incompatible, for this reason.
    Refused(String),
}

/// Reads the state of a subject from the registry.
///
/// # Errors
/// If a request fails.
pub fn read(client: &Client, subject: &Subject) -> Result<SubjectState, RegistryError> {
    let numbers = client.versions(&subject.name)?;
    if numbers.is_empty() {
        return Ok(SubjectState::default());
    }
    let versions =
        numbers.iter().map(|number| client.version(&subject.name, *number)).collect::<Result<_, _>>()?;
    let level = client.level(&subject.name)?;
    let released = subject.entry.released;
    let mut registered = None;
    for (index, text) in released.iter().enumerate().rev() {
        if let Some(found) = client.find(&subject.name, text)? {
            registered = Some((index, found.id));
            break;
        }
    }
    let is_newest_registered = registered.is_some_and(|(index, _)| index + 1 == released.len());
    // The registry checks at the subject's current level; if that is not the required level, its verdict does not matter.
    let objection = if is_newest_registered || level != Some(REQUIRED_LEVEL) {
        None
    } else {
        match client.check_compatibility(&subject.name, subject.newest())? {
            Verdict::Compatible => None,
            Verdict::Incompatible(reason) => Some(reason),
        }
    };
    Ok(SubjectState { level, versions, registered, objection })
}

/// Decides which change a subject needs. `released` are all released schemas of the subject, oldest first.
pub fn plan(released: &[&str], state: &SubjectState) -> SubjectAction {
    let newest = released.last().copied().unwrap_or_default();
    let mut reasons: Vec<String> = Vec::new();
    for version in &state.versions {
        if let Err(reason) = can_read(newest, &version.schema) {
            reasons.push(format!("v{} cannot read version {}: {reason}", released.len(), version.version));
        }
    }
    reasons.extend(state.objection.iter().map(|reason| format!("the registry rejects the schema: {reason}")));
    if !reasons.is_empty() {
        return SubjectAction::Refused(reasons.join("; "));
    }
    let sets_level = state.level != Some(REQUIRED_LEVEL);
    match state.registered {
        Some((index, id)) if index + 1 == released.len() && !sets_level => SubjectAction::Nothing { id },
        registered => SubjectAction::Push { from: registered.map_or(0, |(index, _)| index + 1), sets_level },
    }
}

/// Registers the released schemas from index `from` on, sets the subject's compatibility level, and returns their schema ids.
///
/// # Errors
/// If a request fails; schemas registered before it stay registered.
pub fn push(
    client: &Client,
    subject: &Subject,
    state: &SubjectState,
    from: usize,
) -> Result<Vec<u32>, RegistryError> {
    // A level can be set only after the first version of a subject is registered, and must be set before the second one is.
    let mut level = state.level;
    let mut ids = Vec::new();
    for text in subject.entry.released.iter().skip(from) {
        if (!state.versions.is_empty() || !ids.is_empty()) && level != Some(REQUIRED_LEVEL) {
            client.set_level(&subject.name, REQUIRED_LEVEL)?;
            level = Some(REQUIRED_LEVEL);
        }
        ids.push(client.register(&subject.name, text)?);
    }
    if level != Some(REQUIRED_LEVEL) {
        client.set_level(&subject.name, REQUIRED_LEVEL)?;
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
    const V2: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
    const INCOMPATIBLE: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

    fn state(level: Level, texts: &[&str], registered: Option<(usize, u32)>) -> SubjectState {
        let versions = texts.iter().zip(1..);
        let versions =
            versions.map(|(text, version)| Registered { id: version, version, schema: (*text).to_owned() });
        SubjectState { level: Some(level), versions: versions.collect(), registered, objection: None }
    }
    #[test]
    fn all_schemas_are_pushed_to_an_empty_registry_and_none_to_a_complete_one() {
        let push_all = SubjectAction::Push { from: 0, sets_level: true };
        assert_eq!(plan(&[V1, V2], &SubjectState::default()), push_all);
        let complete = state(REQUIRED_LEVEL, &[V1, V2], Some((1, 2)));
        assert_eq!(plan(&[V1, V2], &complete), SubjectAction::Nothing { id: 2 });
    }
    #[test]
    fn only_schemas_newer_than_the_newest_registered_one_are_pushed() {
        let older = state(REQUIRED_LEVEL, &[V1], Some((0, 1)));
        assert_eq!(plan(&[V1, V2], &older), SubjectAction::Push { from: 1, sets_level: false });
        let without_level = state(Level::None, &[V1, V2], Some((1, 2)));
        assert_eq!(plan(&[V1, V2], &without_level), SubjectAction::Push { from: 2, sets_level: true });
    }
    #[test]
    fn a_schema_that_cannot_read_a_registered_version_is_rejected_at_any_level() {
        for level in [REQUIRED_LEVEL, Level::None] {
            let state = state(level, &[INCOMPATIBLE, V1], Some((0, 2)));
            let SubjectAction::Refused(reason) = plan(&[V1, V2], &state) else {
                panic!("not refused at {level}");
            };
            assert!(reason.contains("v2 cannot read version 1"), "{reason}");
        }
    }
    #[test]
    fn a_schema_that_the_registry_rejects_is_refused() {
        let mut older = state(REQUIRED_LEVEL, &[V1], Some((0, 1)));
        older.objection = Some("a rule of its own".into());
        assert!(
            matches!(plan(&[V1, V2], &older), SubjectAction::Refused(reason) if reason.contains("a rule of its own"))
        );
    }
}
