//! Box lists: the box score of one team in one game from one feed.
//!
//! The statistics of a game that is not over are no result: of such *live* lists, only the newest observation is retained, so the cost of
//! polling a game is constant. A final list of the same game, feed and team replaces the live one, whenever it was fetched.
//!
//! Invariant: a box list does not depend on the order in which its observations arrive, nor on repetitions.
//! Not here: to which game a list belongs (`facts`).
use crate::history::{AsOf, ListHistory, Member, ObservationId};
use schemas::{
    EasternDate, GameId, PlayerId, Team,
    observation::{BoxMember, BoxScoreObservation, BoxScoreStats, Provenance, Retraction},
    raw::Feed,
};
use serde::{Deserialize, Serialize};

/// How a box score identifies its game: by nba.com's game id, if the feed has it, and by the day on which the game was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GameRef {
    pub id: Option<GameId>,
    pub date: EasternDate,
}

/// Identifies one team's box score in one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ListId {
    pub game: GameRef,
    pub feed: Feed,
    pub team: Team,
}
impl ListId {
    pub fn of(observation: &BoxScoreObservation) -> Self {
        let game = GameRef { id: observation.game, date: observation.date };
        ListId { game, feed: observation.feed, team: observation.team }
    }
}
impl std::fmt::Display for ListId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(game) = self.game.id {
            write!(f, "{game}/")?;
        }
        write!(f, "{}/{}/{}", self.game.date, self.feed, self.team)
    }
}

/// Identifies a player in a box list: by nba.com's id or, if the source does not have it, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BoxKey {
    Id(PlayerId),
    Name(Box<str>),
}
impl Member for BoxKey {
    type Sublist = ();
    fn sublist(&self) {}
}

/// A player's line in a box list. Of two lines of one player at one instant, the greater one is used: a line with statistics rather than
/// one without.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BoxLine {
    /// `None` if the player is listed as not having played.
    pub stats: Option<BoxScoreStats>,
    /// The name as the source wrote it.
    pub name: Box<str>,
}

/// Returns the members of an observation as a history stores them.
pub fn lines(members: Vec<BoxMember>) -> Vec<(BoxKey, BoxLine)> {
    let line = |BoxMember { player, stats }: BoxMember| {
        let name = player.name.into_boxed_str();
        let key = player.nba.map_or_else(|| BoxKey::Name(name.clone()), BoxKey::Id);
        (key, BoxLine { stats, name })
    };
    members.into_iter().map(line).collect()
}

/// The newest observation of a list while its game was not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveList {
    id: ObservationId,
    version: i32,
    /// Sorted and unique.
    retractions: Vec<Retraction>,
    /// True if a newer loader version reads this observation as final.
    is_final: bool,
}
impl LiveList {
    fn is_retracted(&self) -> bool {
        let newest = self.retractions.iter().max_by_key(|retraction| (retraction.at, !retraction.is_undone));
        newest.is_some_and(|retraction| !retraction.is_undone)
    }
    fn add_retraction(&mut self, retraction: Option<Retraction>) {
        self.retractions.extend(retraction);
        self.retractions.sort_unstable();
        self.retractions.dedup();
    }
}

/// All observations of one box list.
#[derive(Debug, Default)]
pub struct BoxList {
    /// The final box score.
    pub history: ListHistory<BoxKey, BoxLine>,
    pub live: Option<LiveList>,
}
impl BoxList {
    /// Merges a live observation, or its retraction; returns true if it changes the newest one.
    pub fn merge_live(&mut self, provenance: &Provenance) -> bool {
        let id = id_of(provenance);
        let new = LiveList {
            id,
            version: provenance.version,
            retractions: provenance.retraction.into_iter().collect(),
            is_final: false,
        };
        let Some(live) = self.live.as_mut().filter(|live| live.id >= id) else {
            self.live = Some(new);
            return true;
        };
        if live.id > id {
            return false;
        }
        let before = live.clone();
        live.add_retraction(provenance.retraction);
        if provenance.version > live.version {
            (live.version, live.is_final) = (provenance.version, false);
        }
        *live != before
    }
    /// States that an observation is final. Returns true if an older loader version read it as live.
    pub fn end_live(&mut self, provenance: &Provenance) -> bool {
        let id = id_of(provenance);
        let older = |live: &&mut LiveList| live.id == id && live.version < provenance.version;
        let Some(live) = self.live.as_mut().filter(older) else { return false };
        (live.version, live.is_final) = (provenance.version, true);
        true
    }
    /// Adds the newest live observation as the changelog retained it.
    pub fn restore_live(&mut self, live: LiveList) {
        self.live = Some(live);
    }
    /// True if the newest live observation is not retracted, and no final one lists a player.
    pub fn is_live(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_final && !live.is_retracted()) && !self.is_final()
    }
    /// True if a player is listed in the final box score, as known now.
    pub fn is_final(&self) -> bool {
        self.history.members(AsOf::LATEST).next().is_some()
    }
    /// Returns the loader version that read an observation as final; `None` if none did.
    pub fn final_version(&self, provenance: &Provenance) -> Option<i32> {
        self.history.record(id_of(provenance)).map(|record| record.version)
    }
}

/// Returns the identity of the observation with this provenance, within its list.
pub fn id_of(provenance: &Provenance) -> ObservationId {
    ObservationId { fetched_at: provenance.fetched_at, raw: provenance.raw }
}
