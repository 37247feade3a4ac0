//! Simulation of a game: playing time and box-score statistics.
//!
//! Invariant: no game ends in a tie. Each player's minutes are a whole number. A team's minutes add up to five times the length of the game
//! (48, and 5 for each overtime), unless fewer than five can play. Points are computed from shots made; a team's points are the sum of its
//! players' points.
//! Not here: the payloads of the sources (`feeds`).
use crate::{
    calendar::Game,
    league::{FREE_THROWS_PER_SHOT, League, Player},
    parameters::Season,
    random::{Decision, Random},
};
use schemas::{PlayingTime, Team, Timestamp, observation::BoxScoreStats};

/// One player's appearance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Appearance {
    /// Index in the league's list of players.
    pub player: usize,
    pub stats: BoxScoreStats,
}

/// One team in a played game: the players who appeared, and those who did not play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub team: Team,
    pub appearances: Vec<Appearance>,
    /// The players who were available and did not play.
    pub did_not_play: Vec<usize>,
}
impl Side {
    pub fn points(&self) -> i32 {
        self.appearances.iter().map(|appearance| appearance.stats.points).sum()
    }
}

/// A game with its box scores.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub game: Game,
    pub home: Side,
    pub away: Side,
    pub overtimes: i32,
    /// The share of the game that has been played, more than 0 and less than 1; `None` if the game has ended.
    pub in_progress: Option<f64>,
}
impl Played {
    /// Returns each side with its opponent.
    pub fn sides(&self) -> [(&Side, &Side); 2] {
        [(&self.home, &self.away), (&self.away, &self.home)]
    }
    /// Returns the game as it was after a share of it, more than 0 and less than 1, had been played. No count is greater than that of the
    /// ended game. A player who has played for less than a minute is listed without statistics.
    pub fn after(&self, share: f64) -> Played {
        let side = |side: &Side| {
            let mut live = Side { appearances: vec![], ..side.clone() };
            for appearance in &side.appearances {
                let stats = stats_after(&appearance.stats, share);
                if stats.playing_time.0 < 60 {
                    live.did_not_play.push(appearance.player);
                } else {
                    live.appearances.push(Appearance { player: appearance.player, stats });
                }
            }
            live
        };
        let (home, away) = (side(&self.home), side(&self.away));
        Played { game: self.game, home, away, overtimes: 0, in_progress: Some(share) }
    }
    /// Returns the game as it is at a time: in progress, or as it ended; `None` before tip-off. `length` is the number of milliseconds from
    /// tip-off to the end of the game.
    pub fn at(&self, time: Timestamp, length: i64) -> Option<Played> {
        let share = (time.0 - self.game.tip_off().0) as f64 / length as f64;
        match share {
            ..=0.0 => None,
            1.0.. => Some(self.clone()),
            _ => Some(self.after(share)),
        }
    }
    /// Returns the quarter, 1 to 4, of a game in progress; `None` if the game has ended.
    pub fn quarter(&self) -> Option<i32> {
        self.in_progress.map(|share| ((share * 4.0) as i32 + 1).clamp(1, 4))
    }
    /// Returns the game with an error in the box score of one randomly chosen team: one basket is credited to the wrong teammate. `None` if
    /// this team made no two-pointer, or only one player appeared for it.
    pub fn misattributed(&self, random: &mut Random) -> Option<Played> {
        let mut wrong = self.clone();
        let side = if random.chance(0.5) { &mut wrong.home } else { &mut wrong.away };
        let made_a_two = |stats: &BoxScoreStats| stats.field_goals_made > stats.threes_made;
        let scorers: Vec<usize> =
            (0..side.appearances.len()).filter(|&index| made_a_two(&side.appearances[index].stats)).collect();
        if scorers.is_empty() || side.appearances.len() < 2 {
            return None;
        }
        let scorer = random.pick(&scorers);
        let other = (scorer + 1 + random.below(side.appearances.len() - 1)) % side.appearances.len();
        for (player, baskets) in [(scorer, -1), (other, 1)] {
            let stats = &mut side.appearances[player].stats;
            stats.field_goals_made += baskets;
            stats.field_goals_attempted += baskets;
            stats.points += 2 * baskets;
        }
        Some(wrong)
    }
}

/// Returns the factor by which a team's defense changes its opponents' shooting accuracy: 0.94–1.06, the same all season.
pub(crate) fn defense_factor(season: &Season, team: Team) -> f64 {
    0.94 + 0.12 * Random::for_decision(season.seed, Decision::Play, &[team as u64]).share()
}

pub(crate) fn play(season: &Season, league: &League, game: &Game) -> Played {
    let mut random = Random::for_decision(season.seed, Decision::Play, &[u64::from(game.id.0), 1]);
    let overtimes = match random.below(1000) {
        0..8 => 2,
        8..60 => 1,
        _ => 0,
    };
    let pace = 1.0 + 0.03 * random.normal();
    let length = 48 + 5 * overtimes;
    let mut side = |team: Team, opponent: Team, edge: f64| {
        let (playing, did_not_play) = lineup(season, league, game, team);
        let minutes = share_minutes(&mut random, &playing, length);
        let scoring = defense_factor(season, opponent) * edge;
        let appearances = playing
            .iter()
            .zip(minutes)
            .map(|(player, minutes)| Appearance {
                player: player.index,
                stats: box_score_stats(&mut random, player, minutes, pace, scoring),
            })
            .collect();
        Side { team, appearances, did_not_play }
    };
    let edge = if game.is_neutral { 1.0 } else { 1.015 };
    let mut home = side(game.home, game.away, edge);
    let mut away = side(game.away, game.home, 1.0 / edge);
    if home.points() == away.points() {
        let winner = if random.chance(0.5) { &mut home } else { &mut away };
        decide_by_a_free_throw(winner);
    }
    let margin = home.points() - away.points();
    for (side, margin) in [(&mut home, margin), (&mut away, -margin)] {
        for appearance in &mut side.appearances {
            let share = appearance.stats.playing_time.minutes() / f64::from(length);
            let noise = (1.0 - share) * share * 20.0 * random.normal();
            appearance.stats.plus_minus = Some((f64::from(margin) * share + noise).round() as i32);
        }
    }
    Played { game: *game, home, away, overtimes, in_progress: None }
}

/// Returns the players who play, and the players who are available but do not play.
fn lineup<'a>(season: &Season, league: &'a League, game: &Game, team: Team) -> (Vec<&'a Player>, Vec<usize>) {
    let available = league.squad(team, game.date).available;
    let needed = available.len().saturating_sub(1).clamp(1, 5);
    let mut random =
        Random::for_decision(season.seed, Decision::Sitting, &[u64::from(game.id.0), team as u64]);
    let mut playing = vec![];
    let mut did_not_play = vec![];
    for player in available {
        if playing.len() >= needed && random.chance(season.faults.dnps) {
            did_not_play.push(player.index);
        } else {
            playing.push(player);
        }
    }
    (playing, did_not_play)
}

/// Distributes whole minutes in proportion to each player's average minutes multiplied by a random factor; no player gets more than the
/// length of the game.
fn share_minutes(random: &mut Random, playing: &[&Player], length: i32) -> Vec<i32> {
    let total = length * playing.len().min(5) as i32;
    let weights: Vec<f64> =
        playing.iter().map(|player| player.minutes * (1.0 + 0.2 * random.normal()).clamp(0.4, 1.6)).collect();
    let sum: f64 = weights.iter().sum();
    let mut minutes: Vec<i32> =
        weights.iter().map(|weight| ((weight / sum * f64::from(total)) as i32).min(length)).collect();
    let mut left = total - minutes.iter().sum::<i32>();
    for next in (0..playing.len().min(8)).chain(0..playing.len()).cycle() {
        if left == 0 {
            break;
        }
        if minutes[next] < length {
            minutes[next] += 1;
            left -= 1;
        }
    }
    minutes
}

/// Draws a player's statistics for a number of minutes.
fn box_score_stats(
    random: &mut Random,
    player: &Player,
    minutes: i32,
    pace: f64,
    scoring: f64,
) -> BoxScoreStats {
    let time = f64::from(minutes) * pace;
    let mut count = |per_minute: f64| {
        let mean = per_minute * time;
        let deviation = random.normal();
        random.round(mean + 0.8 * mean.sqrt() * deviation)
    };
    let attempted = count(player.shots);
    let free_throws_attempted = count(player.shots * FREE_THROWS_PER_SHOT);
    let tall = f64::from(player.height_inches - 72) / 14.0;
    let (offensive_rebounds, defensive_rebounds) = (count(0.02 + 0.06 * tall), count(0.09 + 0.12 * tall));
    let (assists, steals, blocks) = (count(0.16 - 0.10 * tall), count(0.03), count(0.01 + 0.03 * tall));
    let (turnovers, fouls) = (count(0.055), count(0.08).min(6));
    let threes_attempted = random.successes(attempted, player.threes);
    let threes_made = random.successes(threes_attempted, player.accuracy[1] * scoring);
    let twos_made = random.successes(attempted - threes_attempted, player.accuracy[0] * scoring);
    let free_throws_made = random.successes(free_throws_attempted, player.accuracy[2]);
    BoxScoreStats {
        playing_time: PlayingTime(60 * minutes),
        points: 2 * twos_made + 3 * threes_made + free_throws_made,
        field_goals_made: twos_made + threes_made,
        field_goals_attempted: attempted,
        threes_made,
        threes_attempted,
        free_throws_made,
        free_throws_attempted,
        offensive_rebounds,
        defensive_rebounds,
        assists,
        steals,
        blocks,
        turnovers,
        fouls,
        plus_minus: None,
    }
}

/// Returns the statistics of a player after a share of the game.
fn stats_after(stats: &BoxScoreStats, share: f64) -> BoxScoreStats {
    let count = |count: i32| (f64::from(count) * share) as i32;
    let (made, threes, free_throws) =
        (count(stats.field_goals_made), count(stats.threes_made), count(stats.free_throws_made));
    BoxScoreStats {
        playing_time: PlayingTime(count(stats.playing_time.0)),
        points: 2 * made + threes + free_throws,
        field_goals_made: made,
        field_goals_attempted: count(stats.field_goals_attempted),
        threes_made: threes,
        threes_attempted: count(stats.threes_attempted),
        free_throws_made: free_throws,
        free_throws_attempted: count(stats.free_throws_attempted),
        offensive_rebounds: count(stats.offensive_rebounds),
        defensive_rebounds: count(stats.defensive_rebounds),
        assists: count(stats.assists),
        steals: count(stats.steals),
        blocks: count(stats.blocks),
        turnovers: count(stats.turnovers),
        fouls: count(stats.fouls),
        plus_minus: stats.plus_minus.map(count),
    }
}

fn decide_by_a_free_throw(side: &mut Side) {
    if let Some(best) = side.appearances.iter_mut().max_by_key(|appearance| appearance.stats.playing_time) {
        best.stats.free_throws_made += 1;
        best.stats.free_throws_attempted += 1;
        best.stats.points += 1;
    }
}
