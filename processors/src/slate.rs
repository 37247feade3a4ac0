//! The slate view: the candidates for each date of each game of a matchup (the players who may appear in it), with their evidence.
//!
//! The candidates are the players who appeared in either team's last 10 games of the season, the players on either roster, and all quoted
//! players. An entry is published once the forms of both teams exist; it contains both forms, because the feature builder needs them.
//!
//! Invariant: an entry's `issued` part uses only what was known before tip-off, and exists only if the date stood then; its `retrospective`
//! part may also use later facts, and exists only while the date stands.
//! Not here: the side of a player, which the feature builder decides from all games and memberships of the player.
use crate::materialized_view::{Effects, MaterializedView, StateChange};
use schemas::{
    CandidateId, EasternDate, GameId, Matchup, MatchupGameDateId, MatchupGameId, PlayerId, Team, TeamFormId,
    Timestamp,
    features::Basis,
    fixture::GameDate,
    game::Game,
    market::QuotedPlayers,
    team_form::{Candidacy, Form, SideEvidence, SlateEntry, TeamForm},
};
use std::collections::{BTreeMap, BTreeSet};

mod rotation;
#[cfg(test)]
mod tests;

use rotation::rotation;

/// An input of the slate view. The variants differ much in size, but only one input is in memory at a time.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum In {
    Game(MatchupGameId, Option<Game>),
    Form(TeamFormId, Option<TeamForm>),
    QuotedPlayers(MatchupGameDateId, Option<QuotedPlayers>),
}

/// One date of one game.
type DateKey = (GameId, EasternDate);

/// The games between two teams, their team forms and quoted players.
#[derive(Debug, Default)]
pub struct Tables {
    matchup: Option<Matchup>,
    /// The dates of each game.
    games: BTreeMap<GameId, Vec<GameDate>>,
    forms: BTreeMap<(DateKey, Team), TeamForm>,
    quoted: BTreeMap<DateKey, QuotedPlayers>,
}

/// The slate view.
pub struct Slate;
impl MaterializedView for Slate {
    const NAME: &'static str = "slate";
    type Key = Matchup;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = CandidateId;
    type Out = SlateEntry;

    fn key(&self, input: &In) -> Option<Matchup> {
        Some(match input {
            In::Game(id, _) => id.matchup,
            In::QuotedPlayers(id, _) => id.matchup,
            In::Form(id, _) => id.matchup,
        })
    }
    fn key_of(&self, output_key: &CandidateId) -> Matchup {
        output_key.matchup
    }
    fn apply(
        &self,
        tables: &mut Tables,
        input: In,
        effects: &mut Effects<'_, CandidateId, ()>,
    ) -> StateChange {
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        tables.matchup = Some(matchup);
        let dates: BTreeSet<DateKey> = match &input {
            In::Game(id, row) => {
                let new = row.as_ref().map(|row| &row.dates);
                let old = tables.games.get(&id.game);
                // The score and the status of a live game change often, but no entry depends on them.
                let is_changed = old != new;
                let dates = old.into_iter().chain(new).flatten().filter(|_| is_changed);
                dates.map(|date| (id.game, date.date)).collect()
            }
            In::Form(id, _) => BTreeSet::from([(id.game, id.date)]),
            In::QuotedPlayers(id, _) => BTreeSet::from([(id.game, id.date)]),
        };
        let mut affected: BTreeSet<CandidateId> = BTreeSet::new();
        let mut add = |tables: &Tables| {
            for (game, date) in &dates {
                let candidates = tables.candidates((*game, *date)).into_iter();
                let id = |player| CandidateId { player, game: *game, date: *date, matchup };
                affected.extend(candidates.map(id));
            }
        };
        add(tables);
        match input {
            In::Game(id, row) => put(&mut tables.games, id.game, row.map(|row| row.dates)),
            In::Form(id, row) => put(&mut tables.forms, ((id.game, id.date), id.team), row),
            In::QuotedPlayers(id, row) => put(&mut tables.quoted, (id.game, id.date), row),
        }
        add(tables);
        affected.into_iter().for_each(&mut *effects.invalidate);
        StateChange::RowReplaced
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(CandidateId)) {
        let Some(matchup) = tables.matchup else { return };
        for (game, dates) in &tables.games {
            for GameDate { date, .. } in dates {
                for player in tables.candidates((*game, *date)) {
                    emit(CandidateId { player, game: *game, date: *date, matchup });
                }
            }
        }
    }
    fn derive(&self, tables: &Tables, output_key: &CandidateId) -> Option<SlateEntry> {
        let CandidateId { player, game, date, .. } = *output_key;
        let dates = tables.games.get(&game)?;
        let game_date = dates.iter().find(|game_date| game_date.date == date)?;
        let issued = tables.candidacy(game, game_date, player, Basis::Issued);
        let retrospective = tables.candidacy(game, game_date, player, Basis::Retrospective);
        if issued.is_none() && retrospective.is_none() {
            return None;
        }
        let differs = retrospective != issued;
        let opened_at = [game_date.home, game_date.away]
            .map(|team| tables.forms.get(&((game, date), team)).map(|form| form.opened_at))
            .into_iter()
            .flatten()
            .fold(Timestamp::DISTANT_PAST, Timestamp::max);
        Some(SlateEntry {
            player,
            game,
            home: game_date.home,
            away: game_date.away,
            date,
            tip_off: game_date.tip_off,
            tip_estimated: game_date.tip_estimated,
            opened_at,
            issued,
            retrospective: retrospective.filter(|_| differs),
            end: game_date.end,
        })
    }
}

fn put<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, row: Option<V>) {
    match row {
        Some(row) => _ = table.insert(key, row),
        None => _ = table.remove(&key),
    }
}

impl Tables {
    /// Returns the players who are candidates for a game on a date, on the issued or the retrospective basis.
    fn candidates(&self, date: DateKey) -> BTreeSet<PlayerId> {
        let mut players = BTreeSet::new();
        let forms = self.forms.range((date, Team::ALL[0])..=(date, Team::ALL[29]));
        for form in forms.flat_map(|(_, form)| form.issued.iter().chain(&form.retrospective)) {
            players.extend(form.recent.iter().map(|recent| recent.player));
            players.extend(form.roster.iter().map(|rostered| rostered.player));
        }
        if let Some(quoted) = self.quoted.get(&date) {
            players.extend(quoted.issued.iter().chain(&quoted.retrospective).map(|quoted| quoted.player));
        }
        players
    }
    fn candidacy(&self, game: GameId, date: &GameDate, player: PlayerId, basis: Basis) -> Option<Candidacy> {
        let stands = match basis {
            Basis::Issued => date.stood_at_cutoff,
            Basis::Retrospective => date.stands(),
        };
        if !stands {
            return None;
        }
        let key = (game, date.date);
        let form = |team: Team| -> Option<&Form> {
            let form = self.forms.get(&(key, team))?;
            match basis {
                Basis::Issued => form.issued.as_ref(),
                Basis::Retrospective => form.retrospective.as_ref().or(form.issued.as_ref()),
            }
        };
        let (home, away) = (form(date.home)?, form(date.away)?);
        let quoted = self.quoted.get(&key);
        let (players, reported) = match (quoted, basis) {
            (Some(row), Basis::Issued) => (row.issued.as_slice(), row.teams_reported_issued.as_slice()),
            (Some(row), Basis::Retrospective) => {
                (row.retrospective.as_slice(), row.teams_reported_retrospective.as_slice())
            }
            (None, _) => (&[][..], &[][..]),
        };
        let quoted = players.binary_search_by_key(&player, |quoted| quoted.player).ok();
        let quoted = quoted.map(|index| players[index]);
        let is_quoted = quoted.is_some_and(|quoted| quoted.is_quoted);
        let mut sides: Vec<SideEvidence> = [(date.home, home), (date.away, away)]
            .iter()
            .filter_map(|(team, form)| evidence(*team, form, player))
            .collect();
        sides.sort_unstable();
        if sides.is_empty() && !is_quoted {
            return None;
        }
        let known_at = home.known_at.max(away.known_at).max(date.known_at);
        Some(Candidacy {
            known_at: quoted
                .map(|quoted| quoted.known_at)
                .into_iter()
                .chain(reported.iter().map(|team| team.known_at))
                .fold(known_at, Timestamp::max),
            sides,
            quoted: is_quoted,
            home: home.numbers,
            away: away.numbers,
            home_rotation: rotation(home, player),
            away_rotation: rotation(away, player),
            teams_reported: reported.iter().filter(|team| team.has_reported).map(|team| team.team).collect(),
        })
    }
}

fn evidence(team: Team, form: &Form, player: PlayerId) -> Option<SideEvidence> {
    let recent = form.recent.binary_search_by_key(&player, |recent| recent.player);
    let recent = recent.ok().map(|index| form.recent[index]);
    let rostered = form.roster.binary_search_by_key(&player, |rostered| rostered.player);
    let rostered = rostered.ok().map(|index| form.roster[index]);
    (recent.is_some() || rostered.is_some()).then(|| SideEvidence {
        team,
        last_game: recent.map(|recent| recent.last_game),
        is_rostered: rostered.is_some(),
        born: rostered.and_then(|rostered| rostered.born),
    })
}
