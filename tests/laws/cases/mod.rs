//! Trouble cases: small inputs from reports of faults in similar programs, each with the values that a correct program gives.
//!
//! The inputs are in `../shared/cases`; a test whose input does not exist is skipped with a message.
//! Invariant: a case runs through the whole topology, from the lines of its file to the predictions.
//! Not here: the values (`box_scores`, `odds_and_reports`, `schedules`, `names`, `sides`, `grades`, `files`).
mod box_scores;
mod files;
mod grades;
mod names;
mod odds_and_reports;
mod schedules;
mod sides;

use crate::{
    accounting::{check_candidates, check_ledger, restored_node},
    harness::{Content, Schedule, content, run},
    log::{MemoryLog, TestLog},
};
use fastbreak::{ingest, topology::topology};
use processors::{materialized_view::ParkedItem, predictor::Predictor};
use schemas::{
    EasternDate, GameId, PlayerGameDateId, PlayerId,
    features::Features,
    game::{Game, PlayerGame, PlayerGameRevision},
    prediction::Prediction,
    raw::{DeadLetter, RawEvent, RejectCode},
    wire::{self, Event},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use topics::TopicInfo;

/// Returns the path of a case's input; `None` if it does not exist. `number` is the start of the folder's name.
fn input_of(number: &str) -> Option<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    let folders = std::fs::read_dir(&cases).into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_case = |folder: &PathBuf| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{number}-")))
    };
    let input = folders.into_iter().find(is_case).map(|folder| folder.join("input.jsonl"));
    let input = input.filter(|path| path.exists());
    if input.is_none() {
        eprintln!("skipped: there is no input of case {number} in {}", cases.display());
    }
    input
}

/// A case that the topology has processed in one straight run; its record accounting balances.
struct Case {
    log: MemoryLog,
    content: Content,
    /// The lines that are no events: line number, reject code and reason.
    rejected_lines: Vec<(usize, RejectCode, String)>,
}
impl Case {
    /// Processes the input of a case; `None` if it does not exist.
    fn run(number: &str) -> Option<Case> {
        Case::run_with(number, |_| {})
    }
    /// Processes the input of a case after a change; `None` if it does not exist.
    fn run_with(number: &str, change: impl FnOnce(&mut Vec<RawEvent>)) -> Option<Case> {
        let text = std::fs::read_to_string(input_of(number)?).unwrap();
        let (mut events, mut rejected_lines) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match ingest::parse(line) {
                Ok(event) => events.push(event),
                Err((code, reason)) => rejected_lines.push((index + 1, code, reason)),
            }
        }
        change(&mut events);
        let mut log = MemoryLog::default();
        run(&mut log, events, Schedule::STRAIGHT, |_| true);
        check_ledger(&mut log);
        let content = content(&mut log);
        check_candidates(&content);
        Some(Case { log, content, rejected_lines })
    }
    /// Returns the rows of a table.
    fn rows<E: Event>(&self, topic: TopicInfo) -> impl Iterator<Item = E> {
        let rows = self.content.iter().filter(move |((name, _), _)| *name == topic.name);
        rows.map(|(_, bytes)| wire::decode(bytes).unwrap())
    }
    fn row<E: Event>(&self, topic: TopicInfo, key: impl std::fmt::Display) -> E {
        let row = self.content.get(&(topic.name, key.to_string()));
        wire::decode(row.unwrap_or_else(|| panic!("{} has no row {key}", topic.name))).unwrap()
    }
    fn games(&self) -> Vec<Game> {
        self.rows(topics::GAMES.info).collect()
    }
    /// Returns the last revision of every player in every game in which he appeared: the rows of the warehouse's table `player_games`.
    fn player_games(&self) -> BTreeMap<(u32, GameId), PlayerGameRevision> {
        let last = |row: PlayerGame| ((row.player.0, row.game), row.revisions.into_iter().next_back());
        let rows = self.rows(topics::PLAYER_GAMES.info).map(last);
        rows.filter_map(|(id, last)| Some((id, last.filter(|revision| revision.stats.is_some())?))).collect()
    }
    /// Returns the points of every player who appeared in a game.
    fn points(&self, game: &str) -> BTreeMap<u32, i32> {
        self.stats(game, |stats| stats.points)
    }
    /// Returns the playing time, in seconds, of every player who appeared in a game.
    fn seconds(&self, game: &str) -> BTreeMap<u32, i32> {
        self.stats(game, |stats| stats.playing_time.0)
    }
    fn stats(
        &self,
        game: &str,
        value: impl Fn(&schemas::observation::BoxScoreStats) -> i32,
    ) -> BTreeMap<u32, i32> {
        let game: GameId = game.parse().unwrap();
        let rows = self.player_games().into_iter().filter(|((_, id), _)| *id == game);
        rows.map(|((player, _), revision)| (player, value(&revision.stats.unwrap()))).collect()
    }
    /// Returns the features of a player for a game that has rows for one date only.
    fn features(&self, player: u32, game: &str) -> Features {
        let game: GameId = game.parse().unwrap();
        let rows = self.rows::<Features>(topics::FEATURES.info);
        let mut rows: Vec<Features> =
            rows.filter(|row| (row.player, row.game) == (PlayerId(player), game)).collect();
        assert_eq!(rows.len(), 1, "player {player} has not one feature row for game {game}");
        rows.remove(0)
    }
    fn features_on(&self, player: u32, game: &str, date: &str) -> Features {
        self.row(topics::FEATURES.info, player_game(player, game, date.parse().unwrap()))
    }
    fn prediction(&self, player: u32, game: &str) -> Prediction {
        let date = self.features(player, game).date;
        self.row(topics::PREDICTIONS.info, player_game(player, game, date))
    }
    /// Returns the main line of a player's features, in points.
    fn main_line(&self, player: u32, game: &str) -> Option<f64> {
        self.features(player, game).main_line.map(|line| line.points())
    }
    /// Returns code and reason of all dead letters of the processors.
    fn dead_letters(&mut self) -> Vec<(RejectCode, String)> {
        let names: Vec<_> = topology(Predictor::new(None)).iter().map(|node| node.name()).collect();
        let dead_letters: Vec<DeadLetter> =
            names.iter().flat_map(|name| self.log.dead_letters(name)).collect();
        dead_letters.into_iter().map(|dead_letter| (dead_letter.code, dead_letter.reason)).collect()
    }
    /// Returns the parked items of a processor.
    fn parked(&mut self, processor: &str) -> Vec<ParkedItem> {
        let nodes = topology(Predictor::new(None));
        let index = nodes.iter().position(|node| node.name() == processor).unwrap();
        restored_node(&mut self.log, index).parked().1
    }
}

fn player_game(player: u32, game: &str, date: EasternDate) -> PlayerGameDateId {
    PlayerGameDateId { player: PlayerId(player), game: game.parse().unwrap(), date }
}
