//! The results of name lookups, per team.
//!
//! Invariant: every team of a lookup scope has an entry ([`NameMatch`]) for every name, even if no player of the team has this name. So a
//! missing entry means that the lookup is incomplete, not that no player was found.
//! Not here: how names are matched, and how the results of several teams are combined (crate `processors`).
use crate::{
    feed::Source,
    ids::{NamesId, PlayerId, Scope},
    named_enum::named_enum,
    team::Team,
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// The rules by which a name matches a player of a team, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum NameRule {
    /// The two names are equal after normalization.
    Exact,
    /// The two names are equal without the generational suffix, such as "Jr.".
    Suffix,
    /// The two names consist of the same words in a different order; a hyphen counts as a space.
    Order,
    /// The surnames are equal, and one first name is a prefix or the initial of the other.
    Prefix,
    /// The name is linked to a player: by an operator, or by a compiled-in link and it matches no player of the teams in the scope.
    Link,
}
named_enum! {
    NameRule {
        Exact = "exact",
        Suffix = "suffix",
        Order = "order",
        Prefix = "prefix",
        Link = "link",
    }
}

/// One revision of a lookup result: the players of one team whom a name matches, as known from `known_at` on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NameRevision {
    pub known_at: Timestamp,
    /// The strongest rule that matched; `None` if the name matches no player of the team.
    pub rule: Option<NameRule>,
    /// The players whom the name matches by `rule`, sorted; more than one if the name is ambiguous.
    pub players: Vec<PlayerId>,
    /// The player of the compiled-in link; used if the name matches no player of any team in the scope. In records of earlier schema versions
    /// also that of an operator's link.
    pub link: Option<PlayerId>,
    /// The operator's link that applies to the name; it outranks every rule. `None` if there is none.
    #[serde(default)]
    pub operator_link: Option<OperatorLink>,
}

/// What an operator's link states about a name, in the lookup result of one team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct OperatorLink {
    /// The player to whom the name refers; `None` if it refers to nobody.
    pub player: Option<PlayerId>,
    /// True if the link is limited to the team of the lookup result. It then outranks a link that is not.
    pub is_of_team: bool,
}

/// One name, and the revisions of its lookup result in one team.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct NameMatch {
    pub name: String,
    /// The revisions, ordered by `known_at`. The `known_at` of the first revision is `Timestamp::DISTANT_PAST`.
    pub revisions: Vec<NameRevision>,
    /// The revisions without retracted observations; `None` if nothing was retracted.
    #[serde(default)]
    pub revisions_in_retrospect: Option<Vec<NameRevision>>,
}

/// Lookup results of one team, for the names of one scope, source and day.
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
