//! Tests of name lookups with the names of real seasons, among the players of two teams.
//!
//! Invariant: a test whose fixture files are missing is skipped and prints the path of the missing file.
//! Not here: single names and rules (`normal`, `rules`).
#![expect(clippy::disallowed_methods, reason = "the fixtures are read from files")]
use super::{Name, Resolution, decide, match_name, shipped_link};
use schemas::{
    identity::{NameRevision, NameRule},
    ids::PlayerId,
    team::Team,
    units::{EasternDate, Timestamp},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

const SEASONS: [&str; 7] = ["2018-19", "2019-20", "2020-21", "2021-22", "2022-23", "2023-24", "2024-25"];

/// Returns the uncompressed text of a fixture. If the file is missing, prints its path and returns `None`.
fn fixture(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    let bytes = if name.ends_with(".zst") { zstd::decode_all(&*bytes).unwrap() } else { bytes };
    Some(String::from_utf8(bytes).unwrap())
}

/// Returns the fields of a CSV line; a quoted field may contain commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}

struct Appearance {
    date: EasternDate,
    player: PlayerId,
    name: Name,
    team: Team,
}

/// Returns all appearances of a season, including playoffs.
fn appearances(season: &str) -> Option<Vec<Appearance>> {
    let table = fixture(&format!("tables/boxscores_{season}.csv.zst"))?;
    let appearance = |line: &str| {
        let row = fields(line);
        Appearance {
            date: row[3].parse().unwrap(),
            player: row[4].parse().unwrap(),
            name: Name::new(&row[5]),
            team: Team::from_source_name(&row[6]).unwrap(),
        }
    };
    Some(table.lines().skip(1).map(appearance).collect())
}

/// Returns the player of each bookmaker spelling that differs from nba.com's.
fn spellings() -> Option<BTreeMap<String, PlayerId>> {
    let books = fixture("tables/player_spellings.csv")?;
    Some(books.lines().skip(1).map(fields).map(|row| (row[0].clone(), row[1].parse().unwrap())).collect())
}

/// Returns the player of each nba.com spelling.
fn official_spellings() -> Option<BTreeMap<String, PlayerId>> {
    let players = fixture("tables/players.csv")?;
    Some(players.lines().skip(1).map(fields).map(|row| (row[1].clone(), row[0].parse().unwrap())).collect())
}

/// The known names of one team, by player and normalized name.
type KnownNames<'a> = BTreeMap<(PlayerId, &'a str), &'a Name>;

fn team_match(name: &Name, known_names: &KnownNames) -> NameRevision {
    let matched = match_name(name, known_names.iter().map(|((player, _), name)| (*player, *name)));
    let (rule, players) = matched.map_or((None, Vec::new()), |(rule, players)| (Some(rule), players));
    NameRevision { known_at: Timestamp(0), rule, players, link: shipped_link(name), operator_link: None }
}

fn resolve(name: &Name, teams: [&KnownNames; 2]) -> Resolution {
    let [home, away] = teams.map(|known_names| team_match(name, known_names));
    decide(None, &[&home, &away]).resolution
}

fn known_names_by_team(season: &[Appearance]) -> BTreeMap<Team, KnownNames<'_>> {
    let mut known_names: BTreeMap<Team, KnownNames> = BTreeMap::new();
    for appearance in season {
        let key = (appearance.player, appearance.name.key());
        known_names.entry(appearance.team).or_default().insert(key, &appearance.name);
    }
    known_names
}

/// Returns an arbitrary opponent, which is always the same for a team.
fn opponent_of(team: Team) -> Team {
    let index = Team::ALL.iter().position(|candidate| *candidate == team).unwrap();
    Team::ALL[(index + 7) % Team::ALL.len()]
}

#[test]
fn every_spelling_of_a_player_resolves_to_that_player_in_each_of_the_players_teams() {
    let (Some(spellings), Some(official)) = (spellings(), official_spellings()) else { return };
    let mut resolved = BTreeSet::new();
    let mut wrong = Vec::new();
    for season in SEASONS {
        let appearances = appearances(season).unwrap();
        let by_team = known_names_by_team(&appearances);
        for (spelling, player) in spellings.iter().chain(&official) {
            let name = Name::new(spelling);
            for (team, known_names) in &by_team {
                if known_names.keys().all(|(known_player, _)| known_player != player) {
                    continue;
                }
                resolved.insert(spelling);
                match resolve(&name, [known_names, &by_team[&opponent_of(*team)]]) {
                    Resolution::Player(found, _) if found == *player => {}
                    otherwise => wrong.push(format!("{season} {team} {spelling} ({player}): {otherwise:?}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(resolved.len(), spellings.keys().chain(official.keys()).collect::<BTreeSet<_>>().len());
}

#[test]
fn no_compiled_in_link_is_a_spelling_that_the_rules_match() {
    let Some(official) = official_spellings() else { return };
    let ids: BTreeSet<PlayerId> = official.values().copied().collect();
    for line in include_str!("../../links.jsonl").lines() {
        let link: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = Name::new(link["spelling"].as_str().unwrap());
        let player = shipped_link(&name).unwrap();
        assert!(ids.contains(&player), "{line}");
        let known_names = official.iter().filter(|(_, official_player)| **official_player == player);
        let known_names: Vec<_> =
            known_names.map(|(spelling, player)| (*player, Name::new(spelling))).collect();
        let matched = match_name(&name, known_names.iter().map(|(player, name)| (*player, name)));
        assert_eq!(matched, None, "{line}");
    }
}

#[test]
fn every_name_that_books_wrote_in_2024_resolves_from_earlier_box_scores_alone() {
    let (Some(spellings), Some(official)) = (spellings(), official_spellings()) else { return };
    let appearances = appearances("2023-24").unwrap();
    let events = fixture("events/2023-24.jsonl.zst").unwrap();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in events.lines().filter(|line| line.contains("\"oddsapi\"")) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let payload = &event["payload"];
        let team = |side: &str| Team::from_source_name(payload[side].as_str().unwrap()).unwrap();
        let commence: Timestamp = payload["commence_time"].as_str().unwrap().parse().unwrap();
        let date = commence.eastern_date();
        let earlier = [team("home_team"), team("away_team")].map(|team| {
            let appearances = appearances.iter().filter(|a| a.team == team && a.date < date);
            appearances.map(|a| ((a.player, a.name.key()), &a.name)).collect::<KnownNames>()
        });
        let list = |object: &serde_json::Value, key: &str| object[key].as_array().unwrap().clone();
        let names: BTreeSet<String> = list(payload, "bookmakers")
            .iter()
            .flat_map(|book| list(book, "markets"))
            .flat_map(|market| list(&market, "outcomes"))
            .map(|outcome| outcome["description"].as_str().unwrap().to_owned())
            .collect();
        for written in names {
            let expected = spellings.get(&written).or_else(|| official.get(&written));
            match resolve(&Name::new(&written), [&earlier[0], &earlier[1]]) {
                Resolution::Player(player, rule) => {
                    *count.entry(rule.name()).or_default() += 1;
                    if expected != Some(&player) {
                        wrong.push(format!("{date} {written}: found {player}, expected {expected:?}"));
                    }
                }
                otherwise => wrong.push(format!("{date} {written} ({expected:?}): {otherwise:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{count:?} {wrong:#?}");
    let by_rule = NameRule::ALL.map(|rule| count.get(rule.name()).copied().unwrap_or_default());
    assert_eq!(by_rule, [4_688, 112, 9, 67, 18]);
}
