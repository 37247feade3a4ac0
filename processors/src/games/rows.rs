//! The rows of the games view: games, team games and player games.
//!
//! Invariant: a row is evaluated only at the instants at which its content may change, so its cost does not depend on the number of fetches
//! that changed nothing (unless an observation was retracted).
//! Not here: which lists belong to a game (`facts`).
use super::{
    box_list::{BoxKey, BoxLine},
    facts::{FinalList, Tables, order_of},
    game_facts::GameFacts,
    precedence::add_details,
};
use crate::history::{AsOf, Listed, revise};
use schemas::{
    GameId, Matchup, PlayerId, PlayingTime, RawId, Team, Timestamp,
    fixture::FinalPoints,
    game::{
        Game, PlayerGame, PlayerGameRevision, PlayerWorkload, Score, TeamGame, TeamGameRevision, TeamTotals,
    },
    observation::{BoxScoreStats, Fixture, GameStatus},
    raw::Feed,
};
use std::collections::{BTreeMap, btree_map::Entry};

/// One side of a game, with its final lists in order of precedence.
struct Side<'a> {
    tables: &'a Tables,
    game: GameId,
    team: Team,
    lists: Vec<FinalList<'a>>,
    /// For each list, the members that the row depends on.
    keys: Vec<Vec<&'a BoxKey>>,
}

/// The instants at which the content of a row may change, and whether any observation that it depends on was retracted.
#[derive(Default)]
struct Changes {
    instants: Vec<Timestamp>,
    has_retractions: bool,
}
impl Changes {
    fn add_fixture(&mut self, facts: &GameFacts) {
        self.has_retractions |= facts.has_retractions();
        self.instants.extend(facts.fixture_instants());
    }
    fn add_score(&mut self, facts: &GameFacts) {
        self.has_retractions |= facts.has_retractions();
        self.instants.extend(facts.score_instants());
    }
    /// Adds the changes of the members that a row depends on, and of the game to which each list belongs.
    fn add_side(&mut self, side: &Side<'_>) {
        let tables = side.tables;
        let has_several_dates = Tables::has_several_dates(&side.lists);
        let teams = tables.matchup().map(Matchup::teams);
        for ((id, list), keys) in side.lists.iter().zip(&side.keys) {
            self.has_retractions |= list.has_retractions();
            if has_several_dates {
                // Which lists belong to the game depends on the presence of any member.
                list.all_member_instants(&mut |instant| self.instants.push(instant));
            } else {
                keys.iter().for_each(|key| list.instants(key, &mut |instant| self.instants.push(instant)));
            }
            if id.game.id.is_none() {
                let games = tables.games_of(id);
                games.iter().filter_map(|game| tables.facts(*game)).for_each(|facts| self.add_fixture(facts));
            }
            for request in keys.iter().filter_map(|key| Tables::lookup_request(id, key, teams.as_ref()?)) {
                self.has_retractions |= tables.name_lookups().has_retractions(request);
                tables.name_lookups().instants(request, &mut |instant| self.instants.push(instant));
            }
        }
    }
}

/// Returns one side of a game, with all members of its lists.
fn side(tables: &Tables, game: GameId, team: Team) -> Side<'_> {
    let lists = tables.lists_of(game, team);
    let keys = lists.iter().map(|(_, list)| list.keys().collect()).collect();
    Side { tables, game, team, lists, keys }
}

/// Returns one side of a game, with the members that may refer to a player.
fn side_of_player(tables: &Tables, game: GameId, team: Team, player: PlayerId) -> Side<'_> {
    let mut side = side(tables, game, team);
    for ((id, _), keys) in side.lists.iter().zip(&mut side.keys) {
        keys.retain(|key| {
            let mut may_refer = false;
            tables.candidates(id, key, &mut |candidate| may_refer |= candidate == player);
            may_refer
        });
    }
    side
}

impl Side<'_> {
    /// Returns the statistics of all players, as of an instant.
    fn stats_at(&self, fixture: &Fixture, as_of: AsOf) -> BTreeMap<PlayerId, BoxScoreStats> {
        let mut stats_by_player: BTreeMap<PlayerId, Option<BoxScoreStats>> = BTreeMap::new();
        for (id, list) in self.tables.lists_at(self.game, fixture, &self.lists, as_of) {
            let mut in_list: BTreeMap<PlayerId, Listed<'_, BoxLine>> = BTreeMap::new();
            for (key, listed) in list.members(as_of) {
                let Some(player) = self.tables.player_at(&id, key, as_of) else { continue };
                let newest = in_list.entry(player).or_insert(listed);
                if order_of(&listed) > order_of(newest) {
                    *newest = listed;
                }
            }
            // The lists are in order of precedence.
            for (player, listed) in in_list {
                match stats_by_player.entry(player) {
                    Entry::Vacant(entry) => _ = entry.insert(listed.value.stats),
                    Entry::Occupied(entry) => add(entry.into_mut(), listed.value.stats.as_ref()),
                }
            }
        }
        stats_by_player.into_iter().filter_map(|(player, stats)| Some((player, stats?))).collect()
    }
    /// Returns a player's line as of an instant: that of the list with the highest precedence among those that contain the player, with the
    /// details of the others.
    fn listing_at(&self, fixture: &Fixture, player: PlayerId, as_of: AsOf) -> Option<Listing<'_>> {
        let lists = self.tables.lists_at(self.game, fixture, &self.lists, as_of);
        let mut listings = lists.into_iter().filter_map(|(id, list)| {
            let index = self.lists.iter().position(|(stored, _)| *stored == id)?;
            let listed = self.tables.line_at((id, list), &self.keys[index], player, as_of)?;
            Some((id.feed, listed))
        });
        let (feed, first) = listings.next()?;
        let mut stats = first.value.stats;
        listings.for_each(|(_, other)| add(&mut stats, other.value.stats.as_ref()));
        Some(Listing { feed, raw: first.first_raw, name: &first.value.name, stats })
    }
}

/// Adds the details of a line with lower precedence, unless one of the two lists the player as not having played.
fn add(stats: &mut Option<BoxScoreStats>, other: Option<&BoxScoreStats>) {
    if let (Some(stats), Some(other)) = (stats, other) {
        add_details(stats, other);
    }
}

/// A player's line in the box score of a team, with the feed and the raw event that first reported it.
struct Listing<'a> {
    feed: Feed,
    raw: RawId,
    name: &'a str,
    stats: Option<BoxScoreStats>,
}

/// Derives the row of a player in a game.
pub fn player_game(tables: &Tables, game: GameId, player: PlayerId) -> Option<PlayerGame> {
    let facts = tables.facts(game)?;
    let sides = tables.matchup()?.teams().map(|team| side_of_player(tables, game, team, player));
    let mut changes = Changes::default();
    changes.add_fixture(facts);
    sides.iter().for_each(|side| changes.add_side(side));
    let content_at = |as_of: AsOf| -> Option<PlayerGameRevision> {
        let Some(fixture) = facts.fixture_at(as_of) else {
            let last = facts.last_fixture_at(as_of)?;
            return Some(player_revision(as_of.until, last, last.home, None));
        };
        let of_side = |side: &Side<'_>| {
            side.listing_at(fixture, player, as_of)
                .map(|listing| player_revision(as_of.until, fixture, side.team, Some(&listing)))
        };
        let listed = sides.iter().find_map(of_side);
        Some(listed.unwrap_or_else(|| player_revision(as_of.until, fixture, fixture.home, None)))
    };
    let is_same_content = |a: &PlayerGameRevision, b: &PlayerGameRevision| {
        let did_not_play = a.stats.is_none() && b.stats.is_none();
        did_not_play || PlayerGameRevision { known_at: b.known_at, raw: b.raw, ..a.clone() } == *b
    };
    let mut revised = revise(changes.instants, changes.has_retractions, content_at, is_same_content);
    // Omits the revisions before the first one with statistics, because they contain only that the player has not played.
    let omit_first = |revisions: &mut Vec<PlayerGameRevision>| {
        let first = revisions.iter().position(|revision| revision.stats.is_some());
        revisions.drain(..first.unwrap_or(revisions.len()));
    };
    omit_first(&mut revised.revisions);
    revised.in_retrospect.as_mut().map(omit_first);
    let revisions = revised.revisions;
    let revisions_in_retrospect = revised.in_retrospect.filter(|other| *other != revisions);
    let matchup = tables.matchup()?;
    (!revisions.is_empty()).then_some(PlayerGame {
        player,
        game,
        matchup,
        revisions,
        revisions_in_retrospect,
    })
}

/// Derives the row of a team in a game. While the game does not have these teams, its revisions state that it is called off.
pub fn team_game(tables: &Tables, game: GameId, team: Team) -> Option<TeamGame> {
    let facts = tables.facts(game)?;
    let side = side(tables, game, team);
    let mut changes = Changes::default();
    changes.add_fixture(facts);
    changes.add_score(facts);
    changes.add_side(&side);
    let content_at = |as_of: AsOf| -> Option<TeamGameRevision> {
        if let Some(fixture) = facts.fixture_at(as_of) {
            let stats_by_player = side.stats_at(fixture, as_of);
            return Some(team_revision(as_of.until, fixture, team, facts.score_at(as_of), &stats_by_player));
        }
        let fixture = Fixture { called_off: true, ..*facts.last_fixture_at(as_of)? };
        Some(team_revision(as_of.until, &fixture, team, None, &BTreeMap::new()))
    };
    let is_same_content = |a: &TeamGameRevision, b: &TeamGameRevision| {
        TeamGameRevision { known_at: b.known_at, ..a.clone() } == *b
    };
    let revised = revise(changes.instants, changes.has_retractions, content_at, is_same_content);
    (!revised.revisions.is_empty()).then_some(TeamGame {
        game,
        team,
        matchup: tables.matchup()?,
        revisions: revised.revisions,
        revisions_in_retrospect: revised.in_retrospect,
        dates: facts.0.dates.clone(),
    })
}

/// Derives the row of a game.
pub fn game(tables: &Tables, game: GameId) -> Option<Game> {
    let facts = tables.facts(game)?;
    let as_of = AsOf::LATEST;
    let fixture = facts.last_fixture_at(as_of)?;
    let result = facts.0.result;
    let players_and_points = |team: Team| {
        let stats_by_player = side(tables, game, team).stats_at(fixture, as_of);
        let points = stats_by_player.values().map(|stats| stats.points).sum::<i32>();
        (stats_by_player.len() as i32, points)
    };
    let (home_players, home_box_points) = players_and_points(fixture.home);
    let (away_players, away_box_points) = players_and_points(fixture.away);
    Some(Game {
        game,
        home: fixture.home,
        away: fixture.away,
        date: fixture.date,
        tip_off: fixture.tip_off,
        tip_estimated: fixture.tip_estimated,
        called_off: facts.fixture_at(as_of).is_none_or(|fixture| fixture.called_off),
        known_at: facts.0.revisions.last()?.known_at,
        status: result.map_or(GameStatus::Scheduled, |result| result.status),
        home_points: result.and_then(|result| result.home_points),
        away_points: result.and_then(|result| result.away_points),
        home_players,
        away_players,
        home_box_points,
        away_box_points,
        dates: facts.0.dates.clone(),
    })
}

/// Returns the revision of a player's game. If `listing` is `None`, the revision has no statistics, which means that the player did not
/// play.
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
        name: listing.map_or_else(String::new, |listing| listing.name.to_owned()),
        team,
        opponent: if fixture.home == team { fixture.away } else { fixture.home },
        is_home: fixture.home == team,
        date: fixture.date,
        tip_off: fixture.tip_off,
        stats: listing.and_then(|listing| listing.stats),
    }
}

fn team_revision(
    known_at: Timestamp,
    fixture: &Fixture,
    team: Team,
    points: Option<FinalPoints>,
    stats_by_player: &BTreeMap<PlayerId, BoxScoreStats>,
) -> TeamGameRevision {
    let is_home = fixture.home == team;
    let score = points.map(|FinalPoints { home, away }| match is_home {
        true => Score { own: home, opponent: away },
        false => Score { own: away, opponent: home },
    });
    let appeared = || stats_by_player.iter().filter(|(_, stats)| stats.playing_time > PlayingTime(0));
    TeamGameRevision {
        known_at,
        opponent: if is_home { fixture.away } else { fixture.home },
        is_home,
        date: fixture.date,
        tip_off: fixture.tip_off,
        tip_estimated: fixture.tip_estimated,
        called_off: fixture.called_off,
        score,
        totals: (!stats_by_player.is_empty()).then(|| totals(stats_by_player.values())),
        appeared: appeared().map(|(player, _)| *player).collect(),
        workloads: appeared().map(|(_, stats)| workload(stats)).collect(),
    }
}

fn workload(stats: &BoxScoreStats) -> PlayerWorkload {
    PlayerWorkload {
        playing_time: stats.playing_time,
        field_goals_attempted: stats.field_goals_attempted,
        free_throws_attempted: stats.free_throws_attempted,
        turnovers: stats.turnovers,
    }
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
