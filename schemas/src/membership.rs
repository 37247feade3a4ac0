//! The membership of players in teams: what rosters and player lists state, as it was known at each instant.
//!
//! A list that is fetched repeatedly shows for how long a player has been a member: from the first fetch that lists the player, until a
//! complete fetch does not. This run is one *listing*; the newest fetch does not change it.
//!
//! Invariant: revisions are in strictly ascending order of `known_at`, and adjacent ones differ in content; no listing is dated later than
//! its revision became known.
//! Not here: appearances, which also show the team of a player (`game`); the rule by which they decide for whom a player plays (the feature
//! builder).
use crate::{
    feed::Feed,
    ids::PlayerId,
    team::Team,
    units::{EasternDate, Timestamp},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;

/// States that one feed lists a player for a team.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Listing {
    pub feed: Feed,
    /// The fetch time of the first list since which the feed has listed the player without interruption.
    pub since: Timestamp,
    /// The player's name as the list has it.
    pub name: String,
    pub born: Option<EasternDate>,
}

/// One revision of the membership of a player in a team.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct MembershipRevision {
    pub known_at: Timestamp,
    /// The listings, sorted by feed; empty if no feed lists the player any more.
    pub listings: Vec<Listing>,
}

/// All revisions of the membership of a player in a team.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct MembershipHistory {
    pub revisions: Vec<MembershipRevision>,
    /// The revisions without retracted observations, and with the links that operators made later; `None` if they are the same.
    pub revisions_in_retrospect: Option<Vec<MembershipRevision>>,
}

/// The row of one player and one team that has ever listed the player, for the facts of this player.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Membership {
    pub player: PlayerId,
    pub team: Team,
    pub history: MembershipHistory,
}

/// The row of one team and one player whom it has ever listed, for the facts of this team.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct TeamMember {
    pub team: Team,
    pub player: PlayerId,
    pub history: MembershipHistory,
}
