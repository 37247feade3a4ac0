//! Team form: the view by team that says how a team comes into each game that is open for it.
//!
//! A game is open when it was played, or tips off no later than the newest instant at which anything about the team became
//! known, or is one of the next two after that. So facts open games and no clock does, a season's schedule does not make a season
//! of guesses, and a missing result cannot jam a team.
//!
//! Numbers: possessions = FGA + 0.44 FTA + TOV − OREB, the team's own; pace = possessions · 48 / (team minutes / 5), the minutes
//! rounded to the nearest 240 + 25 k; offensive rating = 100 · points / possessions; defensive rating = 100 · opponents' points /
//! own possessions. Windows read games of the same season; fewer games than the window: the mean over what there is.
//! Invariant: a form reads only games that ended, and rosters that were fetched, before its game's tip-off.
//! Not here: players' own numbers (feature builder).
#[cfg(test)]
mod tests;

use crate::{
    fact_history::{Cutoff, FactHistory},
    materialized_view::{MaterializedView, ParkedItem, StateChange},
    name_lookup::{LookupRequest, NameLookups},
};
use schemas::{
    EasternDate, GameId, NamesId, PlayerId, Scope, Season, Team, TeamGameId, Timestamp,
    features::Basis,
    game::{TeamGame, TeamGameRevision},
    identity::Names,
    observation::{RosterMember, RosterObservation},
    raw::Feed,
    team_form::{Form, FormNumbers, RecentPlayer, RosteredPlayer, TeamForm},
};
use std::collections::{BTreeMap, BTreeSet};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    TeamGame(TeamGameId, Option<TeamGame>),
    Roster(RosterObservation),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and one pseudo row per roster, which is never published but may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKey {
    Form { team: Team, game: GameId },
    Roster(Team, Feed),
}

/// A roster as one fetch had it, on the Eastern day on which its names were asked about.
type Roster = (EasternDate, Vec<RosterMember>);

/// Everything known about one team.
#[derive(Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<GameId, TeamGame>>,
    /// Games that are not called off, by tip-off.
    by_tip_off: BTreeSet<(Timestamp, GameId)>,
    rosters: BTreeMap<Feed, FactHistory<Roster>>,
    name_lookups: NameLookups,
    /// How often each instant is the newest word of a game's row.
    news: BTreeMap<Timestamp, u32>,
}

/// The team form view.
pub struct TeamForms;
impl MaterializedView for TeamForms {
    const NAME: &'static str = "team-form";
    type Key = Team;
    type Tables = Tables;
    type In = In;
    type OutputKey = OutputKey;
    type Out = TeamForm;

    fn key(&self, input: &In) -> Option<Team> {
        match input {
            In::TeamGame(id, _) => Some(id.team),
            In::Roster(s) => Some(s.team),
            In::Names(id, _) => match id.scope {
                Scope::Team(team) => Some(team),
                Scope::Matchup(_) => None,
            },
        }
    }
    fn key_of(&self, output_key: &OutputKey) -> Team {
        match output_key {
            OutputKey::Form { team, .. } | OutputKey::Roster(team, _) => *team,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, invalidate: &mut dyn FnMut(OutputKey)) -> StateChange {
        let Some(team) = self.key(&input) else { return StateChange::Unchanged };
        tables.team = Some(team);
        let before = tables.horizon();
        let mut touched: Vec<GameId> = tables.next_two(before).collect();
        let (state_change, since) = match input {
            In::TeamGame(id, row) => {
                touched.push(id.game);
                (StateChange::RowReplaced, tables.put_game(id.game, row))
            }
            In::Roster(s) => {
                let (feed, at) = (s.feed, s.provenance.fetched_at);
                if !tables.rosters.entry(feed).or_default().merge(
                    s.provenance,
                    s.complete,
                    (s.date, s.members),
                ) {
                    return StateChange::Unchanged;
                }
                invalidate(OutputKey::Roster(team, feed));
                (StateChange::Retained(format!("roster/{feed}/{}", at.0)), Some((at, None)))
            }
            In::Names(id, row) => {
                tables.name_lookups.put(id, row);
                tables.rosters.keys().for_each(|feed| invalidate(OutputKey::Roster(team, *feed)));
                (StateChange::RowReplaced, Some((id.date.at(0, 0), None)))
            }
        };
        if let Some((since, season)) = since {
            let later = tables.by_tip_off.range((since, GameId(0))..).map(|(_, game)| *game);
            let touched = later.filter(|game| season.is_none_or(|season| game.season() == season));
            touched.for_each(|game| invalidate(OutputKey::Form { team, game }));
            // Called-off games have no place in time, and lose their form.
            if let Some(season) = season {
                let games = tables.seasons.get(&season).into_iter().flat_map(|games| games.values());
                let closed =
                    games.filter(|game| game.revisions.last().is_some_and(|revision| revision.called_off));
                closed.for_each(|game| invalidate(OutputKey::Form { team, game: game.game }));
            }
        }
        // A moved horizon opens or closes what lies between, and the two games after it.
        let after = tables.horizon();
        let between =
            tables.by_tip_off.range((before.min(after), GameId(0))..=(before.max(after), GameId(u32::MAX)));
        touched.extend(
            between.map(|(_, game)| *game).chain(tables.next_two(before)).chain(tables.next_two(after)),
        );
        touched.into_iter().for_each(|game| invalidate(OutputKey::Form { team, game }));
        state_change
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(OutputKey)) {
        let Some(team) = tables.team else { return };
        let games = tables.seasons.values().flat_map(|games| games.keys());
        games.for_each(|game| emit(OutputKey::Form { team, game: *game }));
        tables.rosters.keys().for_each(|feed| emit(OutputKey::Roster(team, *feed)));
    }
    fn derive(&self, tables: &Tables, output_key: &OutputKey) -> Option<TeamForm> {
        let OutputKey::Form { team, game } = output_key else { return None };
        let row = tables.seasons.get(&game.season())?.get(game)?;
        let now = row.revisions.last()?;
        if !tables.is_open(*game, now) {
            return None;
        }
        let issued = tables.form(*game, now, Cutoff::at_tip_off(now.tip_off, Basis::Issued));
        let retrospective = tables.form(*game, now, Cutoff::at_tip_off(now.tip_off, Basis::Retrospective));
        let differs = retrospective != issued;
        Some(TeamForm {
            game: *game,
            team: *team,
            opponent: now.opponent,
            issued,
            retrospective: retrospective.filter(|_| differs),
        })
    }
    fn parked(&self, tables: &Tables, output_key: &OutputKey) -> (u32, Vec<ParkedItem>) {
        match output_key {
            OutputKey::Roster(team, feed) => tables.parked(*team, *feed),
            OutputKey::Form { .. } => (0, Vec::new()),
        }
    }
}

impl Tables {
    /// Puts a game's row; answers since when and in which season it may matter.
    fn put_game(&mut self, game: GameId, row: Option<TeamGame>) -> Option<(Timestamp, Option<Season>)> {
        let season = game.season();
        let games = self.seasons.entry(season).or_default();
        let old = match row.clone() {
            Some(row) => games.insert(game, row),
            None => games.remove(&game),
        };
        for (row, is_new) in [(old.as_ref(), false), (row.as_ref(), true)] {
            let Some(revision) = row.and_then(|row| row.revisions.last()) else { continue };
            let place = (revision.tip_off, game);
            let count = self.news.entry(revision.known_at).or_insert(0);
            match is_new {
                true => *count += 1,
                false => *count -= 1,
            }
            if *count == 0 {
                self.news.remove(&revision.known_at);
            }
            match is_new && !revision.called_off {
                true => self.by_tip_off.insert(place),
                false => self.by_tip_off.remove(&place),
            };
        }
        let revisions = old.iter().chain(&row).flat_map(|row| &row.revisions);
        revisions.map(|revision| revision.tip_off).min().map(|since| (since, Some(season)))
    }
    /// The newest instant at which anything about the team became known.
    fn horizon(&self) -> Timestamp {
        let games = self.news.keys().next_back().copied();
        let run_start = |fact: &FactHistory<Roster>| {
            let fetches = fact.entries();
            let last = &fetches.last()?.content.1;
            fetches.iter().rev().take_while(|fetch| fetch.content.1 == *last).last().map(|fetch| fetch.at)
        };
        self.rosters.values().filter_map(run_start).chain(games).max().unwrap_or(Timestamp::DISTANT_PAST)
    }
    fn next_two(&self, horizon: Timestamp) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((Timestamp(horizon.0 + 1), GameId(0))..).take(2).map(|(_, game)| *game)
    }
    fn is_open(&self, game: GameId, now: &TeamGameRevision) -> bool {
        if now.called_off {
            return false;
        }
        let horizon = self.horizon();
        let played = now.totals.is_some() || now.score.is_some();
        played || now.tip_off <= horizon || self.next_two(horizon).any(|next| next == game)
    }
    /// The form before a game; `None` on the issued basis when the game itself was not heard of by then.
    fn form(&self, game: GameId, now: &TeamGameRevision, cut: Cutoff) -> Option<Form> {
        let games = self.seasons.get(&game.season())?;
        let own = cut.as_of(&games.get(&game)?.revisions, |revision| revision.known_at)?;
        let mut known_at = own.known_at;
        let mut past: Vec<&TeamGameRevision> = Vec::with_capacity(games.len());
        for row in games.values().filter(|row| row.game != game) {
            let Some(revision) = as_of(row, cut) else { continue };
            let played = revision.totals.is_some() || revision.score.is_some();
            if played && !revision.called_off && cut.is_past(revision.effective_at()) {
                known_at = known_at.max(revision.known_at);
                past.push(revision);
            }
        }
        past.sort_by_key(|revision| std::cmp::Reverse((revision.tip_off, revision.opponent)));
        let mut recent: BTreeMap<PlayerId, Timestamp> = BTreeMap::new();
        for revision in past.iter().take(10) {
            revision.appeared.iter().for_each(|player| _ = recent.entry(*player).or_insert(revision.tip_off));
        }
        let (roster, rosters_known) = self.roster(cut);
        Some(Form {
            known_at: known_at.max(rosters_known),
            numbers: numbers(&past, now.date),
            recent: recent
                .into_iter()
                .map(|(player, last_game)| RecentPlayer { player, last_game })
                .collect(),
            roster,
        })
    }
    /// Who is on the roster by the newest whole fetch of each feed before tip-off.
    fn roster(&self, cut: Cutoff) -> (Vec<RosteredPlayer>, Timestamp) {
        let (mut roster, mut known_at) =
            (BTreeMap::<PlayerId, RosteredPlayer>::new(), Timestamp::DISTANT_PAST);
        for (feed, fact) in &self.rosters {
            let heard = &fact.entries()[..fact.entries().partition_point(|fetch| cut.is_known(fetch.at))];
            for fetch in crate::fact_history::since_last_complete(heard) {
                let (date, members) = &fetch.content;
                for member in members {
                    let named = || {
                        let request = Self::lookup_request(*feed, *date, &member.player.name);
                        self.name_lookups
                            .player(request, |revisions| cut.as_of(revisions, |revision| revision.known_at))
                    };
                    let Some((player, since)) =
                        member.player.nba.map(|id| (id, Timestamp::DISTANT_PAST)).or_else(named)
                    else {
                        continue;
                    };
                    known_at = known_at.max(fetch.at).max(since);
                    let entry = roster.entry(player).or_insert(RosteredPlayer {
                        player,
                        since: fetch.at,
                        born: None,
                    });
                    entry.since = entry.since.max(fetch.at);
                    entry.born = entry.born.or(member.born);
                }
            }
        }
        (roster.into_values().collect(), known_at)
    }
    fn lookup_request(feed: Feed, date: EasternDate, name: &str) -> LookupRequest<'_> {
        LookupRequest { teams: &Team::ALL, source: feed.source(), date, name }
    }
    fn parked(&self, team: Team, feed: Feed) -> (u32, Vec<ParkedItem>) {
        let Some(fact) = self.rosters.get(&feed) else { return (0, Vec::new()) };
        let Some(newest) = fact.entries().last() else { return (0, Vec::new()) };
        let (date, members) = &newest.content;
        let unresolved = members.iter().filter(|member| member.player.nba.is_none()).filter_map(|member| {
            let why = self.name_lookups.unresolved(Self::lookup_request(feed, *date, &member.player.name))?;
            let key = format!("name '{}' ({why})", member.player.name);
            Some(ParkedItem { key, what: format!("{feed} of {team}") })
        });
        let waiting: Vec<ParkedItem> = unresolved.collect();
        (u32::from(!waiting.is_empty()), waiting)
    }
}

/// The revision of an earlier game that is believed. Fixture, score and box score are facts of their own: one that was unheard by the
/// cut-off is, retrospectively, as first heard.
fn as_of(row: &TeamGame, cut: Cutoff) -> Option<&TeamGameRevision> {
    let revision = cut.as_of(&row.revisions, |revision| revision.known_at)?;
    let first = |has: fn(&TeamGameRevision) -> bool| row.revisions.iter().find(|revision| has(revision));
    match (cut.basis(), revision.totals) {
        (Basis::Issued, _) | (_, Some(_)) => Some(revision),
        (Basis::Retrospective, None) => first(|revision| revision.totals.is_some())
            .or_else(|| first(|revision| revision.score.is_some()).filter(|_| revision.score.is_none()))
            .or(Some(revision)),
    }
}

/// A team's numbers from its past games, newest first.
fn numbers(past: &[&TeamGameRevision], date: EasternDate) -> FormNumbers {
    let boxes = || past.iter().filter_map(|revision| Some((revision, BoxNumbers::from_revision(revision)?)));
    let mean =
        |n: usize, of: &dyn Fn(&BoxNumbers) -> Option<f64>| mean(boxes().take(n).filter_map(|(_, b)| of(&b)));
    let (mut won, mut decided) = (0.0, 0.0);
    for revision in past {
        let opponent = revision.score.map(|score| (score.own, score.opponent));
        if let Some((own, opponent)) = opponent {
            (won, decided) = (won + f64::from(own > opponent), decided + 1.0);
        }
    }
    FormNumbers {
        games: past.len() as i32,
        pace_10: mean(10, &|b| Some(b.pace)),
        pace_15: mean(15, &|b| Some(b.pace)),
        off_rating_10: mean(10, &|b| Some(b.off_rating)),
        def_rating_15: mean(15, &|b| b.def_rating),
        win_share: (decided > 0.0).then(|| won / decided),
        rest_days: past.first().map(|revision| (date.0 - revision.date.0 - 1).max(0)),
    }
}
struct BoxNumbers {
    pace: f64,
    off_rating: f64,
    def_rating: Option<f64>,
}
impl BoxNumbers {
    fn from_revision(revision: &TeamGameRevision) -> Option<Self> {
        let totals = revision.totals?;
        let possessions = f64::from(totals.field_goals_attempted)
            + 0.44 * f64::from(totals.free_throws_attempted)
            + f64::from(totals.turnovers)
            - f64::from(totals.offensive_rebounds);
        let overtimes = ((totals.playing_time.minutes() - 240.0) / 25.0).round().max(0.0);
        let minutes = 240.0 + 25.0 * overtimes;
        let rating = |points: i32| 100.0 * f64::from(points) / possessions;
        (possessions > 0.0).then(|| BoxNumbers {
            pace: possessions * 48.0 / (minutes / 5.0),
            off_rating: rating(totals.points),
            def_rating: revision.score.map(|score| rating(score.opponent)),
        })
    }
}
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (n > 0.0).then(|| sum / n)
}
