//! What would have to change in a registry, and the change.
//!
//! Invariant: a schema that cannot read all that its subject has is never pushed, whatever level the registry has there; what is
//! there already is left alone, so that pushing twice is pushing once.
//! Not here: how it is shown (`cli/schemas.rs`).
use super::{Client, Level, Registered, RegistryError, Subject, Verdict};
use schemas::catalog::can_read;

/// The level that a log needs which is replayed from its start.
pub const REQUIRED_LEVEL: Level = Level::BackwardTransitive;

/// A subject as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectState {
    pub level: Option<Level>,
    /// All there is, oldest first.
    pub versions: Vec<Registered>,
    /// The newest released schema that is there: its place among the released, and its id.
    pub ours: Option<(usize, u32)>,
    /// The registry's own objection to the newest released, where that is not there.
    pub objection: Option<String>,
}

/// What is to be done with a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectAction {
    /// The newest schema is there under this id, at the right level.
    Nothing { id: u32 },
    Push {
        /// The place of the first released schema to register; the count when all are there.
        from: usize,
        level: bool,
    },
    /// What the newest schema cannot read.
    Refused(String),
}

/// Reads a subject.
pub fn read(client: &Client, subject: &Subject) -> Result<SubjectState, RegistryError> {
    let numbers = client.versions(&subject.name)?;
    if numbers.is_empty() {
        return Ok(SubjectState::default());
    }
    let versions =
        numbers.iter().map(|number| client.version(&subject.name, *number)).collect::<Result<_, _>>()?;
    let level = client.level(&subject.name)?;
    let mut ours = None;
    for (at, text) in subject.entry.released.iter().enumerate().rev() {
        if let Some(found) = client.find(&subject.name, text)? {
            ours = Some((at, found.id));
            break;
        }
    }
    let is_there = ours.is_some_and(|(at, _)| at + 1 == subject.entry.released.len());
    // At another level the registry would judge by that.
    let objection = match is_there || level != Some(REQUIRED_LEVEL) {
        true => None,
        false => match client.judge(&subject.name, subject.newest())? {
            Verdict::Compatible => None,
            Verdict::Incompatible(reason) => Some(reason),
        },
    };
    Ok(SubjectState { level, versions, ours, objection })
}

/// Decides what to do with a subject of these released schemas.
pub fn plan(released: &[&str], state: &SubjectState) -> SubjectAction {
    let newest = released.last().copied().unwrap_or_default();
    let mut wrong: Vec<String> = Vec::new();
    for version in &state.versions {
        if let Err(reason) = can_read(newest, &version.schema) {
            wrong.push(format!("v{} cannot read version {}: {reason}", released.len(), version.version));
        }
    }
    wrong.extend(state.objection.iter().map(|reason| format!("the registry refuses it: {reason}")));
    if !wrong.is_empty() {
        return SubjectAction::Refused(wrong.join("; "));
    }
    let level = state.level != Some(REQUIRED_LEVEL);
    match state.ours {
        Some((at, id)) if at + 1 == released.len() && !level => SubjectAction::Nothing { id },
        ours => SubjectAction::Push { from: ours.map_or(0, |(at, _)| at + 1), level },
    }
}

/// Does what was planned; answers the ids of what was registered.
pub fn push(
    client: &Client,
    subject: &Subject,
    state: &SubjectState,
    from: usize,
) -> Result<Vec<u32>, RegistryError> {
    // A subject has a level only once it is there, and needs it before it has a second version.
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
    const OTHER: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

    fn state(level: Level, texts: &[&str], ours: Option<(usize, u32)>) -> SubjectState {
        let versions = texts.iter().zip(1..);
        let versions =
            versions.map(|(text, version)| Registered { id: version, version, schema: (*text).to_owned() });
        SubjectState { level: Some(level), versions: versions.collect(), ours, objection: None }
    }
    #[test]
    fn an_empty_registry_gets_everything_and_a_full_one_nothing() {
        assert_eq!(plan(&[V1, V2], &SubjectState::default()), SubjectAction::Push { from: 0, level: true });
        let full = state(REQUIRED_LEVEL, &[V1, V2], Some((1, 2)));
        assert_eq!(plan(&[V1, V2], &full), SubjectAction::Nothing { id: 2 });
    }
    #[test]
    fn only_what_is_newer_than_the_newest_registered_is_pushed() {
        let older = state(REQUIRED_LEVEL, &[V1], Some((0, 1)));
        assert_eq!(plan(&[V1, V2], &older), SubjectAction::Push { from: 1, level: false });
        let lax = state(Level::None, &[V1, V2], Some((1, 2)));
        assert_eq!(plan(&[V1, V2], &lax), SubjectAction::Push { from: 2, level: true });
    }
    #[test]
    fn a_schema_that_cannot_read_a_registered_version_is_rejected_at_any_level() {
        for level in [REQUIRED_LEVEL, Level::None] {
            let SubjectAction::Refused(reason) = plan(&[V1, V2], &state(level, &[OTHER, V1], Some((0, 2))))
            else {
                panic!("not refused at {level}");
            };
            assert!(reason.contains("v2 cannot read version 1"), "{reason}");
        }
    }
    #[test]
    fn the_registrys_own_objection_counts() {
        let mut older = state(REQUIRED_LEVEL, &[V1], Some((0, 1)));
        older.objection = Some("a rule of its own".into());
        assert!(
            matches!(plan(&[V1, V2], &older), SubjectAction::Refused(reason) if reason.contains("a rule of its own"))
        );
    }
}
