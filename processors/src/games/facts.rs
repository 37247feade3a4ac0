//! The tables of the games between two teams: all observations of games and box lists, and which of them belong together.
//!
//! A box list belongs to the game of its own date. A list with nba.com's game id belongs to the game with this id, if the game was ever
//! scheduled for its date with these teams; any other list belongs to the game that is scheduled for exactly its date. If the lists of one
//! side of a game are of several dates, those of the date of the fixture are used; if there are none, those of the latest other date. Lists
//! of two dates are never united.
//!
//! Invariant: every function with an argument `as_of` uses only the observations that this argument selects.
//! Not here: which output keys an input invalidates (`games`), the rows (`rows`).
use super::{
    box_list::{BoxKey, BoxLine, BoxList, GameRef, ListId, LiveList},
    game_facts::GameFacts,
    precedence::rank,
};
use crate::{
    history::{AsOf, ListHistory, Listed, ObservationRecord},
    name_lookup::{LookupRequest, NameLookups, known_as_of},
};
use schemas::{
    EasternDate, GameId, Matchup, NamesId, PlayerId, Team,
    identity::Names,
    observation::{BoxScoreObservation, Fixture},
    raw::{Feed, Source},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A record of the changelog.
#[derive(Debug, Serialize, Deserialize)]
pub enum Retained {
    List { matchup: Matchup, list: ListId, record: ObservationRecord<BoxKey, BoxLine, ()> },
    Live { matchup: Matchup, list: ListId, live: LiveList },
}

/// All facts about the games between two teams.
#[derive(Debug, Default)]
pub struct Tables {
    games: BTreeMap<GameId, GameFacts>,
    /// Every pair of a game and a day for which the game was scheduled at any time.
    by_day: BTreeSet<(EasternDate, GameId)>,
    lists: BTreeMap<ListId, BoxList>,
    name_lookups: NameLookups,
    matchup: Option<Matchup>,
}

/// The final box score of one side in one feed, and its identity.
pub type FinalList<'a> = (ListId, &'a ListHistory<BoxKey, BoxLine>);

impl Tables {
    pub fn matchup(&self) -> Option<Matchup> {
        self.matchup
    }
    pub fn facts(&self, game: GameId) -> Option<&GameFacts> {
        self.games.get(&game)
    }
    pub fn game_ids(&self) -> impl Iterator<Item = GameId> {
        self.games.keys().copied()
    }
    pub fn lists(&self) -> impl Iterator<Item = ListId> {
        self.lists.keys().copied()
    }
    pub fn list(&self, list: &ListId) -> Option<&BoxList> {
        self.lists.get(list)
    }
    pub fn name_lookups(&self) -> &NameLookups {
        &self.name_lookups
    }
    /// Returns the lists whose names are looked up for this source and day.
    pub fn lists_with_lookup(&self, source: Source, date: EasternDate) -> Vec<ListId> {
        self.lists().filter(|list| list.feed.source() == source && list.game.date == date).collect()
    }
    /// Returns the lists that may belong to a game.
    pub fn lists_near(&self, game: GameId) -> Vec<ListId> {
        let dates: BTreeSet<EasternDate> = self.dates_of(game).collect();
        let is_near = |list: &ListId| match list.game.id {
            Some(id) => id == game,
            None => dates.contains(&list.game.date),
        };
        self.lists().filter(is_near).collect()
    }

    /// Replaces the fixtures of a game and the index of its days.
    pub fn put_fixtures(&mut self, matchup: Matchup, game: GameId, row: Option<GameFacts>) {
        self.matchup = Some(matchup);
        for date in self.dates_of(game).collect::<Vec<_>>() {
            self.by_day.remove(&(date, game));
        }
        match row {
            Some(facts) => {
                self.by_day.extend(facts.dates().into_iter().map(|date| (date, game)));
                self.games.insert(game, facts);
            }
            None => _ = self.games.remove(&game),
        }
    }
    /// Returns a list, to merge an observation.
    pub fn list_mut(&mut self, observation: &BoxScoreObservation) -> &mut BoxList {
        self.matchup = Matchup::new(observation.team, observation.opponent);
        self.lists.entry(ListId::of(observation)).or_default()
    }
    pub fn list_of_mut(&mut self, list: &ListId) -> Option<&mut BoxList> {
        self.lists.get_mut(list)
    }
    pub fn put_names(&mut self, id: NamesId, row: Option<Names>) {
        self.name_lookups.put(id, row);
    }
    pub fn restore(&mut self, retained: Retained) {
        let (Retained::List { matchup, .. } | Retained::Live { matchup, .. }) = &retained;
        self.matchup = Some(*matchup);
        match retained {
            Retained::List { list, record, .. } => {
                self.lists.entry(list).or_default().history.restore(record);
            }
            Retained::Live { list, live, .. } => self.lists.entry(list).or_default().restore_live(live),
        }
    }

    /// Returns every day for which the game was scheduled at any time.
    pub fn dates_of(&self, game: GameId) -> impl Iterator<Item = EasternDate> {
        self.games.get(&game).into_iter().flat_map(GameFacts::dates)
    }
    /// Returns every game that was scheduled for a day at any time.
    pub fn games_of_day(&self, day: EasternDate) -> impl Iterator<Item = GameId> {
        self.by_day.range((day, GameId(0))..=(day, GameId(u32::MAX))).map(|(_, game)| *game)
    }
    /// Returns this game, and every other game whose box lists may change if the fixture of this game does.
    pub fn games_near(&self, game: GameId) -> BTreeSet<GameId> {
        self.dates_of(game).flat_map(|day| self.games_of_day(day)).chain([game]).collect()
    }
    /// Returns every game to which a list may belong at some instant.
    pub fn games_of(&self, list: &ListId) -> Vec<GameId> {
        match list.game.id {
            Some(game) => vec![game],
            None => self.games_of_day(list.game.date).collect(),
        }
    }
    /// Returns the game to which a list belongs as of an instant. If a source lists two games of the same teams on one day, the game with
    /// the smaller id is used.
    pub fn game_of(&self, list: &ListId, as_of: AsOf) -> Option<GameId> {
        let facts = |game: &GameId| self.games.get(game);
        match list.game.id {
            Some(game) => facts(&game)?.dates_at(as_of).contains(&list.game.date).then_some(game),
            None => self.games_of_day(list.game.date).find(|game| {
                let fixture = facts(game).and_then(|facts| facts.fixture_at(as_of));
                fixture.is_some_and(|fixture| fixture.date == list.game.date)
            }),
        }
    }
    /// Returns the lists of one side that may belong to a game at some instant, in order of precedence.
    fn stored_lists_of(&self, game: GameId, team: Team) -> Vec<(ListId, &BoxList)> {
        let refs = self.dates_of(game).flat_map(|date| [Some(game), None].map(|id| GameRef { id, date }));
        let of_game = |game: GameRef| {
            let first = ListId { game, feed: Feed::ALL[0], team: Team::ALL[0] };
            self.lists.range(first..).take_while(move |(id, _)| id.game == game)
        };
        let of_side = refs.flat_map(of_game).filter(|(id, _)| id.team == team);
        let mut stored: Vec<_> = of_side.map(|(id, list)| (*id, list)).collect();
        // The sort is stable, so the lists of one feed stay in the order of their dates.
        stored.sort_by_key(|(id, _)| rank(id.feed));
        stored
    }
    /// Returns the final lists of one side that may belong to a game at some instant, in order of precedence.
    pub fn lists_of(&self, game: GameId, team: Team) -> Vec<FinalList<'_>> {
        let stored = self.stored_lists_of(game, team).into_iter();
        let stored = stored.filter(|(_, list)| !list.history.is_empty());
        stored.map(|(id, list)| (id, &list.history)).collect()
    }
    /// Returns the lists of one side that have a live observation and may belong to a game.
    pub fn live_lists_of(&self, game: GameId, team: Team) -> Vec<ListId> {
        let stored = self.stored_lists_of(game, team).into_iter();
        stored.filter(|(_, list)| list.live.is_some()).map(|(id, _)| id).collect()
    }
    /// True if the final box score of any feed lists a player of this team for the game and the day of a list.
    pub fn has_final_list(&self, list: &ListId) -> bool {
        let is_final =
            |(id, stored): &(ListId, &BoxList)| id.game.date == list.game.date && stored.is_final();
        self.games_of(list).into_iter().any(|game| self.stored_lists_of(game, list.team).iter().any(is_final))
    }
    /// True if the lists of one side are of several dates. Then it depends on all their members which of them belong to the game.
    pub fn has_several_dates(lists: &[FinalList<'_>]) -> bool {
        lists.windows(2).any(|pair| pair[0].0.game.date != pair[1].0.game.date)
    }
    /// Returns those of the lists of one side that belong to a game as of an instant.
    pub fn lists_at<'a>(
        &self,
        game: GameId,
        fixture: &Fixture,
        lists: &[FinalList<'a>],
        as_of: AsOf,
    ) -> Vec<FinalList<'a>> {
        let of_date = |date: EasternDate| -> Vec<FinalList<'a>> {
            let of_date = lists.iter().filter(|(id, _)| id.game.date == date);
            of_date.filter(|(id, _)| self.game_of(id, as_of) == Some(game)).copied().collect()
        };
        let own = of_date(fixture.date);
        let lists_player = |(_, list): &FinalList<'a>| list.members(as_of).next().is_some();
        if lists.iter().all(|(id, _)| id.game.date == fixture.date) || own.iter().any(lists_player) {
            return own;
        }
        let facts = self.games.get(&game);
        let other_dates = facts.map_or_else(Vec::new, |facts| facts.dates_at(as_of));
        let of_other_dates = other_dates.into_iter().map(of_date);
        of_other_dates.into_iter().find(|lists| lists.iter().any(lists_player)).unwrap_or(own)
    }

    /// Returns the lookup of a name in a list, which lists the player for its team; `None` if the list has the player's id.
    pub fn lookup_request<'a>(
        list: &ListId,
        key: &'a BoxKey,
        teams: &'a [Team; 2],
    ) -> Option<LookupRequest<'a>> {
        match key {
            BoxKey::Id(_) => None,
            BoxKey::Name(name) => {
                let (source, date) = (list.feed.source(), list.game.date);
                Some(LookupRequest { teams, listed_for: Some(list.team), source, date, name })
            }
        }
    }
    /// Returns the player to whom a member of a list refers as of an instant.
    pub fn player_at(&self, list: &ListId, key: &BoxKey, as_of: AsOf) -> Option<PlayerId> {
        if let BoxKey::Id(player) = key {
            return Some(*player);
        }
        let teams = self.matchup?.teams();
        let request = Self::lookup_request(list, key, &teams)?;
        self.name_lookups.player(request, known_as_of(as_of)).map(|(player, _)| player)
    }
    /// Emits every player to whom a member of a list may refer at some instant.
    pub fn candidates(&self, list: &ListId, key: &BoxKey, emit: &mut dyn FnMut(PlayerId)) {
        if let BoxKey::Id(player) = key {
            emit(*player);
        } else if let Some(teams) = self.matchup.map(Matchup::teams)
            && let Some(request) = Self::lookup_request(list, key, &teams)
        {
            self.name_lookups.all_candidates(request, emit);
        }
    }
    /// Returns all players who may be in the box lists of a game.
    pub fn players_of(&self, game: GameId) -> BTreeSet<PlayerId> {
        let mut players = BTreeSet::new();
        for team in self.matchup.iter().flat_map(|matchup| matchup.teams()) {
            for (id, list) in self.lists_of(game, team) {
                list.keys()
                    .for_each(|key| self.candidates(&id, key, &mut |player| _ = players.insert(player)));
            }
        }
        players
    }
    /// Returns a player's line in a list as of an instant. If several names refer to the player, the newest line is used; at one instant,
    /// the greatest.
    pub fn line_at<'a>(
        &self,
        (id, list): FinalList<'a>,
        keys: &[&BoxKey],
        player: PlayerId,
        as_of: AsOf,
    ) -> Option<Listed<'a, BoxLine>> {
        let refers = |key: &&&BoxKey| self.player_at(&id, key, as_of) == Some(player);
        let listed = keys.iter().filter(refers).filter_map(|key| list.member(key, as_of));
        listed.max_by_key(order_of)
    }
}

/// Orders the lines of one player in one list.
pub fn order_of<'a>(
    listed: &Listed<'a, BoxLine>,
) -> (schemas::Timestamp, &'a BoxLine, std::cmp::Reverse<schemas::RawId>) {
    (listed.fetched_at, listed.value, std::cmp::Reverse(listed.raw))
}
