//! Law of the career: the features of a player's form equal those of a naive model, which scans all games again for each feature.
//!
//! Games of three seasons arrive in any order, are replaced, corrected, known late and retracted; after each of them, the features of random
//! entries are compared.
//! Invariant: the model computes weights as powers, and never uses the state after an earlier appearance.
//! Not here: the model of the absences (`slate::rotation`, `team_form::season_players`).
use super::{tests::candidacy, *};
use proptest::prelude::*;
use schemas::{
    PlayingTime, RawId, Season,
    features::{Feature, MissingReason, index},
    observation::BoxScoreStats,
    raw::Feed,
};

const PLAYER: PlayerId = PlayerId(1);
const TEAMS: [Team; 2] = [Team::BOS, Team::NYK];

/// A game of the player, as it is put into the tables.
#[derive(Clone, Debug)]
struct Game {
    season: u32,
    day: i32,
    team: Team,
    is_cup_final: bool,
    /// The statistics of each revision, with the days since the one before it (or since the game).
    revisions: Vec<(i32, BoxScoreStats)>,
    is_first_retracted: bool,
}
impl Game {
    fn id(&self) -> GameId {
        let kind = if self.is_cup_final { 60_000_000 } else { 20_000_000 };
        GameId(kind + (22 + self.season) * 100_000 + 1 + self.day as u32)
    }
    fn row(&self) -> PlayerGame {
        let date = day(self.season, self.day);
        let opponent = Team::MIA;
        let mut known_at = date.at(12, 0);
        let revision = |(days, stats): &(i32, BoxScoreStats)| {
            known_at = Timestamp(known_at.0 + i64::from(*days) * 86_400_000);
            PlayerGameRevision {
                known_at,
                raw: RawId(0),
                feed: Feed::NbacomLeaguegamelog,
                name: "A".into(),
                team: self.team,
                opponent,
                is_home: true,
                date,
                tip_off: date.at(19, 30),
                stats: Some(*stats),
            }
        };
        let revisions: Vec<PlayerGameRevision> = self.revisions.iter().map(revision).collect();
        let in_retrospect = self.is_first_retracted.then(|| revisions[1..].to_vec());
        let matchup = Matchup::new(self.team, opponent).unwrap();
        PlayerGame {
            player: PLAYER,
            game: self.id(),
            matchup,
            revisions,
            revisions_in_retrospect: in_retrospect,
        }
    }
    fn input(&self) -> In {
        let row = self.row();
        let id = PlayerMatchupGameId { player: PLAYER, game: row.game, matchup: row.matchup };
        In::PlayerGame(id, Some(row))
    }
}

fn day(season: u32, n: i32) -> EasternDate {
    "2022-11-01".parse::<EasternDate>().unwrap().plus_days(season as i32 * 365 + n)
}

/// The entry of a game of Boston in a season, on a day on which the player has no game.
fn entry(season: u32, on: i32) -> SlateEntry {
    let date = day(season, on);
    SlateEntry {
        player: PLAYER,
        game: GameId(20_000_000 + (22 + season) * 100_000 + 900),
        home: Team::BOS,
        away: Team::UTA,
        date,
        tip_off: date.at(19, 31),
        tip_estimated: false,
        opened_at: Timestamp::DISTANT_PAST,
        issued: Some(candidacy()),
        retrospective: None,
        end: None,
    }
}

fn stats() -> impl Strategy<Value = BoxScoreStats> {
    let minutes = prop_oneof![1 => Just(0), 9 => 1..48i32];
    (minutes, 0..40i32, 0..25i32, 0..12i32, 0..12i32, 0..6i32).prop_map(
        |(minutes, points, shots, threes, free_throws, turnovers)| BoxScoreStats {
            playing_time: PlayingTime(minutes * 60),
            points,
            field_goals_attempted: shots,
            field_goals_made: shots / 2,
            threes_attempted: threes.min(shots),
            threes_made: threes.min(shots) / 3,
            free_throws_attempted: free_throws,
            free_throws_made: free_throws / 2,
            turnovers,
            ..BoxScoreStats::default()
        },
    )
}
fn game() -> impl Strategy<Value = Game> {
    let revisions = prop::collection::vec((prop_oneof![3 => Just(1), 1 => 1..400i32], stats()), 1..3);
    (0..3u32, 0..40i32, prop::bool::weighted(0.05), revisions, prop::bool::weighted(0.1)).prop_map(
        |(season, day, is_cup_final, revisions, is_first_retracted)| Game {
            season,
            day,
            // A game that is put again has the same teams.
            team: TEAMS[(day as usize / 9 + season as usize) % 2],
            is_cup_final,
            revisions,
            is_first_retracted,
        },
    )
}

/// An earlier appearance in the model.
struct Played {
    season: Season,
    date: EasternDate,
    team: Team,
    stats: BoxScoreStats,
}
impl Played {
    fn minutes(&self) -> f64 {
        f64::from(self.stats.playing_time.0) / 60.0
    }
    fn possessions(&self) -> f64 {
        let BoxScoreStats { field_goals_attempted, free_throws_attempted, turnovers, .. } = self.stats;
        f64::from(field_goals_attempted + turnovers) + 0.44 * f64::from(free_throws_attempted)
    }
}

/// The model: all appearances as of a cutoff, oldest first, and the season of the predicted game.
struct Model {
    played: Vec<Played>,
    season: Season,
}
impl Model {
    fn new(rows: &BTreeMap<GameId, PlayerGame>, entry: &SlateEntry, basis: Basis) -> Model {
        let as_of = |row: &PlayerGame| {
            let in_retrospect = row.revisions_in_retrospect.as_ref();
            let revisions = match basis {
                Basis::Issued => &row.revisions,
                Basis::Retrospective => in_retrospect.unwrap_or(&row.revisions),
            };
            let known = revisions.iter().rfind(|revision| revision.known_at < entry.tip_off);
            let revision = match basis {
                Basis::Issued => known?,
                Basis::Retrospective => known.or(revisions.first())?,
            };
            let has_ended = revision.tip_off.plus_hours(4) < entry.tip_off;
            let stats = revision.stats.filter(|stats| has_ended && stats.playing_time.0 > 0)?;
            let PlayerGameRevision { date, team, .. } = *revision;
            Some(Played { season: row.game.season(), date, team, stats })
        };
        let counted = rows.values().filter(|row| row.game.counts_in_averages());
        let mut played: Vec<Played> = counted.filter_map(as_of).collect();
        played.retain(|played| played.season <= entry.game.season());
        played.sort_by_key(|played| played.date);
        Model { played, season: entry.game.season() }
    }
    /// The number of times that the season changes from appearance `from` to appearance `to`; `to` may be that of the predicted game.
    fn seasons_between(&self, from: usize, to: usize) -> i32 {
        let season = |index: usize| self.played.get(index).map_or(self.season, |played| played.season);
        (from..to).filter(|index| season(*index) != season(index + 1)).count() as i32
    }
    fn weight(&self, index: usize, span: f64) -> f64 {
        let count = self.played.len();
        0.5f64.powf((count - 1 - index) as f64 / span) * 0.4f64.powi(self.seasons_between(index, count))
    }
    fn sum(&self, span: f64, value: impl Fn(usize) -> f64) -> f64 {
        (0..self.played.len()).map(|index| self.weight(index, span) * value(index)).sum()
    }
    fn mean(&self, span: f64, value: impl Fn(usize) -> f64) -> Option<f64> {
        (!self.played.is_empty()).then(|| self.sum(span, value) / self.sum(span, |_| 1.0))
    }
    fn rate(&self, span: f64, points: impl Fn(usize) -> f64) -> Option<f64> {
        let minutes = self.sum(span, |index| self.played[index].minutes());
        (!self.played.is_empty()).then(|| (self.sum(span, points) + 12.0) / (minutes + 30.0))
    }
    fn points(&self, index: usize) -> f64 {
        f64::from(self.played[index].stats.points)
    }
    /// The share of shots made before an appearance.
    fn share(&self, before: usize, prior: (f64, f64), shots: fn(&BoxScoreStats) -> (i32, i32)) -> f64 {
        let (mut made, mut attempted) = (prior.0 * prior.1, prior.1);
        for index in 0..before {
            let weight = 0.998f64.powi((before - 1 - index) as i32)
                * 0.85f64.powi(self.seasons_between(index, before));
            let (of_made, of_attempted) = shots(&self.played[index].stats);
            made += weight * f64::from(of_made);
            attempted += weight * f64::from(of_attempted);
        }
        made / attempted
    }
    fn luck_free(&self, index: usize) -> f64 {
        let stats = &self.played[index].stats;
        let threes = self.share(index, (0.355, 150.0), |stats| (stats.threes_made, stats.threes_attempted));
        let twos = self.share(index, (0.52, 120.0), |stats| {
            (stats.field_goals_made - stats.threes_made, stats.field_goals_attempted - stats.threes_attempted)
        });
        let free =
            self.share(index, (0.76, 30.0), |stats| (stats.free_throws_made, stats.free_throws_attempted));
        3.0 * threes * f64::from(stats.threes_attempted)
            + 2.0 * twos * f64::from(stats.field_goals_attempted - stats.threes_attempted)
            + free * f64::from(stats.free_throws_attempted)
    }
    /// The level of the minutes by precisions: the inverses of variances.
    fn minutes_level(&self) -> Option<f64> {
        let (mut level, mut variance) = (12.0, 120.0);
        for (index, played) in self.played.iter().enumerate() {
            let previous = index.checked_sub(1).map(|previous| &self.played[previous]);
            let days = previous.map_or(10, |previous| (played.date.0 - previous.date.0).min(30));
            let seasons = previous.map_or(0, |previous| i32::from(previous.season != played.season));
            let widened: f64 = variance + 2.5 + 0.15 * f64::from(days) + 40.0 * f64::from(seasons);
            let precision = 1.0 / widened + 1.0 / 36.0;
            level = (level / widened + played.minutes() / 36.0) / precision;
            variance = 1.0 / precision;
        }
        (!self.played.is_empty()).then_some(level)
    }
    fn of_season(&self) -> Vec<&Played> {
        self.played.iter().filter(|played| played.season == self.season).collect()
    }
    fn median(&self, value: fn(&Played) -> f64) -> Option<f64> {
        let mut values: Vec<f64> =
            self.of_season().iter().rev().take(10).map(|played| value(played)).collect();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => None,
            count if count % 2 == 1 => Some(values[count / 2]),
            count => Some((values[count / 2 - 1] + values[count / 2]) / 2.0),
        }
    }
    fn ppm_previous_season(&self) -> Option<f64> {
        let season = self.played.iter().map(|played| played.season).filter(|season| *season < self.season);
        let season = season.max()?;
        let of_season = || self.played.iter().filter(|played| played.season == season);
        let points: f64 = of_season().map(|played| f64::from(played.stats.points)).sum();
        Some(points / of_season().map(Played::minutes).sum::<f64>())
    }
    /// Returns the expected features of a game of Boston on a date.
    fn features(&self, date: EasternDate) -> Vec<(usize, Option<f64>)> {
        let season = self.of_season();
        let last_10 = season.iter().rev().take(10);
        let possessions: f64 = last_10.clone().map(|played| played.possessions()).sum();
        let with_team = self.played.iter().rev().take_while(|played| played.team == Team::BOS).count();
        let in_7_days = season.iter().filter(|played| (1..=7).contains(&(date.0 - played.date.0)));
        let minutes_7: f64 = in_7_days.map(|played| played.minutes()).sum();
        let used = |index: usize| self.played[index].possessions();
        let minutes = |index: usize| self.played[index].minutes();
        vec![
            (index::POINTS_EWMA_3, self.mean(3.0, |index| self.points(index))),
            (index::POINTS_EWMA_8, self.mean(8.0, |index| self.points(index))),
            (index::POINTS_EWMA_20, self.mean(20.0, |index| self.points(index))),
            (index::POINTS_EWMA_60, self.mean(60.0, |index| self.points(index))),
            (index::LUCK_FREE_POINTS_EWMA_3, self.mean(3.0, |index| self.luck_free(index))),
            (index::LUCK_FREE_POINTS_EWMA_8, self.mean(8.0, |index| self.luck_free(index))),
            (index::LUCK_FREE_POINTS_EWMA_20, self.mean(20.0, |index| self.luck_free(index))),
            (index::LUCK_FREE_POINTS_EWMA_60, self.mean(60.0, |index| self.luck_free(index))),
            (index::POSSESSIONS_USED_EWMA_3, self.mean(3.0, used)),
            (index::POSSESSIONS_USED_EWMA_8, self.mean(8.0, used)),
            (
                index::POSSESSIONS_USED_AVG_LAST_10,
                (!season.is_empty()).then(|| possessions / last_10.count() as f64),
            ),
            (index::MINUTES_EWMA_3, self.mean(3.0, minutes)),
            (index::MINUTES_EWMA_8, self.mean(8.0, minutes)),
            (index::MINUTES_EWMA_20, self.mean(20.0, minutes)),
            (index::MINUTES_LAST_GAME, season.last().map(|last| last.minutes())),
            (index::MINUTES_IN_LAST_7_DAYS, (!season.is_empty()).then_some(minutes_7)),
            (index::APPEARANCES_WITH_TEAM, Some(with_team as f64)),
            (index::PPM_EWMA_20, self.rate(20.0, |index| self.points(index))),
            (index::PPM_EWMA_60, self.rate(60.0, |index| self.points(index))),
            (index::LUCK_FREE_PPM_EWMA_20, self.rate(20.0, |index| self.luck_free(index))),
            (index::PPM_PREVIOUS_SEASON, self.ppm_previous_season()),
            (index::MINUTES_LEVEL, self.minutes_level()),
            (index::MINUTES_MEDIAN_LAST_10, self.median(Played::minutes)),
            (index::POINTS_MEDIAN_LAST_10, self.median(|played| f64::from(played.stats.points))),
        ]
    }
}

/// Applies an input without deriving rows.
fn apply(tables: &mut Tables, input: In) {
    let mut effects = Effects { invalidate: &mut |_| {}, retain: &mut |_, ()| {} };
    FeatureBuilder.apply(tables, input, &mut effects);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn the_form_of_a_player_equals_that_of_a_scan_of_all_games(
        games in prop::collection::vec(game(), 1..50),
        entries in prop::collection::vec((0..3u32, 0..60i32), 4),
    ) {
        let mut tables = Tables::default();
        let mut rows = BTreeMap::new();
        for (count, game) in games.iter().enumerate() {
            apply(&mut tables, game.input());
            rows.insert(game.id(), game.row());
            let (season, on) = entries[count % entries.len()];
            let entry = entry(season, on);
            for basis in [Basis::Issued, Basis::Retrospective] {
                let mut facts = tables.facts(&entry, basis).unwrap();
                let side = Side { team: Team::BOS, opponent: Team::UTA, born: None };
                facts.side = Some(side);
                let vector = vector::compute(&facts, side, Absences::default());
                for (index, expected) in Model::new(&rows, &entry, basis).features(entry.date) {
                    let is_equal = match (vector[index].value(), expected) {
                        (Some(value), Some(expected)) => (value - expected).abs() < 1e-9,
                        (value, expected) => value == expected,
                    };
                    let name = schemas::features::FEATURES[index];
                    prop_assert!(is_equal, "{name} {basis:?}: {:?}, not {expected:?}", vector[index]);
                }
            }
        }
    }
}

#[test]
fn a_player_without_appearances_has_no_form_and_one_from_another_season_has_no_form_of_this_one() {
    let tables = |games: &[Game]| {
        let mut tables = Tables::default();
        games.iter().for_each(|game| apply(&mut tables, game.input()));
        tables
    };
    let vector = |games: &[Game]| {
        let (tables, entry) = (tables(games), entry(2, 30));
        let facts = tables.facts(&entry, Basis::Issued).unwrap();
        let side = Side { team: Team::BOS, opponent: Team::UTA, born: None };
        vector::compute(&facts, side, Absences::default())
    };
    let stats = BoxScoreStats { playing_time: PlayingTime(1_200), points: 10, ..BoxScoreStats::default() };
    let game = Game {
        season: 1,
        day: 3,
        team: Team::NYK,
        is_cup_final: false,
        revisions: vec![(1, stats)],
        is_first_retracted: false,
    };
    let missing = |reason| Feature::Missing(reason);
    let nobody = vector(&[]);
    assert_eq!(nobody[index::POINTS_EWMA_60], missing(MissingReason::NoCareerAppearances));
    assert_eq!(nobody[index::PPM_PREVIOUS_SEASON], missing(MissingReason::NoEarlierSeason));
    assert_eq!(nobody[index::TEAM_GAMES_MISSED], missing(MissingReason::NoTeamAppearances));
    assert_eq!(nobody[index::MINUTES_ABSENT_CHANGE], missing(MissingReason::NoTeamGames));
    assert_eq!(nobody[index::APPEARANCES_WITH_TEAM], Feature::Value(0.0));
    let back = vector(&[game]);
    assert_eq!(back[index::POINTS_EWMA_60], Feature::Value(10.0));
    assert_eq!(back[index::PPM_PREVIOUS_SEASON], Feature::Value(0.5));
    assert_eq!(back[index::MINUTES_LAST_GAME], missing(MissingReason::NoAppearances));
}
