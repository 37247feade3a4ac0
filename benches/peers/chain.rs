//! The chain of steps that every peer (program in the comparison) except `raw` runs for each box line (statistics of one player in one
//! game): parse it, look up the name, update sums over the last ten games, compute a linear score.
//!
//! The Java peers in `streams/` do the same arithmetic in the same order, so that the sums of scores are exactly equal.
//! Invariant: the scores of a player depend only on that player's lines and their order.
//! Not here: Kafka.
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::io::Write;

/// The number of players.
pub const PLAYERS: usize = 600;
/// Each sum covers this number of the player's latest games.
pub const GAMES: usize = 10;
/// The number of statistics per line that are summed.
pub const STATS: usize = 12;

/// Points a player is expected to score when all means are 0.
const BIAS: f64 = 0.75;
/// Points per unit of each mean, in the order of [`Line::stats`].
const WEIGHTS: [f64; STATS] =
    [0.0625, 0.5, 0.125, 0.1875, 0.03125, 0.25, -0.0625, 0.015625, 0.09375, 0.046875, -0.03125, -0.125];

const FIRST: [&str; 30] = [
    "Ardan", "Belo", "Ciro", "Dario", "Eniko", "Farid", "Goran", "Hakim", "Iven", "Jovan", "Kasim", "Lorik",
    "Milo", "Nadir", "Orin", "Pavle", "Quill", "Radek", "Silas", "Tomaž", "Ugo", "Viktor", "Wendel", "Xavi",
    "Yannis", "Zoran", "Amadou", "Bojan", "Cédric", "Dušan",
];
const LAST: [&str; 20] = [
    "Abernathy",
    "Bergström",
    "Castellane",
    "Donovan",
    "Eriksen",
    "Fofana",
    "Galanis",
    "Hargreave",
    "Ibarra",
    "Jelić",
    "Kowalczyk",
    "Lindqvist",
    "Marchetti",
    "Novak",
    "Okonkwo",
    "Petrović",
    "Quintana",
    "Rasmussen",
    "Sandoval",
    "Traoré",
];

/// Returns the name of a player as box lines spell it.
pub fn name(player: usize) -> String {
    format!("{} {}", FIRST[player % FIRST.len()], LAST[player / FIRST.len()])
}

/// One player's line in one box score, with the fields that the chain reads.
#[derive(Deserialize)]
pub struct Line<'a> {
    game_id: &'a str,
    player: &'a str,
    min: i32,
    pts: i32,
    fgm: i32,
    fga: i32,
    fg3a: i32,
    fta: i32,
    oreb: i32,
    dreb: i32,
    ast: i32,
    stl: i32,
    blk: i32,
    tov: i32,
}

impl Line<'_> {
    fn stats(&self) -> [i32; STATS] {
        [
            self.min, self.pts, self.fgm, self.fga, self.fg3a, self.fta, self.oreb, self.dreb, self.ast,
            self.stl, self.blk, self.tov,
        ]
    }
}

/// The last games of one player, and the sum of each statistic over these games.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Form {
    games: [[i32; STATS]; GAMES],
    sums: [i32; STATS],
    played: usize,
}

impl Form {
    /// Adds a game, and removes the game that was played ten games earlier.
    pub fn add(&mut self, stats: [i32; STATS]) {
        let slot = &mut self.games[self.played % GAMES];
        for stat in 0..STATS {
            self.sums[stat] += stats[stat] - slot[stat];
        }
        *slot = stats;
        self.played += 1;
    }

    /// Returns the expected points in thousandths, rounded half up.
    pub fn score(&self) -> i64 {
        let games = self.played.min(GAMES) as f64;
        let mut score = BIAS;
        for (weight, sum) in WEIGHTS.iter().zip(self.sums) {
            score += weight * (f64::from(sum) / games);
        }
        (score * 1000.0 + 0.5).floor() as i64
    }
}

/// The state of the chain: the index of each player by name, and the form of each player.
pub struct Chain {
    ids: FxHashMap<String, usize>,
    forms: Vec<Form>,
}

impl Chain {
    /// Creates the state before the first game.
    pub fn new() -> Self {
        Self {
            ids: (0..PLAYERS).map(|player| (name(player), player)).collect(),
            forms: vec![Form::default(); PLAYERS],
        }
    }

    /// Returns the form of one player.
    pub fn form(&mut self, player: usize) -> &mut Form {
        &mut self.forms[player]
    }

    /// Processes one line, replaces the content of `out` with the output record, and returns the player.
    pub fn step(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<usize, Box<dyn std::error::Error>> {
        let line: Line<'_> = serde_json::from_slice(line)?;
        let player =
            *self.ids.get(line.player).ok_or_else(|| format!("there is no player {}", line.player))?;
        let form = &mut self.forms[player];
        form.add(line.stats());
        write_prediction(out, player, line.game_id, form)?;
        Ok(player)
    }
}

/// Replaces the content of `out` with the output record: the player, the game and the score of the form.
pub fn write_prediction(out: &mut Vec<u8>, player: usize, game: &str, form: &Form) -> std::io::Result<()> {
    out.clear();
    let (games, score) = (form.played.min(GAMES), form.score());
    write!(out, r#"{{"player":{player},"game_id":"{game}","games":{games},"score":{score}}}"#)
}

/// Returns the score in an output record.
pub fn score_of(record: &[u8]) -> Result<i64, serde_json::Error> {
    #[derive(Deserialize)]
    struct Prediction {
        score: i64,
    }
    serde_json::from_slice::<Prediction>(record).map(|prediction| prediction.score)
}
