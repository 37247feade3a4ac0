//! The one team for which a player is predicted on an Eastern date on which several games have the player as a candidate.
//!
//! The first cutoff at which the player belongs to a team of the game decides for the date: a trade that becomes known later on this date
//! does not move the player. In retrospect, a row also follows an issued prediction of the date.
//!
//! Invariant: the team of an issued row depends only on games of the date with an earlier cutoff, and at each of these cutoffs only on what
//! was known before it.
//! Not here: the team as of one cutoff (`side`).
use super::{
    Tables, candidacy,
    history::History,
    side::{TeamAsOf, team_as_of},
};
use crate::history::Cutoff;
use schemas::{
    Team, Timestamp,
    features::{Basis, Eligibility},
    team_form::SlateEntry,
};

/// The team of a player in a game on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTeam {
    /// The team to which the player belongs on the date; `None` if there is no evidence.
    pub team: Option<Team>,
    /// True if the player belonged to a team of this game at its cutoff, but is predicted for another team on this date.
    pub is_other: bool,
    pub known_at: Timestamp,
}

impl Tables {
    /// Returns the team of the player in the game of an entry, in which the player's team at the cutoff is `own`.
    pub(super) fn date_team(&self, entry: &SlateEntry, own: TeamAsOf, basis: Basis) -> DateTeam {
        let of_own = DateTeam { team: own.team, is_other: false, known_at: own.known_at };
        if self.entries_on(entry.date).nth(1).is_none() {
            return of_own;
        }
        let decided = match basis {
            Basis::Issued => self.first_team(entry, own, basis),
            Basis::Retrospective => self.issued_team(entry).or_else(|| self.first_team(entry, own, basis)),
        };
        match decided {
            Some((team, known_at)) if own.team != Some(team) => DateTeam {
                team: Some(team),
                is_other: plays(entry, own.team) && !plays(entry, Some(team)),
                known_at: known_at.max(own.known_at),
            },
            _ => of_own,
        }
    }
    /// Returns the player's team at the first cutoff of the date at which the player belongs to a team of the game, up to the cutoff of the
    /// entry, and when it became known.
    fn first_team(&self, entry: &SlateEntry, own: TeamAsOf, basis: Basis) -> Option<(Team, Timestamp)> {
        let mut entries: Vec<&SlateEntry> = self.entries_on(entry.date).collect();
        entries.retain(|other| other.tip_off < entry.tip_off);
        entries.sort_by_key(|other| (other.tip_off, other.game));
        let of_earlier = entries.into_iter().find_map(|other| {
            let candidacy = candidacy(other, basis)?;
            let cutoff = Cutoff::at_tip_off(other.tip_off, basis);
            let history = History::before(&self.seasons, other, cutoff);
            let at_cutoff = team_as_of(&self.memberships, history.latest.as_ref(), cutoff);
            let known_at = candidacy.known_at.max(history.known_at).max(at_cutoff.known_at);
            plays(other, at_cutoff.team).then_some((at_cutoff.team?, known_at))
        });
        of_earlier.or(Some((own.team?, own.known_at)))
    }
    /// Returns the team of an issued prediction for another game of the date.
    fn issued_team(&self, entry: &SlateEntry) -> Option<(Team, Timestamp)> {
        let others = self.entries_on(entry.date).filter(|other| other.game != entry.game);
        let standing = others.filter(|other| other.end.is_none());
        standing.filter_map(|other| self.features(other, Basis::Issued)).find_map(|features| {
            let is_predicted = features.eligibility == Eligibility::Eligible;
            Some((features.team.filter(|_| is_predicted)?, features.known_at))
        })
    }
}

fn plays(entry: &SlateEntry, team: Option<Team>) -> bool {
    team.is_some_and(|team| team == entry.home || team == entry.away)
}
