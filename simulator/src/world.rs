//! The facts of a simulated season, which all sources report: the league and the games as they were played; and how each source spells the
//! players' names.
//!
//! Invariant: a source spells a player's name in one way all season.
//! Not here: the fetches (`fetches`).
use crate::{
    calendar,
    league::{League, Player},
    names::{Spelling, Variant},
    parameters::Season,
    play::{self, Played},
    random::{Decision, Random},
};
use schemas::EasternDate;

/// A source with its own spellings of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speller {
    Balldontlie,
    Espn,
    Book(usize),
}

pub(crate) struct World<'a> {
    pub season: &'a Season,
    pub first_day: EasternDate,
    pub league: League,
    /// All games of the season as they were played, ordered by game id.
    pub games: Vec<Played>,
}

impl<'a> World<'a> {
    pub fn new(season: &'a Season) -> World<'a> {
        let first_day = calendar::first_day(season.start_year);
        let league = League::new(season, first_day);
        let games = calendar::games(season, &league.teams);
        let games = games.iter().map(|game| play::play(season, &league, game)).collect();
        World { season, first_day, league, games }
    }
    fn variant(&self, player: &Player, speller: Speller) -> Variant {
        let speller = match speller {
            Speller::Balldontlie => 100,
            Speller::Espn => 101,
            Speller::Book(book) => book as u64,
        };
        let mut random =
            Random::for_decision(self.season.seed, Decision::Spelling, &[u64::from(player.id.0), speller]);
        if random.chance(self.season.faults.name_variants) {
            random.pick(&player.name.variants())
        } else {
            Variant::AsNba
        }
    }
    /// Returns a source's spelling of a player's name.
    pub fn spelling(&self, player: &Player, speller: Speller) -> Spelling {
        player.name.spelling(self.variant(player, speller))
    }
    /// Returns the players for whom at least one source uses a nickname, each with the full name in this spelling.
    pub fn nicknamed(&self) -> Vec<(&Player, String)> {
        let books = (0..self.season.books).map(Speller::Book);
        let spellers: Vec<Speller> = books.chain([Speller::Balldontlie, Speller::Espn]).collect();
        let has_nickname = |player: &Player| {
            spellers.iter().any(|&speller| self.variant(player, speller) == Variant::Nickname)
        };
        let nicknamed = self.league.players.iter().filter(|player| has_nickname(player));
        nicknamed.map(|player| (player, player.name.spelling(Variant::Nickname).joined())).collect()
    }
    /// Returns the games grouped by the day on which they were played.
    pub fn days(&self) -> Vec<(EasternDate, Vec<Played>)> {
        let mut games = self.games.clone();
        games.sort_by_key(|played| (played.game.date, played.game.id));
        let days = games.chunk_by(|a, b| a.game.date == b.game.date);
        days.map(|day| (day[0].game.date, day.to_vec())).collect()
    }
}
