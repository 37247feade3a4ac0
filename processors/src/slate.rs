//! The slate view: the candidates for each game of a matchup (the players who may appear in it), with their evidence.
//!
//! The candidates are the players who appeared in either team's last 10 games of the season, the players on either roster, and all quoted
//! players. An entry is published once the forms of both teams exist; it contains both forms, because the feature builder needs them.
//!
//! Invariant: an entry's `issued` part uses only what was known before tip-off; its `retrospective` part may also use later facts. A game
//! that no longer stands has only entries that were issued before its retraction, without a `retrospective` part.
//! Not here: the side of a player, which the feature builder decides from all games of the player.
use crate::{
    history::Cutoff,
    materialized_view::{Effects, MaterializedView, StateChange},
};
use schemas::{
    GameId, Matchup, MatchupGameId, PlayerGameId, PlayerId, Team, TeamFormId, Timestamp,
    features::Basis,
    game::Game,
    market::QuotedPlayers,
    team_form::{Candidacy, Form, SideEvidence, SlateEntry, TeamForm},
};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// An input of the slate view. The variants differ much in size, but only one input is in memory at a time.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum In {
    Game(MatchupGameId, Option<Game>),
    Form(TeamFormId, Option<TeamForm>),
    QuotedPlayers(MatchupGameId, Option<QuotedPlayers>),
}

/// The games between two teams, their team forms and quoted players.
#[derive(Debug, Default)]
pub struct Tables {
    matchup: Option<Matchup>,
    games: BTreeMap<GameId, Game>,
    forms: BTreeMap<(GameId, Team), TeamForm>,
    quoted: BTreeMap<GameId, QuotedPlayers>,
}

/// The key of one candidate's row for one game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputKey {
    pub id: PlayerGameId,
    pub matchup: Matchup,
}

/// The slate view.
pub struct Slate;
impl MaterializedView for Slate {
    const NAME: &'static str = "slate";
    type Key = Matchup;
    type Tables = Tables;
    type Retained = ();
    type In = In;
    type OutputKey = OutputKey;
    type Out = SlateEntry;

    fn key(&self, input: &In) -> Option<Matchup> {
        Some(match input {
            In::Game(id, _) | In::QuotedPlayers(id, _) => id.matchup,
            In::Form(id, _) => id.matchup,
        })
    }
    fn key_of(&self, output_key: &OutputKey) -> Matchup {
        output_key.matchup
    }
    fn apply(&self, tables: &mut Tables, input: In, effects: &mut Effects<'_, OutputKey, ()>) -> StateChange {
        let invalidate = &mut *effects.invalidate;
        let Some(matchup) = self.key(&input) else { return StateChange::Unchanged };
        tables.matchup = Some(matchup);
        let game = match &input {
            In::Game(id, _) | In::QuotedPlayers(id, _) => id.game,
            In::Form(id, _) => id.game,
        };
        let is_game_unchanged = match &input {
            In::Game(_, row) => row.as_ref().map(used_fields) == tables.games.get(&game).map(used_fields),
            In::Form(..) | In::QuotedPlayers(..) => false,
        };
        let mut players = tables.candidates(game);
        match input {
            In::Game(_, row) => put(&mut tables.games, game, row),
            In::Form(id, row) => put(&mut tables.forms, (game, id.team), row),
            In::QuotedPlayers(_, row) => put(&mut tables.quoted, game, row),
        }
        players.extend(tables.candidates(game));
        for player in players.into_iter().filter(|_| !is_game_unchanged) {
            invalidate(OutputKey { id: PlayerGameId { player, game }, matchup });
        }
        StateChange::RowReplaced
    }
    fn restore(&self, _tables: &mut Tables, (): ()) {}
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(matchup) = tables.matchup else { return };
        for game in tables.games.keys().copied() {
            for player in tables.candidates(game) {
                emit(OutputKey { id: PlayerGameId { player, game }, matchup });
            }
        }
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<SlateEntry> {
        let PlayerGameId { player, game } = output_key.id;
        let row = tables.games.get(&game).filter(|game| !game.called_off)?;
        let cutoff = Cutoff::at_tip_off(row.tip_off, Basis::Issued);
        if row.retracted_at.is_some_and(|retracted_at| cutoff.is_known(retracted_at)) {
            return None;
        }
        let issued = tables.candidacy(row, player, Basis::Issued);
        let retrospective = match row.retracted_at {
            Some(_) => None,
            None => tables.candidacy(row, player, Basis::Retrospective),
        };
        if issued.is_none() && retrospective.is_none() {
            return None;
        }
        let differs = retrospective != issued;
        Some(SlateEntry {
            player,
            game,
            home: row.home,
            away: row.away,
            date: row.date,
            tip_off: row.tip_off,
            tip_estimated: row.tip_estimated,
            issued,
            retrospective: retrospective.filter(|_| differs),
            retracted_at: row.retracted_at,
        })
    }
}

/// The fields of a game that its slate entries depend on. The score and the status of a live game change often, but are not among them.
fn used_fields(game: &Game) -> impl PartialEq + use<> {
    let Game { home, away, date, tip_off, tip_estimated, called_off, known_at, retracted_at, .. } = *game;
    (home, away, date, tip_off, tip_estimated, called_off, known_at, retracted_at)
}

fn put<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, row: Option<V>) {
    match row {
        Some(row) => _ = table.insert(key, row),
        None => _ = table.remove(&key),
    }
}

impl Tables {
    /// Returns the players who are candidates for a game on the issued or the retrospective basis.
    fn candidates(&self, game: GameId) -> BTreeSet<PlayerId> {
        let mut players = BTreeSet::new();
        let forms = self.forms.range((game, Team::ALL[0])..=(game, Team::ALL[29]));
        for form in forms.flat_map(|(_, form)| form.issued.iter().chain(&form.retrospective)) {
            players.extend(form.recent.iter().map(|recent| recent.player));
            players.extend(form.roster.iter().map(|rostered| rostered.player));
        }
        if let Some(quoted) = self.quoted.get(&game) {
            players.extend(quoted.issued.iter().chain(&quoted.retrospective).map(|quoted| quoted.player));
        }
        players
    }
    fn candidacy(&self, game: &Game, player: PlayerId, basis: Basis) -> Option<Candidacy> {
        let form = |team: Team| -> Option<&Form> {
            let form = self.forms.get(&(game.game, team))?;
            match basis {
                Basis::Issued => form.issued.as_ref(),
                Basis::Retrospective => form.retrospective.as_ref().or(form.issued.as_ref()),
            }
        };
        if basis == Basis::Issued && game.known_at >= game.tip_off {
            return None;
        }
        let (home, away) = (form(game.home)?, form(game.away)?);
        let quoted = self.quoted.get(&game.game);
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
        let mut sides: Vec<SideEvidence> = [(game.home, home), (game.away, away)]
            .iter()
            .filter_map(|(team, form)| evidence(*team, form, player))
            .collect();
        sides.sort_unstable();
        if sides.is_empty() && !is_quoted {
            return None;
        }
        let known_at = home.known_at.max(away.known_at).max(game.known_at);
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
        rostered: rostered.map(|rostered| rostered.since),
        born: rostered.and_then(|rostered| rostered.born),
    })
}
