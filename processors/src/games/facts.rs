//! The facts of one matchup, and its games as they were known at any instant.
//!
//! Invariant: every `…_at(instant)` reads only fetches heard by then.
//! Not here: which rows a change reaches (the view).
use super::LATEST_KNOWN;
use crate::{
    fact_history::{FactHistory, HistoryEntry, revisions, since_last_complete},
    materialized_view::ParkedItem,
    name_lookup::{LookupRequest, NameLookups, known_by},
};
use schemas::{
    EasternDate, GameId, Matchup, NamesId, PlayerId, PlayingTime, RawId, Team, Timestamp,
    game::{Game, PlayerGame, PlayerGameRevision, Score, TeamGame, TeamGameRevision, TeamTotals},
    identity::Names,
    observation::{
        BoxLine, BoxMember, BoxScoreObservation, Fixture, GameObservation, GameResult, GameStatus,
    },
    raw::{Feed, Source},
};
use std::collections::{BTreeMap, BTreeSet};

/// How a box score says which game it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GameRef {
    Id(GameId),
    On(EasternDate),
}
/// One team's box score in one feed: the list whose newest complete fetch says who is present.
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

/// The feeds of box scores, most trusted first.
const PRECEDENCE: [Feed; 3] = [Feed::NbacomLeaguegamelog, Feed::BalldontlieStats, Feed::BalldontlieBoxScores];

#[derive(Default)]
struct GameFacts {
    fixture: FactHistory<Fixture>,
    result: FactHistory<GameResult>,
}
impl GameFacts {
    /// The fixture that stands, as known at an instant: the newest heard before the tip-off it states, else the first.
    fn fixture_at(&self, at: Timestamp) -> Option<(&Fixture, Timestamp)> {
        let heard = self.fixture.up_to(at);
        let stands = heard.iter().rposition(|fetch| fetch.at < fetch.content.tip_off).unwrap_or(0);
        let content = &heard.get(stands)?.content;
        let since = heard[..=stands].iter().rev().take_while(|fetch| fetch.content == *content).last()?.at;
        Some((content, since))
    }
    fn dates(&self) -> impl Iterator<Item = EasternDate> {
        self.fixture.entries().iter().map(|fetch| fetch.content.date)
    }
}

/// Everything known of the games of two teams.
#[derive(Default)]
pub struct Tables {
    games: BTreeMap<GameId, GameFacts>,
    /// Every day that any fetch has put a game on.
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
    pub fn lists_asking(&self, source: Source, date: EasternDate) -> impl Iterator<Item = &ListId> {
        let asks = move |list: &&ListId| list.feed.source() == source && list.game == GameRef::On(date);
        self.lists.keys().filter(asks)
    }
    pub fn merge_game(&mut self, s: &GameObservation) -> bool {
        self.matchup = Matchup::new(s.fixture.home, s.fixture.away);
        let facts = self.games.entry(s.game).or_default();
        let fixture = facts.fixture.merge(s.provenance, true, s.fixture);
        self.by_day.insert((s.fixture.date, s.game));
        let result = facts.result.merge(s.provenance, true, s.result);
        fixture || result
    }
    pub fn merge_box_score(&mut self, list: ListId, s: BoxScoreObservation) -> bool {
        self.matchup = Matchup::new(s.team, s.opponent);
        self.lists.entry(list).or_default().merge(s.provenance, s.complete, s.members)
    }
    pub fn put_names(&mut self, id: NamesId, row: Option<Names>) {
        self.name_lookups.put(id, row);
    }
    /// The game, and every other whose box scores may be matched differently when its date changes.
    pub fn near(&self, game: GameId, date: EasternDate) -> Vec<GameId> {
        let mut dates: Vec<EasternDate> = vec![date];
        dates.extend(self.games.get(&game).into_iter().flat_map(GameFacts::dates));
        let mut near: Vec<GameId> = dates.iter().flat_map(|day| self.within(*day, 2)).chain([game]).collect();
        near.sort_unstable();
        near.dedup();
        near
    }
    /// The games that were ever on a day at most so many days off.
    fn within(&self, day: EasternDate, days: i32) -> impl Iterator<Item = GameId> {
        let range = (day.plus_days(-days), GameId(0))..=(day.plus_days(days), GameId(u32::MAX));
        self.by_day.range(range).map(|(_, game)| *game)
    }
    /// The games that a list may be of, at any instant.
    pub fn games_of(&self, list: &ListId) -> Vec<GameId> {
        match list.game {
            GameRef::Id(game) => vec![game],
            GameRef::On(day) => {
                let mut games: Vec<GameId> = self.within(day, 1).collect();
                games.sort_unstable();
                games.dedup();
                games
            }
        }
    }
    /// The game that a list is of, as known at an instant: the nearest by date, the earlier on a tie.
    fn game_of(&self, list: &ListId, at: Timestamp) -> Option<GameId> {
        match list.game {
            GameRef::Id(game) => self.games.get(&game)?.fixture_at(at).map(|_| game),
            GameRef::On(day) => {
                let dated =
                    self.games.iter().filter_map(|(id, facts)| Some((facts.fixture_at(at)?.0.date, *id)));
                let near = dated.filter(|(date, _)| (date.0 - day.0).abs() <= 1);
                near.min_by_key(|(date, id)| ((date.0 - day.0).abs(), *date, *id)).map(|(_, id)| id)
            }
        }
    }
    /// The lists that may be of a game, one side, most trusted feed first.
    fn lists_of(
        &self,
        game: GameId,
        team: Team,
    ) -> impl Iterator<Item = (&ListId, &FactHistory<Vec<BoxMember>>)> {
        let mut refs = vec![GameRef::Id(game)];
        let mut days: Vec<i32> =
            self.games.get(&game).into_iter().flat_map(GameFacts::dates).map(|d| d.0).collect();
        days = days.iter().flat_map(|day| [day - 1, *day, day + 1]).collect();
        days.sort_unstable();
        days.dedup();
        refs.extend(days.into_iter().map(|day| GameRef::On(EasternDate(day))));
        PRECEDENCE.into_iter().flat_map(move |feed| {
            let lists = refs.clone().into_iter();
            lists.filter_map(move |game| self.lists.get_key_value(&ListId { game, feed, team }))
        })
    }
    fn lookup_request<'a>(list: &ListId, name: &'a str, teams: &'a [Team; 2]) -> Option<LookupRequest<'a>> {
        let GameRef::On(date) = list.game else { return None };
        Some(LookupRequest { teams, source: list.feed.source(), date, name })
    }
    fn player_at(&self, list: &ListId, member: &BoxMember, at: Timestamp) -> Option<PlayerId> {
        if member.player.nba.is_some() {
            return member.player.nba;
        }
        let teams = self.matchup?.teams();
        let request = Self::lookup_request(list, &member.player.name, &teams)?;
        self.name_lookups.player(request, known_by(at)).map(|(player, _)| player)
    }
    /// Everyone whom a box score of the game has ever been taken to list.
    pub fn players_of(&self, game: GameId) -> Vec<PlayerId> {
        let mut players = Vec::new();
        let Some(matchup) = self.matchup else { return players };
        let teams = matchup.teams();
        for (list, fact) in teams.iter().flat_map(|team| self.lists_of(game, *team)) {
            for member in fact.entries().iter().flat_map(|fetch| &fetch.content) {
                match (member.player.nba, Self::lookup_request(list, &member.player.name, &teams)) {
                    (Some(player), _) => players.push(player),
                    (None, Some(request)) => self.name_lookups.anyone(request, &mut |p| players.push(p)),
                    (None, None) => {}
                }
            }
        }
        players
    }
    /// Every instant at which what is known of one side of a game may have changed.
    fn instants(&self, game: GameId, team: Team) -> Vec<Timestamp> {
        let mut at = Vec::new();
        if let Some(facts) = self.games.get(&game) {
            at.extend(facts.fixture.entries().iter().map(|fetch| fetch.at));
            at.extend(facts.result.entries().iter().map(|fetch| fetch.at));
        }
        let teams = self.matchup.map(Matchup::teams);
        for (list, fact) in self.lists_of(game, team) {
            at.extend(fact.entries().iter().map(|fetch| fetch.at));
            let GameRef::On(_) = list.game else { continue };
            // Which game a day means depends on every fixture of the pair about that day.
            at.extend(
                self.games_of(list)
                    .iter()
                    .filter_map(|g| self.games.get(g))
                    .flat_map(|facts| facts.fixture.entries().iter().map(|fetch| fetch.at)),
            );
            let Some(teams) = teams.as_ref() else { continue };
            for member in fact.entries().iter().flat_map(|fetch| &fetch.content) {
                if let (None, Some(request)) =
                    (member.player.nba, Self::lookup_request(list, &member.player.name, teams))
                {
                    self.name_lookups.instants(request, &mut |instant| at.push(instant));
                }
            }
        }
        at
    }
    /// A player's line as the most trusted feed has it.
    fn line_at(&self, game: GameId, team: Team, player: PlayerId, at: Timestamp) -> Option<Said<'_>> {
        self.lists_of(game, team).find_map(|(list, fact)| {
            if self.game_of(list, at) != Some(game) {
                return None;
            }
            let fetches = since_last_complete(fact.up_to(at));
            fetches.iter().rev().find_map(|fetch| {
                let member = fetch.content.iter().find(|m| self.player_at(list, m, at) == Some(player))?;
                Some(Said { feed: list.feed, fetch, member })
            })
        })
    }
    /// All lines of one side.
    fn lines_at(&self, game: GameId, team: Team, at: Timestamp) -> BTreeMap<PlayerId, BoxLine> {
        let mut lines = BTreeMap::new();
        for (list, fact) in self.lists_of(game, team) {
            if self.game_of(list, at) != Some(game) {
                continue;
            }
            let mut of_list = BTreeMap::new();
            for fetch in since_last_complete(fact.up_to(at)) {
                for member in &fetch.content {
                    if let Some(player) = self.player_at(list, member, at) {
                        of_list.insert(player, member.line);
                    }
                }
            }
            of_list.into_iter().for_each(|(player, line)| _ = lines.entry(player).or_insert(line));
        }
        lines.into_iter().filter_map(|(player, line)| Some((player, line?))).collect()
    }

    pub fn player_game(&self, game: GameId, player: PlayerId) -> Option<PlayerGame> {
        let facts = self.games.get(&game)?;
        let teams = self.matchup?.teams();
        let content_at = |at: Timestamp| -> Option<PlayerGameRevision> {
            let (fixture, _) = facts.fixture_at(at)?;
            let said = teams.iter().find_map(|team| Some((*team, self.line_at(game, *team, player, at)?)));
            let revision = |team: Team, said: Option<&Said<'_>>| PlayerGameRevision {
                known_at: at,
                raw: said.map_or(RawId::default(), |said| said.fetch.raw),
                feed: said.map_or(Feed::NbacomLeaguegamelog, |said| said.feed),
                name: said.map_or_else(String::new, |said| said.member.player.name.clone()),
                team,
                opponent: if fixture.home == team { fixture.away } else { fixture.home },
                is_home: fixture.home == team,
                date: fixture.date,
                tip_off: fixture.tip_off,
                line: said.and_then(|said| said.member.line),
            };
            Some(match said {
                Some((team, said)) => revision(team, Some(&said)),
                None => revision(fixture.home, None),
            })
        };
        let mut instants = self.instants(game, teams[0]);
        instants.extend(self.instants(game, teams[1]));
        let same = |a: &PlayerGameRevision, b: &PlayerGameRevision| {
            let plain =
                |s: &PlayerGameRevision| PlayerGameRevision { known_at: b.known_at, raw: b.raw, ..s.clone() };
            a.line.is_none() && b.line.is_none() || plain(a) == *b
        };
        let mut revisions = revisions(instants, content_at, same);
        // Before anybody said that he played there is nothing to retract.
        let first = revisions.iter().position(|revision| revision.line.is_some())?;
        revisions.drain(..first);
        Some(PlayerGame { player, game, revisions })
    }

    pub fn team_game(&self, game: GameId, team: Team) -> Option<TeamGame> {
        let facts = self.games.get(&game)?;
        let content_at = |at: Timestamp| -> Option<TeamGameRevision> {
            let (fixture, _) = facts.fixture_at(at)?;
            let is_home = fixture.home == team;
            let result = facts.result.up_to(at).last().map(|fetch| &fetch.content);
            let lines = self.lines_at(game, team, at);
            let appeared =
                lines.iter().filter(|(_, line)| line.playing_time > PlayingTime(0)).map(|(p, _)| *p);
            Some(TeamGameRevision {
                known_at: at,
                opponent: if is_home { fixture.away } else { fixture.home },
                is_home,
                date: fixture.date,
                tip_off: fixture.tip_off,
                tip_estimated: fixture.tip_estimated,
                called_off: fixture.called_off,
                score: result.and_then(|result| score(result, is_home)),
                totals: (!lines.is_empty()).then(|| totals(lines.values())),
                appeared: appeared.collect(),
            })
        };
        let same = |a: &TeamGameRevision, b: &TeamGameRevision| {
            TeamGameRevision { known_at: b.known_at, ..a.clone() } == *b
        };
        let revisions = revisions(self.instants(game, team), content_at, same);
        (!revisions.is_empty()).then_some(TeamGame { game, team, revisions })
    }

    pub fn game(&self, game: GameId) -> Option<Game> {
        let facts = self.games.get(&game)?;
        let (fixture, known_at) = facts.fixture_at(LATEST_KNOWN)?;
        let result = facts.result.entries().last().map(|fetch| fetch.content);
        let side = |team: Team| {
            let lines = self.lines_at(game, team, LATEST_KNOWN);
            (lines.len() as i32, lines.values().map(|line| line.points).sum::<i32>())
        };
        let ((home_players, home_box_points), (away_players, away_box_points)) =
            (side(fixture.home), side(fixture.away));
        let history = revisions(
            facts.fixture.entries().iter().map(|fetch| fetch.at).collect(),
            |at| facts.fixture_at(at).map(|(fixture, since)| (since, *fixture)),
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
            status: result.map_or(GameStatus::Scheduled, |r| r.status),
            home_points: result.and_then(|r| r.home_points),
            away_points: result.and_then(|r| r.away_points),
            home_players,
            away_players,
            home_box_points,
            away_box_points,
            days: history
                .into_iter()
                .map(|(known_at, f)| schemas::game::GameDay { known_at, date: f.date })
                .collect(),
        })
    }

    /// What of a list waits in the end: its fixture, or names that nobody knows; and how many fetches that holds up.
    pub fn parked(&self, matchup: Matchup, list: &ListId) -> (u32, Vec<ParkedItem>) {
        let Some(fact) = self.lists.get(list) else { return (0, Vec::new()) };
        let records = fact.entries().len() as u32;
        let what = format!("box score {list}");
        if self.game_of(list, LATEST_KNOWN).is_none() {
            return (records, vec![ParkedItem { key: format!("fixture of {matchup}"), what }]);
        }
        let teams = matchup.teams();
        let members = since_last_complete(fact.entries()).iter().flat_map(|fetch| &fetch.content);
        let unresolved = members.filter(|member| member.player.nba.is_none()).filter_map(|member| {
            let why =
                self.name_lookups.unresolved(Self::lookup_request(list, &member.player.name, &teams)?)?;
            Some(ParkedItem { key: format!("name '{}' ({why})", member.player.name), what: what.clone() })
        });
        let waiting: Vec<ParkedItem> = unresolved.collect();
        (if waiting.is_empty() { 0 } else { records }, waiting)
    }
}

struct Said<'a> {
    feed: Feed,
    fetch: &'a HistoryEntry<Vec<BoxMember>>,
    member: &'a BoxMember,
}

fn score(result: &GameResult, is_home: bool) -> Option<Score> {
    let (home, away) = (result.home_points?, result.away_points?);
    let (own, opponent) = if is_home { (home, away) } else { (away, home) };
    (result.status == GameStatus::Final).then_some(Score { own, opponent })
}

fn totals<'a>(lines: impl Iterator<Item = &'a BoxLine>) -> TeamTotals {
    lines.fold(TeamTotals::default(), |sum, line| TeamTotals {
        playing_time: PlayingTime(sum.playing_time.0 + line.playing_time.0),
        points: sum.points + line.points,
        field_goals_attempted: sum.field_goals_attempted + line.field_goals_attempted,
        free_throws_attempted: sum.free_throws_attempted + line.free_throws_attempted,
        turnovers: sum.turnovers + line.turnovers,
        offensive_rebounds: sum.offensive_rebounds + line.offensive_rebounds,
    })
}
