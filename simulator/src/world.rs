//! The truth of a season, from which every source takes its part: the league, the games as they were played, the spellings.
//!
//! Invariant: a source spells a player's name in one way all season.
//! Not here: fetches.
use crate::{
    Season, calendar,
    league::{League, Player},
    names::{Spelling, Variant},
    play::{self, Played},
    random::{Question, Random},
};
use schemas::EasternDate;

/// Whoever spells names in his own way.
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
    /// In the order of the games' ids.
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
            Random::for_question(self.season.seed, Question::Spelling, &[u64::from(player.id.0), speller]);
        match random.chance(self.season.faults.name_variants) {
            true => random.pick(&player.name.variants()),
            false => Variant::AsNba,
        }
    }
    pub fn spelling(&self, player: &Player, speller: Speller) -> Spelling {
        player.name.spelt(self.variant(player, speller))
    }
    /// The players whom somebody knows by a nickname only, and how that is written.
    pub fn nicknamed(&self) -> Vec<(&Player, String)> {
        let books = (0..self.season.books).map(Speller::Book);
        let spellers: Vec<Speller> = books.chain([Speller::Balldontlie, Speller::Espn]).collect();
        let by_nickname = |player: &Player| {
            spellers.iter().any(|&speller| self.variant(player, speller) == Variant::Nickname)
        };
        let nicknamed = self.league.players.iter().filter(|player| by_nickname(player));
        nicknamed.map(|player| (player, player.name.spelt(Variant::Nickname).joined())).collect()
    }
    /// The games that were played on each day that has any, by day.
    pub fn days(&self) -> Vec<(EasternDate, Vec<Played>)> {
        let mut games = self.games.clone();
        games.sort_by_key(|played| (played.game.date, played.game.id));
        let days = games.chunk_by(|a, b| a.game.date == b.game.date);
        days.map(|day| (day[0].game.date, day.to_vec())).collect()
    }
}
