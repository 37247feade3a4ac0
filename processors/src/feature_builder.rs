//! The feature builder view, keyed by player: computes the features of each candidate as of the tip-off.
//!
//! The player's team is that of the newest evidence: the latest appearance, or a listing of a roster of any team. The player's side in the
//! game, the eligibility and the feature vector are derived from this team. Candidates are the players who may appear in a game; each has a slate
//! entry for the game. A row uses the issued basis (only what was known before tip-off). It uses the retrospective basis (also what became
//! known later, if it was true before tip-off) only if the issued basis gives no prediction.
//!
//! A game may be predicted for several dates and pairs of teams. The issued row of a date is that of the pair which stood at its cutoff; if
//! the date or the player's team no longer stands, the row is void and otherwise unchanged. The retrospective row is that of the pair which
//! stands now.
//!
//! Invariant: nothing that becomes known after a tip-off (a later game, a correction, a late box score) changes an issued row.
//! Not here: predictions (`predictor`).
mod absences;
mod appearance;
mod career;
#[cfg(test)]
mod career_laws;
mod date_team;
#[cfg(test)]
mod eligibility;
mod history;
mod player_facts;
mod player_form;
mod seasons;
mod side;
#[cfg(test)]
mod sides;
#[cfg(test)]
mod tests;
mod vector;
mod workload;

use crate::{
    history::Cutoff,
    materialized_view::{Effects, MaterializedView, StateChange},
    member_history::changed_since,
};
use absences::Absences;
use appearance::Appearance;
use date_team::{DateTeam, DecidedTeam, decision_order, plays};
use history::History;
use player_facts::{PlayerFacts, Side};
use schemas::{
    CandidateId, EasternDate, GameId, Matchup, MembershipId, PlayerGameDateId, PlayerId, PlayerMatchupGameId,
    Team, Timestamp,
    features::{Basis, Comparable, Eligibility, Features, QualityFlag},
    game::{PlayerGame, PlayerGameRevision},
    market::{Availability, Market},
    membership::Membership,
    team_form::{Candidacy, FormNumbers, Rotation, SlateEntry},
};
use seasons::Seasons;
use side::{TeamAsOf, listed_name, team_as_of};
use std::collections::{BTreeMap, BTreeSet};

pub use player_facts::{MIN_APPEARANCES, MIN_MINUTES, MINUTES_WINDOW};

/// An input of the feature builder view. The variants differ much in size, but only one input is in memory at a time.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum In {
    PlayerGame(PlayerMatchupGameId, Option<PlayerGame>),
    Market(CandidateId, Option<Market>),
    Availability(CandidateId, Option<Availability>),
    Entry(CandidateId, Option<SlateEntry>),
    Membership(MembershipId, Option<Membership>),
}

/// One date of one game with one pair of teams.
type DateKey = (GameId, EasternDate, Matchup);
/// The first key in ascending order.
const FIRST_DATE: DateKey = (GameId(0), EasternDate::MIN, Matchup::FIRST);

/// The games, slate entries, markets, availabilities and memberships of one player.
#[derive(Debug, Default)]
pub struct Tables {
    player: Option<PlayerId>,
    seasons: Seasons,
    entries: BTreeMap<DateKey, SlateEntry>,
    by_date: BTreeSet<(EasternDate, DateKey)>,
    by_tip_off: BTreeSet<(Timestamp, DateKey)>,
    markets: BTreeMap<DateKey, Market>,
    availability: BTreeMap<DateKey, Availability>,
    memberships: BTreeMap<Team, Membership>,
}

/// The feature builder view.
pub struct FeatureBuilder;
impl MaterializedView for FeatureBuilder {
    const NAME: &'static str = "feature-builder";
    type Key = PlayerId;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = PlayerGameDateId;
    type Out = Features;

    fn key(&self, input: &In) -> Option<PlayerId> {
        Some(match input {
            In::PlayerGame(id, _) => id.player,
            In::Market(id, _) | In::Availability(id, _) | In::Entry(id, _) => id.player,
            In::Membership(id, _) => id.player,
        })
    }
    fn key_of(&self, output_key: &PlayerGameDateId) -> PlayerId {
        output_key.player
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, PlayerGameDateId, ()>,
    ) -> StateChange {
        let invalidate = &mut *effects.invalidate;
        let Some(player) = self.key(&input) else { return StateChange::Unchanged };
        tables.player = Some(player);
        let key = |id: CandidateId| (id.game, id.date, id.matchup);
        let dates = match input {
            In::PlayerGame(id, row) => tables.put_player_game((id.game, id.matchup), row),
            In::Market(id, row) => {
                put(&mut tables.markets, key(id), row);
                vec![key(id)]
            }
            In::Availability(id, row) => {
                put(&mut tables.availability, key(id), row);
                vec![key(id)]
            }
            In::Entry(id, row) => tables.put_entry(key(id), row),
            In::Membership(id, row) => tables.put_membership(id.team, row),
        };
        let affected: BTreeSet<EasternDate> = dates.iter().map(|(_, date, _)| *date).collect();
        for (game, date, _) in dates {
            invalidate(PlayerGameDateId { player, game, date });
        }
        // The rows of all games of a date depend on each other.
        for entry in affected.into_iter().flat_map(|date| tables.entries_on(date)) {
            invalidate(PlayerGameDateId { player, game: entry.game, date: entry.date });
        }
        StateChange::RowReplaced
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(PlayerGameDateId)) {
        let Some(player) = tables.player else { return };
        for (game, date, _) in tables.entries.keys() {
            emit(PlayerGameDateId { player, game: *game, date: *date });
        }
    }
    /// Derives the features on the issued basis if the player is eligible on that basis; otherwise on the retrospective basis if the player
    /// is eligible on that one. If the player is eligible on neither basis, returns the issued features or, if there are none, the
    /// retrospective features.
    fn derive(&self, tables: &Tables, output_key: &PlayerGameDateId) -> Option<Features> {
        let PlayerGameDateId { game, date, .. } = *output_key;
        let features = |basis: Basis| {
            let entry = tables.entries_of(game, date).find(|entry| candidacy(entry, basis).is_some())?;
            tables.features(entry, basis)
        };
        let issued = features(Basis::Issued);
        if issued.as_ref().is_some_and(|features| features.eligibility == Eligibility::Eligible) {
            return issued;
        }
        match features(Basis::Retrospective) {
            Some(features) if features.eligibility == Eligibility::Eligible => Some(features),
            retrospective => issued.or(retrospective),
        }
    }
}

/// Replaces the row with this key (`None` deletes it) and returns the old row.
fn put<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, row: Option<V>) -> Option<V> {
    match row {
        Some(row) => table.insert(key, row),
        None => table.remove(&key),
    }
}

impl Tables {
    /// Replaces the player's row for a game. Returns the player's slate games whose tip-off is at or after the end of this game,
    /// because their features change: usually at most one game, but every later game if the box score arrives late.
    fn put_player_game(&mut self, key: (GameId, Matchup), row: Option<PlayerGame>) -> Vec<DateKey> {
        let old = self.seasons.put(key, row.clone());
        let effective_at = old.iter().chain(&row).filter_map(first_effective_at).min();
        self.dates_since(effective_at.unwrap_or(Timestamp::DISTANT_FUTURE)).collect()
    }
    /// Replaces a slate entry and returns its date. If the forms of the teams changed, also returns the later games of the season: their
    /// features compare them with this game, and the comparison uses the opponent's form before this game.
    fn put_entry(&mut self, key: DateKey, row: Option<SlateEntry>) -> Vec<DateKey> {
        let (game, _, matchup) = key;
        let old = put(&mut self.entries, key, row.clone());
        if let Some(entry) = &old {
            self.by_tip_off.remove(&(entry.tip_off, key));
            self.by_date.remove(&(entry.date, key));
        }
        if let Some(entry) = &row {
            self.by_tip_off.insert((entry.tip_off, key));
            self.by_date.insert((entry.date, key));
        }
        let mut dates = vec![key];
        if old.as_ref().map(forms) != row.as_ref().map(forms) {
            let tip_offs = old.iter().chain(&row).map(|entry| entry.tip_off);
            // The player's row of this game may have an earlier tip-off than the entry, in a revision of its own or in retrospect.
            let effective_at = self.seasons.game(game, matchup).and_then(first_effective_at);
            let since = tip_offs.chain(effective_at).min();
            let later = self.dates_since(since.unwrap_or(Timestamp::DISTANT_FUTURE));
            dates.extend(later.take_while(|(later_game, ..)| later_game.season() == game.season()));
        }
        dates
    }
    /// Replaces a membership and returns the dates whose cutoff is at or after the change.
    fn put_membership(&mut self, team: Team, row: Option<Membership>) -> Vec<DateKey> {
        let old = put(&mut self.memberships, team, row);
        let new = self.memberships.get(&team);
        let since = changed_since(old.as_ref().map(|row| &row.history), new.map(|row| &row.history));
        self.dates_since(since.unwrap_or(Timestamp::DISTANT_FUTURE)).collect()
    }
    fn dates_since(&self, tip_off: Timestamp) -> impl Iterator<Item = DateKey> {
        self.by_tip_off.range((tip_off, FIRST_DATE)..).map(|(_, date)| *date)
    }
    /// Returns the entries of all games on a date.
    fn entries_on(&self, date: EasternDate) -> impl Iterator<Item = &SlateEntry> {
        let from = self.by_date.range((date, FIRST_DATE)..).take_while(move |(on, _)| *on == date);
        from.filter_map(|(_, key)| self.entries.get(key))
    }
    /// Returns the entries of a game on a date, one per pair of teams.
    fn entries_of(&self, game: GameId, date: EasternDate) -> impl Iterator<Item = &SlateEntry> {
        let from = self.entries.range((game, date, Matchup::FIRST)..);
        from.take_while(move |((of, on, _), _)| (*of, *on) == (game, date)).map(|(_, entry)| entry)
    }
    /// Returns the features of a slate entry on a basis; `None` if it has no row on that basis: the player is not a candidate, or another
    /// team was decided first.
    fn features(&self, entry: &SlateEntry, basis: Basis) -> Option<Features> {
        let facts = self.facts(entry, basis)?;
        let history = &facts.history;
        let eligibility = facts.eligibility();
        let before = facts.side.map_or_else(Vec::new, |_| self.candidacies_before(&facts));
        let comparables = match eligibility {
            Eligibility::Eligible => comparables(&facts, &before),
            _ => Vec::new(),
        };
        let market = facts.market.filter(|_| facts.side.is_some());
        let known_at = facts.candidacy.known_at.max(history.known_at).max(facts.date_team.known_at);
        let career_known_at = facts.side.map(|_| history.career.known_at);
        let before_known_at = before.iter().flatten().map(|before| before.candidacy.known_at);
        let known_at = before_known_at.chain(career_known_at).fold(known_at, Timestamp::max);
        let market_known_at = facts.market_known_at.filter(|_| facts.side.is_some());
        let rest_days = history.season.last().map(|last| (entry.date.0 - last.revision.date.0 - 1).max(0));
        Some(Features {
            player: entry.player,
            game: entry.game,
            name: self.player_name(&facts).to_owned(),
            home: entry.home,
            away: entry.away,
            team: facts.side.map(|side| side.team),
            date: entry.date,
            tip_off: entry.tip_off,
            basis,
            known_at: market_known_at
                .into_iter()
                .chain(facts.availability_known_at)
                .fold(known_at, Timestamp::max),
            eligibility,
            appearances: history.season.len() as i32,
            vector: facts
                .side
                .map_or_else(Vec::new, |side| vector::compute(&facts, side, usual_absences(&before))),
            rest_days,
            main_line: market.map(|market| market.main),
            quality_flags: quality_flags(&facts),
            comparables,
            voided: match basis {
                Basis::Issued => entry.end.and_then(|end| end.voided(facts.side.map(|side| side.team))),
                Basis::Retrospective => None,
            },
        })
    }
    /// Returns the player's name in the latest appearance, or else on the newest listing; empty if there is neither as of the cutoff.
    fn player_name<'a>(&'a self, facts: &PlayerFacts<'a>) -> &'a str {
        match &facts.history.latest {
            Some(latest) => &latest.revision.name,
            None => listed_name(&self.memberships, facts.cutoff).unwrap_or_default(),
        }
    }
    fn facts<'a>(&'a self, entry: &'a SlateEntry, basis: Basis) -> Option<PlayerFacts<'a>> {
        let cutoff = Cutoff::at_tip_off(entry.tip_off, basis);
        let candidacy = candidacy(entry, basis)?;
        let history = History::before(&self.seasons, entry, cutoff);
        let key = (entry.game, entry.date, Matchup::new(entry.home, entry.away)?);
        let market = self.markets.get(&key).map(|row| row.on(basis));
        let (market, market_known_at) = market.unwrap_or_default();
        let availability = self.availability.get(&key).map(|row| row.on(basis));
        let (availability, availability_known_at) = availability.unwrap_or_default();
        let own = team_as_of(&self.memberships, history.latest.as_ref(), cutoff);
        let date_team = self.date_team(entry, own, basis)?;
        let side = Side::new(entry, candidacy, date_team.team);
        Some(PlayerFacts {
            entry,
            candidacy,
            cutoff,
            history,
            market,
            market_known_at,
            availability,
            availability_known_at,
            side,
            date_team,
        })
    }
    /// Returns the team of the player on the date of an entry; `None` if another team was decided after the cutoff of the entry, but before
    /// the entry was open: then it has no issued row.
    fn date_team(&self, entry: &SlateEntry, own: TeamAsOf, basis: Basis) -> Option<DateTeam> {
        if self.entries_on(entry.date).nth(1).is_none() {
            return Some(DateTeam::new(entry, own, None));
        }
        let order = |entry: &SlateEntry| match basis {
            Basis::Issued => decision_order(entry),
            Basis::Retrospective => (entry.tip_off, false, entry.tip_off),
        };
        let mut earlier: Vec<&SlateEntry> = self.entries_on(entry.date).collect();
        earlier.retain(|other| order(other) < order(entry));
        earlier.sort_by_key(|other| (order(other), other.game));
        let first = || earlier.into_iter().find_map(|other| self.team_at_cutoff(other, basis));
        match basis {
            Basis::Issued => {
                let decided = first();
                let is_too_late = |decided: DecidedTeam| {
                    decided.known_at >= entry.tip_off && own.team != Some(decided.team)
                };
                (!decided.is_some_and(is_too_late)).then(|| DateTeam::new(entry, own, decided))
            }
            Basis::Retrospective => {
                let date_team = DateTeam::new(entry, own, self.predicted_team(entry).or_else(first));
                let voided_at = self.others_voided_at(entry, date_team.team);
                let known_at = voided_at.into_iter().fold(date_team.known_at, Timestamp::max);
                Some(DateTeam { known_at, ..date_team })
            }
        }
    }
    /// Returns the time since which all void entries of other games are void that, if they were not void, might decide for another team than
    /// `team` on the date of an entry; `None` if there are none.
    fn others_voided_at(&self, entry: &SlateEntry, team: Option<Team>) -> Option<Timestamp> {
        let others = self.entries_on(entry.date).filter(|other| other.game != entry.game);
        let might_decide = |other: &&SlateEntry| {
            [Basis::Issued, Basis::Retrospective].into_iter().any(|basis| {
                let (at_cutoff, _) = self.side_evidence(other, basis);
                at_cutoff.team != team && plays(other, at_cutoff.team)
            })
        };
        let void = others.filter(|other| other.end.is_some()).filter(might_decide);
        void.filter_map(|other| other.end).map(|end| end.at).max()
    }
    /// Returns the team of the player at the cutoff of an entry, if it plays in the game and the player is a candidate.
    fn team_at_cutoff(&self, entry: &SlateEntry, basis: Basis) -> Option<DecidedTeam> {
        let candidacy = candidacy(entry, basis)?;
        let (at_cutoff, history_known_at) = self.side_evidence(entry, basis);
        let team = at_cutoff.team.filter(|team| plays(entry, Some(*team)))?;
        Some(DecidedTeam { team, known_at: candidacy.known_at.max(history_known_at).max(at_cutoff.known_at) })
    }
    /// Returns the team of the player at the cutoff of an entry, and since when the earlier appearances were known.
    fn side_evidence(&self, entry: &SlateEntry, basis: Basis) -> (TeamAsOf, Timestamp) {
        let cutoff = Cutoff::at_tip_off(entry.tip_off, basis);
        let history = History::before(&self.seasons, entry, cutoff);
        (team_as_of(&self.memberships, history.latest.as_ref(), cutoff), history.known_at)
    }
    /// Returns the team of an issued prediction for another game of the date, if this game stands.
    fn predicted_team(&self, entry: &SlateEntry) -> Option<DecidedTeam> {
        let others = self.entries_on(entry.date).filter(|other| other.game != entry.game);
        let standing = others.filter(|other| other.end.is_none());
        standing.filter_map(|other| self.features(other, Basis::Issued)).find_map(|features| {
            let is_predicted = features.eligibility == Eligibility::Eligible;
            let team = features.team.filter(|_| is_predicted)?;
            Some(DecidedTeam { team, known_at: features.known_at })
        })
    }
    /// Returns the candidacy before each of the season's earlier appearances, as of the tip-off of that game; `None` if the player was no
    /// candidate.
    fn candidacies_before(&self, facts: &PlayerFacts<'_>) -> Vec<Option<CandidacyBefore<'_>>> {
        let basis = facts.cutoff.basis();
        let before = |appearance: &Appearance<'_>| -> Option<CandidacyBefore<'_>> {
            let PlayerGameRevision { team, opponent, date, .. } = *appearance.revision;
            let entry = self.entries.get(&(appearance.game, date, Matchup::new(team, opponent)?))?;
            let candidacy = candidacy(entry, Basis::Issued).or_else(|| candidacy(entry, basis))?;
            let is_usable = basis == Basis::Retrospective || facts.cutoff.is_known(candidacy.known_at);
            is_usable.then_some(CandidacyBefore { candidacy, is_home: team == entry.home })
        };
        facts.history.season.iter().map(before).collect()
    }
}

/// The candidacy before an earlier appearance, and whether the player's team was the home team.
struct CandidacyBefore<'a> {
    candidacy: &'a Candidacy,
    is_home: bool,
}

/// Returns the season's earlier appearances, each with its circumstances (such as rest, venue and the opponent's defense) as of its own
/// tip-off.
fn comparables(facts: &PlayerFacts<'_>, before: &[Option<CandidacyBefore<'_>>]) -> Vec<Comparable> {
    let opponent_rating = |index: usize| {
        let before = before.get(index)?.as_ref()?;
        let opponent = if before.is_home { before.candidacy.away } else { before.candidacy.home };
        opponent.def_rating_15
    };
    facts.history.comparables(opponent_rating)
}

/// Returns what was absent from the player's team before the season's earlier appearances.
fn usual_absences(before: &[Option<CandidacyBefore<'_>>]) -> Absences {
    let rotations = before.iter().flatten().filter_map(|before| {
        let CandidacyBefore { candidacy, is_home } = before;
        if *is_home { candidacy.home_rotation } else { candidacy.away_rotation }
    });
    rotations.fold(Absences::default(), |absences, rotation| absences.with(&rotation))
}

/// Returns the candidacy on a basis; a date that no longer stands has none on the retrospective basis.
fn candidacy(entry: &SlateEntry, basis: Basis) -> Option<&Candidacy> {
    match basis {
        Basis::Issued => entry.issued.as_ref(),
        Basis::Retrospective if entry.end.is_some() => None,
        Basis::Retrospective => entry.retrospective.as_ref().or(entry.issued.as_ref()),
    }
}

/// Returns the earliest effective time of a game in any revision of a player's row.
fn first_effective_at(row: &PlayerGame) -> Option<Timestamp> {
    let in_retrospect = row.revisions_in_retrospect.iter().flatten();
    row.revisions.iter().chain(in_retrospect).map(|revision| revision.effective_at()).min()
}

/// The known-at time of a candidacy, and the form and the rotation of both teams.
type Forms = (Timestamp, [FormNumbers; 2], [Option<Rotation>; 2]);

/// Returns the forms of a slate entry: first on the issued, then on the retrospective basis.
fn forms(entry: &SlateEntry) -> [Option<Forms>; 2] {
    [Basis::Issued, Basis::Retrospective].map(|basis| {
        let candidacy = candidacy(entry, basis)?;
        let rotations = [candidacy.home_rotation, candidacy.away_rotation];
        Some((candidacy.known_at, [candidacy.home, candidacy.away], rotations))
    })
}

fn quality_flags(facts: &PlayerFacts<'_>) -> Vec<QualityFlag> {
    let mut quality_flags = Vec::new();
    if facts.side.is_some_and(|side| side.born.is_none()) {
        quality_flags.push(QualityFlag::AgeUnknown);
    }
    if facts.entry.tip_estimated {
        quality_flags.push(QualityFlag::TipEstimated);
    }
    quality_flags
}
