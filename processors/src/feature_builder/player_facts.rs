//! The facts about one player as of the cutoff of one game: history, market, availability, side; and the eligibility that follows from
//! them.
//!
//! Invariant: every fact was selected as of the cutoff and on its basis, so nothing derived from this struct can use a later fact.
//! Not here: the selection of the facts (`feature_builder`), the features (`vector`).
use super::{
    date_team::DateTeam,
    history::{History, mean},
};
use crate::history::Cutoff;
use schemas::{
    EasternDate, Team, Timestamp,
    features::Eligibility,
    market::{AvailabilityView, MarketView},
    observation::InjuryStatus,
    team_form::{Candidacy, SlateEntry},
};

/// To be eligible, a player must have at least this number of appearances in the season.
pub const MIN_APPEARANCES: usize = 3;
/// To be eligible, a player must have at least this mean of minutes over the last [`MINUTES_WINDOW`] appearances.
pub const MIN_MINUTES: f64 = 15.0;
/// The number of last appearances whose mean minutes are compared with [`MIN_MINUTES`].
pub const MINUTES_WINDOW: usize = 7;

/// The facts about one player as of the cutoff of one game.
pub struct PlayerFacts<'a> {
    pub entry: &'a SlateEntry,
    pub candidacy: &'a Candidacy,
    pub cutoff: Cutoff,
    pub history: History<'a>,
    pub market: Option<&'a MarketView>,
    /// When the market, or its absence, became known; `None` if there never was one.
    pub market_known_at: Option<Timestamp>,
    pub availability: Option<&'a AvailabilityView>,
    /// When the availability, or its absence, became known; `None` if the player never was on an injury report.
    pub availability_known_at: Option<Timestamp>,
    /// `None` if the player's team is unknown or is neither of the game's two teams.
    pub side: Option<Side>,
    pub date_team: DateTeam,
}
impl PlayerFacts<'_> {
    pub fn eligibility(&self) -> Eligibility {
        let season = &self.history.season;
        let status = self.availability.map(|availability| availability.status);
        let newest = season.iter().rev().take(MINUTES_WINDOW);
        let minutes = newest.map(|appearance| appearance.stats.playing_time.minutes());
        match (self.side, status) {
            (None, _) if self.date_team.is_other => Eligibility::OtherTeam,
            (None, _) => Eligibility::NoSide,
            (_, Some(InjuryStatus::Out | InjuryStatus::Doubtful)) => Eligibility::RuledOut,
            _ if season.len() < MIN_APPEARANCES => Eligibility::TooFewAppearances,
            _ if mean(minutes).is_none_or(|mean| mean < MIN_MINUTES) => Eligibility::TooFewMinutes,
            _ => Eligibility::Eligible,
        }
    }
}

/// The player's team and opponent in a game, and the player's birth date if the roster has it.
#[derive(Clone, Copy)]
pub struct Side {
    pub team: Team,
    pub opponent: Team,
    pub born: Option<EasternDate>,
}
impl Side {
    /// Returns the side of the player's team; `None` if it is unknown, or if this team does not play in the game.
    pub fn new(entry: &SlateEntry, candidacy: &Candidacy, team: Option<Team>) -> Option<Self> {
        let team = team?;
        let opponent = match team {
            team if team == entry.home => entry.away,
            team if team == entry.away => entry.home,
            _ => return None,
        };
        let born = candidacy.sides.iter().find_map(|side| side.born);
        Some(Side { team, opponent, born })
    }
}
