//! The fact histories of the games between two teams, and these games as they were known at any instant.
//!
//! Invariant: every function `…_at(instant)` uses only observations fetched at or before the instant.
//! Not here: which output keys an input invalidates (`games`).
use crate::{
    fact_history::{FactHistory, revisions, since_last_complete},
    history::AsOf,
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups, known_as_of},
};
use schemas::{
    EasternDate, GameId, Matchup, NamesId, PlayerId, PlayingTime, RawId, Team, Timestamp,
    game::{Game, GameDay, PlayerGame, PlayerGameRevision, Score, TeamGame, TeamGameRevision, TeamTotals},
    identity::Names,
    observation::{
        BoxMember, BoxScoreObservation, BoxScoreStats, Fixture, GameObservation, GameResult, GameStatus,
    },
    raw::{Feed, Source},
};
use std::collections::{BTreeMap, BTreeSet};

/// An instant after all fetches, at which every fact received so far is known.
const LATEST_KNOWN: Timestamp = Timestamp::DISTANT_FUTURE;

/// How a box score identifies its game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GameRef {
    Id(GameId),
    /// By the day on which the two teams of the box score played, as the source states it; the feed has no nba.com game id.
    On(EasternDate),
}
/// Identifies one team's box score in one feed. A player counts as present if the newest complete fetch or a later partial fetch
/// contains the player.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListId {
    pub game: GameRef,
    pub feed: Feed,
    pub team: Team,
}
impl ListId {
    pub fn for_box_score(observation: &BoxScoreObservation) -> Self {
        let game = observation.game.map_or(GameRef::On(observation.date), GameRef::Id);
        ListId { game, feed: observation.feed, team: observation.team }
    }
}
impl std::fmt::Display for ListId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.game {
            GameRef::Id(game) => write!(f, "{game}/{}/{}", self.feed, self.team),
            GameRef::On(date) => write!(f, "{date}/{}/{}", self.feed, self.team),
        }
    }
}

/// The feeds with box scores, in order of precedence, highest first.
const PRECEDENCE: [Feed; 3] = [Feed::NbacomLeaguegamelog, Feed::BalldontlieStats, Feed::BalldontlieBoxScores];

#[derive(Debug, Default)]
struct GameFacts {
    fixture: FactHistory<Fixture>,
    result: FactHistory<GameResult>,
}
impl GameFacts {
    /// Returns the fixture (schedule entry) as known at an instant, and when it became known. It is the newest version that was fetched
    /// before the tip-off that it states or, if there is none, the first version.
    fn fixture_at(&self, instant: Timestamp) -> Option<(&Fixture, Timestamp)> {
        let entries = self.fixture.up_to(instant);
        let current = entries.iter().rposition(|entry| entry.fetched_at < entry.content.tip_off).unwrap_or(0);
        let fixture = &entries.get(current)?.content;
        let unchanged = entries[..=current].iter().rev().take_while(|entry| entry.content == *fixture);
        Some((fixture, unchanged.last()?.fetched_at))
    }
    fn dates(&self) -> impl Iterator<Item = EasternDate> {
        self.fixture.entries().iter().map(|entry| entry.content.date)
    }
    fn fixture_times(&self) -> impl Iterator<Item = Timestamp> {
        self.fixture.entries().iter().map(|entry| entry.fetched_at)
    }
}

/// All facts about the games between two teams.
#[derive(Debug, Default)]
pub struct Tables {
    games: BTreeMap<GameId, GameFacts>,
    /// Every pair of a game and a day for which any observation ever scheduled the game.
    by_day: BTreeSet<(EasternDate, GameId)>,
    lists: BTreeMap<ListId, FactHistory<Vec<BoxMember>>>,
    name_lookups: NameLookups,
    matchup: Option<Matchup>,
}

impl Tables {
    pub fn matchup(&self) -> Option<Matchup> {
        self.matchup
    }
    pub fn game_ids(&self) -> impl Iterator<Item = GameId> {
        self.games.keys().copied()
    }
    pub fn lists(&self) -> impl Iterator<Item = &ListId> {
        self.lists.keys()
    }
    /// Returns the lists whose names are looked up for this source and day.
    pub fn lists_with_lookup(&self, source: Source, date: EasternDate) -> impl Iterator<Item = &ListId> {
        let has_lookup = move |list: &&ListId| list.feed.source() == source && list.game == GameRef::On(date);
        self.lists.keys().filter(has_lookup)
    }
    /// Merges a game observation; returns true if a history changed.
    pub fn merge_game(&mut self, observation: &GameObservation) -> bool {
        let GameObservation { game, fixture, result, provenance } = observation;
        self.matchup = Matchup::new(fixture.home, fixture.away);
        let facts = self.games.entry(*game).or_default();
        let fixture_changed = facts.fixture.merge(provenance, true, *fixture);
        self.by_day.insert((fixture.date, *game));
        let result_changed = facts.result.merge(provenance, true, *result);
        fixture_changed || result_changed
    }
    /// Merges a box score; returns true if its history changed.
    pub fn merge_box_score(&mut self, list: ListId, observation: BoxScoreObservation) -> bool {
        let BoxScoreObservation { provenance, complete, members, .. } = observation;
        self.matchup = Matchup::new(observation.team, observation.opponent);
        self.lists.entry(list).or_default().merge(&provenance, complete, members)
    }
    pub fn put_names(&mut self, id: NamesId, row: Option<Names>) {
        self.name_lookups.put(id, row);
    }
    /// Returns this game, and every other game whose box scores may be matched differently if the date of this game changes.
    pub fn games_near(&self, game: GameId, date: EasternDate) -> Vec<GameId> {
        let mut dates: Vec<EasternDate> = vec![date];
        dates.extend(self.games.get(&game).into_iter().flat_map(GameFacts::dates));
        let near = dates.iter().flat_map(|day| self.games_within(*day, 2)).chain([game]);
        let near: BTreeSet<GameId> = near.collect();
        near.into_iter().collect()
    }
    /// Returns the games that any observation ever scheduled for a day at most `days` before or after `day`.
    fn games_within(&self, day: EasternDate, days: i32) -> impl Iterator<Item = GameId> {
        let range = (day.plus_days(-days), GameId(0))..=(day.plus_days(days), GameId(u32::MAX));
        self.by_day.range(range).map(|(_, game)| *game)
    }
    /// Returns every game to which a list may belong at some instant.
    pub fn games_of(&self, list: &ListId) -> Vec<GameId> {
        match list.game {
            GameRef::Id(game) => vec![game],
            GameRef::On(day) => {
                let games: BTreeSet<GameId> = self.games_within(day, 1).collect();
                games.into_iter().collect()
            }
        }
    }
    /// Returns the game to which a list belongs, as known at an instant. A list that has a date instead of a game id belongs to the nearest
    /// game at most one day away; on a tie, to the earlier one.
    fn game_of(&self, list: &ListId, instant: Timestamp) -> Option<GameId> {
        match list.game {
            GameRef::Id(game) => self.games.get(&game)?.fixture_at(instant).map(|_| game),
            GameRef::On(day) => {
                let dates = self.games.iter();
                let dates = dates.filter_map(|(id, facts)| Some((facts.fixture_at(instant)?.0.date, *id)));
                let near = dates.filter(|(date, _)| (date.0 - day.0).abs() <= 1);
                near.min_by_key(|(date, id)| ((date.0 - day.0).abs(), *date, *id)).map(|(_, id)| id)
            }
        }
    }
    /// Returns the lists of one side that may belong to a game, in order of precedence.
    fn lists_of(
        &self,
        game: GameId,
        team: Team,
    ) -> impl Iterator<Item = (&ListId, &FactHistory<Vec<BoxMember>>)> {
        let dates = self.games.get(&game).into_iter().flat_map(GameFacts::dates);
        let days: BTreeSet<i32> = dates.flat_map(|date| [date.0 - 1, date.0, date.0 + 1]).collect();
        let mut refs = vec![GameRef::Id(game)];
        refs.extend(days.into_iter().map(|day| GameRef::On(EasternDate(day))));
        PRECEDENCE.into_iter().flat_map(move |feed| {
            let refs = refs.clone().into_iter();
            refs.filter_map(move |game| self.lists.get_key_value(&ListId { game, feed, team }))
        })
    }
    fn lookup_request<'a>(list: &ListId, name: &'a str, teams: &'a [Team; 2]) -> Option<LookupRequest<'a>> {
        let GameRef::On(date) = list.game else { return None };
        Some(LookupRequest { teams, source: list.feed.source(), date, name })
    }
    fn player_at(&self, list: &ListId, member: &BoxMember, instant: Timestamp) -> Option<PlayerId> {
        if member.player.nba.is_some() {
            return member.player.nba;
        }
        let teams = self.matchup?.teams();
        let request = Self::lookup_request(list, &member.player.name, &teams)?;
        self.name_lookups.player(request, known_as_of(AsOf::known_at(instant))).map(|(player, _)| player)
    }
    /// Returns all players who may be in the box scores of a game. For a list member without an nba.com id, returns every player whom the
    /// name matches in any revision.
    pub fn players_of(&self, game: GameId) -> Vec<PlayerId> {
        let mut players = Vec::new();
        let Some(matchup) = self.matchup else { return players };
        let teams = matchup.teams();
        for (list, history) in teams.iter().flat_map(|team| self.lists_of(game, *team)) {
            for member in history.entries().iter().flat_map(|entry| &entry.content) {
                match (member.player.nba, Self::lookup_request(list, &member.player.name, &teams)) {
                    (Some(player), _) => players.push(player),
                    (None, Some(request)) => {
                        self.name_lookups.all_candidates(request, &mut |player| players.push(player))
                    }
                    (None, None) => {}
                }
            }
        }
        players
    }
    /// Returns every instant at which the content of one side of a game may have changed.
    fn instants(&self, game: GameId, team: Team) -> Vec<Timestamp> {
        let mut instants = Vec::new();
        if let Some(facts) = self.games.get(&game) {
            instants.extend(facts.fixture_times());
            instants.extend(facts.result.entries().iter().map(|entry| entry.fetched_at));
        }
        let teams = self.matchup.map(Matchup::teams);
        for (list, history) in self.lists_of(game, team) {
            instants.extend(history.entries().iter().map(|entry| entry.fetched_at));
            let GameRef::On(_) = list.game else { continue };
            // If a list has a day instead of a game id, its game depends on every fixture of the matchup near that day.
            let games = self.games_of(list);
            let facts = games.iter().filter_map(|game| self.games.get(game));
            instants.extend(facts.flat_map(GameFacts::fixture_times));
            let Some(teams) = teams.as_ref() else { continue };
            for member in history.entries().iter().flat_map(|entry| &entry.content) {
                if let (None, Some(request)) =
                    (member.player.nba, Self::lookup_request(list, &member.player.name, teams))
                {
                    self.name_lookups.instants(request, &mut |instant| instants.push(instant));
                }
            }
        }
        instants
    }
    /// Returns a player's entry, as known at an instant, in the list with the highest precedence among those that contain the player.
    fn listing_at(
        &self,
        game: GameId,
        team: Team,
        player: PlayerId,
        instant: Timestamp,
    ) -> Option<Listing<'_>> {
        self.lists_of(game, team).find_map(|(list, history)| {
            if self.game_of(list, instant) != Some(game) {
                return None;
            }
            let entries = since_last_complete(history.up_to(instant));
            entries.iter().rev().find_map(|entry| {
                let mut members = entry.content.iter();
                let member = members.find(|member| self.player_at(list, member, instant) == Some(player))?;
                Some(Listing { feed: list.feed, raw: entry.raw, member })
            })
        })
    }
    /// Returns the statistics of all players of one side, as known at an instant.
    fn stats_at(&self, game: GameId, team: Team, instant: Timestamp) -> BTreeMap<PlayerId, BoxScoreStats> {
        let mut stats_by_player = BTreeMap::new();
        for (list, history) in self.lists_of(game, team) {
            if self.game_of(list, instant) != Some(game) {
                continue;
            }
            let mut stats_in_list = BTreeMap::new();
            for entry in since_last_complete(history.up_to(instant)) {
                for member in &entry.content {
                    if let Some(player) = self.player_at(list, member, instant) {
                        stats_in_list.insert(player, member.stats);
                    }
                }
            }
            // The lists are in order of precedence, so statistics from an earlier list are not replaced.
            for (player, stats) in stats_in_list {
                stats_by_player.entry(player).or_insert(stats);
            }
        }
        stats_by_player.into_iter().filter_map(|(player, stats)| Some((player, stats?))).collect()
    }

    pub fn player_game(&self, game: GameId, player: PlayerId) -> Option<PlayerGame> {
        let facts = self.games.get(&game)?;
        let teams = self.matchup?.teams();
        let content_at = |instant: Timestamp| -> Option<PlayerGameRevision> {
            let (fixture, _) = facts.fixture_at(instant)?;
            let by_team = |team: &Team| Some((*team, self.listing_at(game, *team, player, instant)?));
            Some(match teams.iter().find_map(by_team) {
                Some((team, listing)) => player_revision(instant, fixture, team, Some(&listing)),
                None => player_revision(instant, fixture, fixture.home, None),
            })
        };
        let mut instants = self.instants(game, teams[0]);
        instants.extend(self.instants(game, teams[1]));
        let is_same_content = |a: &PlayerGameRevision, b: &PlayerGameRevision| {
            let did_not_play = a.stats.is_none() && b.stats.is_none();
            did_not_play || PlayerGameRevision { known_at: b.known_at, raw: b.raw, ..a.clone() } == *b
        };
        let mut revisions = revisions(instants, content_at, is_same_content);
        // Omits the revisions before the first one with statistics, because they contain only that the player has not played.
        let first = revisions.iter().position(|revision| revision.stats.is_some())?;
        revisions.drain(..first);
        Some(PlayerGame { player, game, revisions, revisions_in_retrospect: None })
    }

    pub fn team_game(&self, game: GameId, team: Team) -> Option<TeamGame> {
        let facts = self.games.get(&game)?;
        let content_at = |instant: Timestamp| -> Option<TeamGameRevision> {
            let (fixture, _) = facts.fixture_at(instant)?;
            let is_home = fixture.home == team;
            let result = facts.result.up_to(instant).last().map(|entry| &entry.content);
            let stats_by_player = self.stats_at(game, team, instant);
            let appeared = stats_by_player.iter().filter(|(_, stats)| stats.playing_time > PlayingTime(0));
            Some(TeamGameRevision {
                known_at: instant,
                opponent: if is_home { fixture.away } else { fixture.home },
                is_home,
                date: fixture.date,
                tip_off: fixture.tip_off,
                tip_estimated: fixture.tip_estimated,
                called_off: fixture.called_off,
                score: result.and_then(|result| score(result, is_home)),
                totals: (!stats_by_player.is_empty()).then(|| totals(stats_by_player.values())),
                appeared: appeared.map(|(player, _)| *player).collect(),
            })
        };
        let is_same_content = |a: &TeamGameRevision, b: &TeamGameRevision| {
            TeamGameRevision { known_at: b.known_at, ..a.clone() } == *b
        };
        let revisions = revisions(self.instants(game, team), content_at, is_same_content);
        (!revisions.is_empty()).then_some(TeamGame {
            game,
            team,
            revisions,
            revisions_in_retrospect: None,
            retracted_at: None,
        })
    }

    pub fn game(&self, game: GameId) -> Option<Game> {
        let facts = self.games.get(&game)?;
        let (fixture, known_at) = facts.fixture_at(LATEST_KNOWN)?;
        let result = facts.result.entries().last().map(|entry| entry.content);
        let players_and_points = |team: Team| {
            let stats_by_player = self.stats_at(game, team, LATEST_KNOWN);
            let points = stats_by_player.values().map(|stats| stats.points).sum::<i32>();
            (stats_by_player.len() as i32, points)
        };
        let (home_players, home_box_points) = players_and_points(fixture.home);
        let (away_players, away_box_points) = players_and_points(fixture.away);
        let days = revisions(
            facts.fixture_times().collect(),
            |instant| facts.fixture_at(instant).map(|(fixture, known_at)| (known_at, *fixture)),
            |a, b| a.1 == b.1,
        );
        Some(Game {
            game,
            home: fixture.home,
            away: fixture.away,
            date: fixture.date,
            tip_off: fixture.tip_off,
            tip_estimated: fixture.tip_estimated,
            called_off: fixture.called_off,
            known_at,
            status: result.map_or(GameStatus::Scheduled, |result| result.status),
            home_points: result.and_then(|result| result.home_points),
            away_points: result.and_then(|result| result.away_points),
            home_players,
            away_players,
            home_box_points,
            away_box_points,
            days: days
                .into_iter()
                .map(|(known_at, fixture)| GameDay { known_at, date: fixture.date })
                .collect(),
            days_in_retrospect: None,
            retracted_at: None,
        })
    }

    /// Returns the number of parked observations of a list, and the parked items: its missing fixture, or its unresolved names.
    pub fn parked(&self, matchup: Matchup, list: &ListId) -> (u32, Vec<ParkedItem>) {
        let Some(history) = self.lists.get(list) else { return (0, Vec::new()) };
        let records = history.entries().len() as u32;
        let what = format!("box score {list}");
        if self.game_of(list, LATEST_KNOWN).is_none() {
            return (records, vec![ParkedItem { key: format!("fixture of {matchup}"), what }]);
        }
        let teams = matchup.teams();
        let members = since_last_complete(history.entries()).iter().flat_map(|entry| &entry.content);
        let names = members.filter(|member| member.player.nba.is_none()).map(|member| &member.player.name);
        let unresolved = names.filter_map(|name| {
            let reason = self.name_lookups.unresolved(Self::lookup_request(list, name, &teams)?)?;
            Some(ParkedItem { key: format!("name '{name}' ({reason})"), what: what.clone() })
        });
        let items: Vec<ParkedItem> = unresolved.collect();
        (if items.is_empty() { 0 } else { records }, items)
    }
}

/// A player's entry in a box score, with the feed and the raw event that it came from.
struct Listing<'a> {
    feed: Feed,
    raw: RawId,
    member: &'a BoxMember,
}

/// Returns the revision of a player's game at an instant. If `listing` is `None`, the revision has no statistics, which means that the
/// player did not play.
fn player_revision(
    known_at: Timestamp,
    fixture: &Fixture,
    team: Team,
    listing: Option<&Listing<'_>>,
) -> PlayerGameRevision {
    PlayerGameRevision {
        known_at,
        raw: listing.map_or(RawId::default(), |listing| listing.raw),
        feed: listing.map_or(Feed::NbacomLeaguegamelog, |listing| listing.feed),
        name: listing.map_or_else(String::new, |listing| listing.member.player.name.clone()),
        team,
        opponent: if fixture.home == team { fixture.away } else { fixture.home },
        is_home: fixture.home == team,
        date: fixture.date,
        tip_off: fixture.tip_off,
        stats: listing.and_then(|listing| listing.member.stats),
    }
}

fn score(result: &GameResult, is_home: bool) -> Option<Score> {
    let (home, away) = (result.home_points?, result.away_points?);
    let (own, opponent) = if is_home { (home, away) } else { (away, home) };
    (result.status == GameStatus::Final).then_some(Score { own, opponent })
}

fn totals<'a>(players: impl Iterator<Item = &'a BoxScoreStats>) -> TeamTotals {
    players.fold(TeamTotals::default(), |sum, stats| TeamTotals {
        playing_time: PlayingTime(sum.playing_time.0 + stats.playing_time.0),
        points: sum.points + stats.points,
        field_goals_attempted: sum.field_goals_attempted + stats.field_goals_attempted,
        free_throws_attempted: sum.free_throws_attempted + stats.free_throws_attempted,
        turnovers: sum.turnovers + stats.turnovers,
        offensive_rebounds: sum.offensive_rebounds + stats.offensive_rebounds,
    })
}
