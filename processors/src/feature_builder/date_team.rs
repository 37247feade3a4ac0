//! The one team for which a player is predicted on an Eastern date on which several games have the player as a candidate.
//!
//! The first cutoff at which the player belongs to a team of the game decides for the date: a trade that becomes known later on this date
//! does not move the player. A game whose entry became open only after its cutoff (because facts about its teams were missing) decides
//! when it became open, because other games may have been predicted before. In retrospect, the order is that of the cutoffs, but a row
//! also follows an issued prediction of the date.
//!
//! Invariant: a team that was decided by another game is known since this decision at the earliest.
//! Not here: the team as of one cutoff (`side`), the selection of the other games (`feature_builder`).
use super::side::TeamAsOf;
use schemas::{Team, Timestamp, team_form::SlateEntry};

/// The team of a player that was decided by another game of the date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidedTeam {
    pub team: Team,
    pub known_at: Timestamp,
}

/// The team of a player in a game on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTeam {
    /// The team to which the player belongs on the date; `None` if there is no evidence.
    pub team: Option<Team>,
    /// True if the player belonged to a team of this game at its cutoff, but is predicted for another team on this date.
    pub is_other: bool,
    pub known_at: Timestamp,
}
impl DateTeam {
    /// Returns the team in the game of an entry, in which the player's team at the cutoff is `own`.
    pub fn new(entry: &SlateEntry, own: TeamAsOf, decided: Option<DecidedTeam>) -> DateTeam {
        match decided {
            Some(DecidedTeam { team, known_at }) if own.team != Some(team) => DateTeam {
                team: Some(team),
                is_other: plays(entry, own.team) && !plays(entry, Some(team)),
                known_at: known_at.max(own.known_at),
            },
            _ => DateTeam { team: own.team, is_other: false, known_at: own.known_at },
        }
    }
}

/// True if a team is known and plays in the game of an entry.
pub fn plays(entry: &SlateEntry, team: Option<Team>) -> bool {
    team.is_some_and(|team| team == entry.home || team == entry.away)
}

/// Returns the key by which the games of a date are ordered: the first one decides for the team on the issued basis. An entry that was open
/// at its cutoff decides at the cutoff; another one when it became open, after the entries that decide at that instant, because they do not
/// know the fact that opened it.
pub fn decision_order(entry: &SlateEntry) -> (Timestamp, bool, Timestamp) {
    let was_open = entry.opened_at < entry.tip_off;
    (entry.tip_off.max(entry.opened_at), !was_open, entry.tip_off)
}
