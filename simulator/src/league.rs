//! The league: its teams, their invented players, injuries and trades.
//!
//! Invariant: no two players have the same initial and last name, except namesakes. Ids are higher than all that nba.com has assigned, so no simulated
//! player is mistaken for a real one. A team always has players available.
//! Not here: games and statistics (`play`).
use crate::{
    names::{COLLEGES, COUNTRIES, FIRST, LAST, NICKNAMES, Name, plain},
    parameters::Season,
    random::{Decision, Random},
};
use schemas::{EasternDate, PlayerId, Team};
use std::collections::HashSet;

/// Minutes per game if no player of the team is absent, by the player's rank in the team (the best player first).
const MINUTES: [f64; 15] =
    [35.0, 34.0, 32.0, 31.0, 29.0, 24.0, 19.0, 15.0, 11.0, 6.0, 3.0, 2.0, 1.5, 1.0, 1.0];

/// A range of days on which a player cannot play, including the last day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absence {
    pub from: EasternDate,
    pub until: EasternDate,
    /// The reason on the injury report.
    pub reason: &'static str,
}

/// An invented player.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    /// Index in [`League::players`].
    pub index: usize,
    pub id: PlayerId,
    pub name: Name,
    pub born: EasternDate,
    pub position: &'static str,
    pub height_inches: i32,
    pub weight_pounds: i32,
    pub jersey: usize,
    pub college: &'static str,
    pub country: &'static str,
    pub drafted: i16,
    /// Average minutes per game if no teammate is absent.
    pub minutes: f64,
    /// Field goals attempted per minute.
    pub shots: f64,
    /// Share of the field goals attempted that are three-pointers, 0–1.
    pub threes: f64,
    /// Shares of the attempts that are made, 0–1: of two-pointers, of three-pointers and of free throws.
    pub accuracy: [f64; 3],
    pub absences: Vec<Absence>,
}
impl Player {
    /// Returns the expected points per minute against an average defense.
    pub fn points_per_minute(&self) -> f64 {
        let [two, three, free] = self.accuracy;
        self.shots
            * (2.0 * (1.0 - self.threes) * two + 3.0 * self.threes * three + FREE_THROWS_PER_SHOT * free)
    }
    pub fn absence(&self, on: EasternDate) -> Option<Absence> {
        self.absences.iter().copied().find(|absence| (absence.from..=absence.until).contains(&on))
    }
}

/// Free throws attempted for each shot from the field.
pub(crate) const FREE_THROWS_PER_SHOT: f64 = 0.25;

/// A trade: from this day on, each of the two players belongs to the other player's team.
#[derive(Clone, Copy, Debug)]
struct Trade {
    date: EasternDate,
    players: [usize; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct League {
    pub teams: Vec<Team>,
    pub players: Vec<Player>,
    /// The team of each player at the start of the season.
    origin: Vec<Team>,
    trades: Vec<Trade>,
}

/// The available and the absent players of a team on one day.
pub(crate) struct Squad<'a> {
    /// The players who can play, ordered by rank.
    pub available: Vec<&'a Player>,
    pub absent: Vec<(&'a Player, Absence)>,
}

impl League {
    pub fn new(season: &Season, first_day: EasternDate) -> League {
        let mut random = Random::for_decision(season.seed, Decision::League, &[]);
        let mut teams = Team::ALL.to_vec();
        if season.teams < teams.len() {
            random.shuffle(&mut teams);
            teams.truncate(season.teams);
            teams.sort();
        }
        let size = season.players_per_team.clamp(1, MINUTES.len());
        let mut namer = Namer::default();
        let mut league = League { players: vec![], origin: vec![], trades: vec![], teams };
        for &team in &league.teams {
            for (rank, &minutes) in MINUTES[..size].iter().enumerate() {
                let index = league.players.len();
                let namesake = (index == 1).then(|| league.players[0].name.last);
                let name = namer.name(&mut random, namesake);
                let mut player = invent(&mut random, index, name, first_day);
                player.minutes = minutes;
                player.shots *= if rank < 3 { 1.35 } else { 1.0 };
                player.absences = absences(season, index, first_day);
                league.players.push(player);
                league.origin.push(team);
            }
        }
        league.share_names(season.namesakes, size);
        league.trade(season, size, first_day);
        league
    }
    /// Gives pairs of players the same name, apart from the suffix in every second pair.
    fn share_names(&mut self, pairs: usize, size: usize) {
        let teams = self.teams.len();
        for pair in 0..pairs.min(teams) {
            let first = pair * size;
            let name = self.players[first].name;
            if pair % 2 == 0 {
                self.players[(pair + 1) % teams * size].name = name;
            } else if size > 1 {
                let suffix = if name.suffix.is_some() { None } else { Some("Jr.") };
                self.players[first + 1].name = Name { suffix, ..name };
            }
        }
    }
    /// Draws trades in the middle of the season. In each trade, two teams exchange the players who have the same rank in both.
    fn trade(&mut self, season: &Season, size: usize, first_day: EasternDate) {
        let mut random = Random::for_decision(season.seed, Decision::Trades, &[]);
        let half = first_day.plus_days(season.games_per_team as i32);
        let mut order: Vec<usize> = (0..self.teams.len()).collect();
        random.shuffle(&mut order);
        for pair in order.chunks_exact(2).take(season.trades) {
            let rank = random.below(size);
            let players = [pair[0] * size + rank, pair[1] * size + rank];
            self.trades.push(Trade { date: half.plus_days(random.between(-5, 5)), players });
        }
    }
    /// Returns a player's team on a day.
    pub fn team_of(&self, player: usize, on: EasternDate) -> Team {
        let traded = self.trades.iter().find(|trade| trade.date <= on && trade.players.contains(&player));
        match traded.map(|trade| trade.players) {
            Some([a, b]) => self.origin[if player == a { b } else { a }],
            None => self.origin[player],
        }
    }
    /// Returns the players of a team on a day, ordered by rank.
    pub fn roster(&self, team: Team, on: EasternDate) -> Vec<&Player> {
        let mut roster: Vec<&Player> =
            self.players.iter().filter(|player| self.team_of(player.index, on) == team).collect();
        roster.sort_by(|a, b| b.minutes.total_cmp(&a.minutes));
        roster
    }
    /// Returns the squad of a team on a day. If fewer than five players are available, absent players are made available, the best first.
    pub fn squad(&self, team: Team, on: EasternDate) -> Squad<'_> {
        let roster = self.roster(team, on);
        let healthy = roster.iter().filter(|player| player.absence(on).is_none()).count();
        let mut missing = roster.len().min(5).saturating_sub(healthy);
        let mut squad = Squad { available: vec![], absent: vec![] };
        for player in roster {
            match player.absence(on) {
                Some(absence) if missing == 0 => squad.absent.push((player, absence)),
                Some(_) => {
                    missing -= 1;
                    squad.available.push(player);
                }
                None => squad.available.push(player),
            }
        }
        squad
    }
}

/// Assigns each player a name that a name lookup cannot confuse with that of another player.
#[derive(Default)]
struct Namer {
    initials: HashSet<(char, &'static str)>,
    nicknames: HashSet<(&'static str, &'static str)>,
}
impl Namer {
    fn name(&mut self, random: &mut Random, namesake: Option<&'static str>) -> Name {
        loop {
            let first = random.pick(&FIRST);
            let last = namesake.unwrap_or_else(|| random.pick(&LAST));
            let initial = plain(first).chars().next().unwrap_or_default();
            let nickname = random.pick(&NICKNAMES);
            if self.initials.contains(&(initial, last)) || !self.nicknames.insert((nickname, last)) {
                continue;
            }
            self.initials.insert((initial, last));
            let suffix = match random.below(100) {
                0..10 => Some("Jr."),
                10..14 => Some("III"),
                14..16 => Some("II"),
                _ => None,
            };
            return Name { first, last, suffix, nickname };
        }
    }
}

fn invent(random: &mut Random, index: usize, name: Name, first_day: EasternDate) -> Player {
    let position = random.pick(&["G", "G", "G-F", "F", "F", "F-C", "C"]);
    let height_inches = match position {
        "G" => random.between(72, 77),
        "G-F" | "F" => random.between(77, 81),
        _ => random.between(81, 86),
    };
    let age_days = random.between(20 * 365, 36 * 365);
    let drafted = first_day.plus_days(21 * 365 - age_days).civil().year();
    Player {
        index,
        id: PlayerId(1_690_000 + 7 * index as u32 + random.below(7) as u32),
        name,
        born: first_day.plus_days(-age_days),
        position,
        height_inches,
        weight_pounds: 3 * height_inches - 25 + random.between(-15, 25),
        jersey: index % 15 + 15 * random.below(3),
        college: random.pick(&COLLEGES),
        country: random.pick(&COUNTRIES),
        drafted: drafted.min(first_day.civil().year()),
        minutes: 0.0,
        shots: 0.26 + 0.13 * random.share(),
        threes: if position == "C" { 0.1 * random.share() } else { 0.25 + 0.35 * random.share() },
        accuracy: [0.50 + 0.10 * random.share(), 0.31 + 0.09 * random.share(), 0.65 + 0.27 * random.share()],
        absences: vec![],
    }
}

/// Draws a player's absences over a year: available for some weeks, then absent for some days, repeatedly.
fn absences(season: &Season, index: usize, first_day: EasternDate) -> Vec<Absence> {
    const REASONS: [&str; 6] = [
        "Injury/Illness - Left Ankle; Sprain",
        "Injury/Illness - Right Hamstring; Tightness",
        "Injury/Illness - Right Knee; Soreness",
        "Injury/Illness - Lower Back; Spasms",
        "Injury/Illness - N/A; Illness",
        "Personal Reasons",
    ];
    let mut random = Random::for_decision(season.seed, Decision::Health, &[index as u64]);
    let mut absences = vec![];
    let mut from = first_day.plus_days(random.between(0, 90));
    while from < first_day.plus_days(365) {
        let until =
            from.plus_days(if random.chance(0.2) { random.between(10, 40) } else { random.between(1, 7) });
        absences.push(Absence { from, until, reason: random.pick(&REASONS) });
        from = until.plus_days(random.between(15, 90));
    }
    absences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar;

    fn league(seed: u64) -> League {
        League::new(&Season::new(seed, 2024), calendar::first_day(2024))
    }

    #[test]
    fn no_two_players_share_initial_and_last_name_but_two_of_one_team_share_the_last_name() {
        for seed in 0..20 {
            let players = league(seed).players;
            let name = |player: &Player| (plain(player.name.first).chars().next(), player.name.last);
            assert_eq!(players.iter().map(name).collect::<HashSet<_>>().len(), players.len());
            assert_eq!(players[0].name.last, players[1].name.last);
            let nicknames: HashSet<_> = players.iter().map(|p| (p.name.nickname, p.name.last)).collect();
            assert_eq!(nicknames.len(), players.len());
            assert_eq!(players.iter().map(|p| p.id).collect::<HashSet<_>>().len(), players.len());
        }
    }
    #[test]
    fn namesakes_have_one_name_in_two_teams_or_two_suffixes_in_one_team() {
        let season = Season { namesakes: 2, players_per_team: 3, ..Season::new(1, 2024) };
        let names: Vec<Name> = League::new(&season, calendar::first_day(2024))
            .players
            .iter()
            .map(|player| player.name)
            .collect();
        assert_eq!(names[0], names[3]);
        assert_eq!(Name { suffix: names[3].suffix, ..names[4] }, names[3]);
        assert_ne!(names[3].suffix, names[4].suffix);
    }
    #[test]
    fn names_are_of_every_difficult_kind() {
        let names: Vec<String> = league(1).players.iter().map(|player| player.name.full()).collect();
        for kind in ["-", "'", "Jr.", "III", "ü", "Ł", "Ø"] {
            assert!(names.iter().any(|name| name.contains(kind)), "{kind}");
        }
    }
    #[test]
    fn five_can_always_play() {
        let league = league(2);
        for day in 0..180 {
            let date = calendar::first_day(2024).plus_days(day);
            for &team in &league.teams {
                assert!(league.squad(team, date).available.len() >= 5);
            }
        }
    }
}
