//! The key of the lookups of one team.
//!
//! Invariant: the keys of one season are in the order of their days, so the lookups that a listing may change are a range.
//! Not here: the names that are looked up (`name_resolver`).
use schemas::{EasternDate, Matchup, NamesId, Scope, Season, Team, raw::Source};
use std::fmt;

/// Identifies the names that are looked up together in one team: those of one scope, source and day. The order is that of days in a season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookupKey {
    pub season: Season,
    pub date: EasternDate,
    pub scope: Scope,
    pub source: Source,
}
impl LookupKey {
    pub fn new(scope: Scope, source: Source, date: EasternDate) -> Self {
        LookupKey { season: date.season(), date, scope, source }
    }
    /// Returns a key that sorts before all other keys of a season from a day on. It is used as the bound of a range, never for a lookup.
    pub fn first_of(season: Season, date: EasternDate) -> Self {
        let scope = Scope::Matchup(Matchup::FIRST);
        LookupKey { season, date, scope, source: Source::Nbacom }
    }
    /// Returns the id of the row with the matches of these names in one team.
    pub fn output_key(&self, team: Team) -> NamesId {
        NamesId { scope: self.scope, team, source: self.source, date: self.date }
    }
}
/// Writes the key as a part of the id of a changelog record.
impl fmt::Display for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.scope, self.source, self.date)
    }
}
