//! Generates the box lines that all peers read, for a made-up league of 600 players who all play every round.
//!
//! Invariant: the same count gives the same lines, about 320 bytes each; all lines of a player have the same key, so their order is kept.
//! Not here: processing them (`chain`).
use crate::{
    chain::{PLAYERS, name},
    kafka::{self, Outcome},
};
use std::fmt::Write;

const TEAMS: [&str; 12] =
    ["ARB", "BEX", "COR", "DUN", "ELM", "FAL", "GRV", "HOL", "IRO", "JUN", "KIR", "LOM"];

/// A random number generator (linear congruential). Its numbers are the same in every run, and random enough for box scores.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn write_line(line: &mut String, round: usize, player: usize, dice: &mut Dice) -> std::fmt::Result {
    let team = player % TEAMS.len();
    let (fgm, fg3m, ftm) = (dice.below(13), dice.below(5), dice.below(9));
    let (fga, fg3a, fta) = (fgm + dice.below(11), fg3m + dice.below(6), ftm + dice.below(3));
    let (minutes, pts) = (12 + dice.below(30), 2 * fgm + fg3m + ftm);
    let (oreb, dreb) = (dice.below(5), dice.below(10));
    let (month, day) = (1 + round / 28 % 12, 1 + round % 28);
    line.clear();
    write!(
        line,
        r#"{{"game_id":"00{:08}","season":"2023-24","game_date":"2024-{month:02}-{day:02}","player":"{}","#,
        round * 6 + team % 6,
        name(player)
    )?;
    write!(
        line,
        r#""team":"{}","opponent":"{}","home":{},"min":{minutes},"pts":{pts},"fgm":{fgm},"fga":{fga},"#,
        TEAMS[team],
        TEAMS[(team + 6) % TEAMS.len()],
        team < 6
    )?;
    write!(
        line,
        r#""fg3m":{fg3m},"fg3a":{fg3a},"ftm":{ftm},"fta":{fta},"oreb":{oreb},"dreb":{dreb},"reb":{},"#,
        oreb + dreb
    )?;
    for (stat, sides) in [("ast", 12), ("stl", 4), ("blk", 4), ("tov", 6), ("pf", 6)] {
        write!(line, r#""{stat}":{},"#, dice.below(sides))?;
    }
    let margin = dice.below(41) as i64 - 20;
    write!(line, r#""plus_minus":{margin},"fetched_at":"2024-{month:02}-{day:02}T10:00:00Z"}}"#)
}

/// Fills the topic with `count` lines.
pub fn produce(brokers: &str, topic: &str, count: u64) -> Outcome<()> {
    let producer = kafka::producer(brokers)?;
    let names: Vec<String> = (0..PLAYERS).map(name).collect();
    let (mut dice, mut line, mut bytes) = (Dice(42), String::new(), 0);
    for index in 0..count as usize {
        let player = index % PLAYERS;
        write_line(&mut line, index / PLAYERS, player, &mut dice)?;
        kafka::send(&producer, topic, names[player].as_bytes(), line.as_bytes())?;
        bytes += line.len();
    }
    kafka::drain(&producer)?;
    println!(r#"{{"records":{count},"bytes":{}}}"#, bytes / count as usize);
    Ok(())
}
