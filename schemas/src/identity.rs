//! What teams answer to names.
//!
//! Invariant: every team asked answers every name, if only with nobody, so whoever asked can tell "not yet" from "no".
//! Not here: the matching rules (processors), the decision over several teams' answers (processors).
use crate::{
    ids::{NamesId, PlayerId, Scope},
    raw::Source,
    team::Team,
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The rules by which a team recognises a name, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum NameRule {
    /// Normalised, the same.
    Exact,
    /// The same without the generational suffix.
    Suffix,
    /// The same tokens in another order; a hyphen is a space.
    Order,
    /// The same surname, and one first name is a prefix or the initial of the other.
    Prefix,
    /// No team knows the name; a link says who it is.
    Link,
}
impl NameRule {
    pub const ALL: [NameRule; 5] =
        [NameRule::Exact, NameRule::Suffix, NameRule::Order, NameRule::Prefix, NameRule::Link];
    pub const fn name(self) -> &'static str {
        match self {
            NameRule::Exact => "exact",
            NameRule::Suffix => "suffix",
            NameRule::Order => "order",
            NameRule::Prefix => "prefix",
            NameRule::Link => "link",
        }
    }
}

/// Whom a team takes a name to mean, from an instant on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NameRevision {
    pub known_at: Timestamp,
    /// The strongest rule that matched; `None` when the team knows nobody of that name.
    pub rule: Option<NameRule>,
    /// Who matched by it, sorted: one, or several that it cannot tell apart.
    pub players: Vec<PlayerId>,
    /// What a link says, should no team match.
    pub link: Option<PlayerId>,
}

/// One name and whom it may mean, as that became known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NameMatch {
    pub name: String,
    /// In the order of `known_at`; the first answers from the beginning of what is known.
    pub revisions: Vec<NameRevision>,
}

/// One team's answers to one scope's names of one day and source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Names {
    /// The text form of [`Scope`].
    pub scope: String,
    pub team: Team,
    pub source: Source,
    pub date: EasternDate,
    /// Sorted by name.
    pub matches: Vec<NameMatch>,
}
impl Names {
    pub fn id(scope: Scope, team: Team, source: Source, date: EasternDate) -> NamesId {
        NamesId { scope, team, source, date }
    }
}
