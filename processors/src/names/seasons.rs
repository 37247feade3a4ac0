//! The names of real seasons, asked of the teams that played them. Skipped where the fixtures are not at hand.
#![expect(clippy::disallowed_methods, reason = "fixtures are files")]
use super::{Name, Resolution, decide, recognise, shipped_link};
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

/// A fixture's text, unpacked; `None`, said aloud, where fixtures are not at hand.
fn fixture(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let bytes = if name.ends_with(".zst") { zstd::decode_all(&*bytes).unwrap() } else { bytes };
    Some(String::from_utf8(bytes).unwrap())
}

/// The fields of a CSV line; a quoted field may hold commas.
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

/// Who appeared for whom, playoffs too.
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

/// How books spell players, where not as nba.com does.
fn spellings() -> Option<BTreeMap<String, PlayerId>> {
    let books = fixture("tables/player_spellings.csv")?;
    Some(books.lines().skip(1).map(fields).map(|row| (row[0].clone(), row[1].parse().unwrap())).collect())
}

/// How nba.com spells every player.
fn official() -> Option<BTreeMap<String, PlayerId>> {
    let players = fixture("tables/players.csv")?;
    Some(players.lines().skip(1).map(fields).map(|row| (row[1].clone(), row[0].parse().unwrap())).collect())
}

/// Whom a team knows, by each spelling.
type Known<'a> = BTreeMap<(PlayerId, &'a str), &'a Name>;

fn answer(asked: &Name, known: &Known) -> NameRevision {
    let recognised = recognise(asked, known.iter().map(|((player, _), name)| (*player, *name)));
    let (rule, players) = recognised.map_or((None, Vec::new()), |(rule, players)| (Some(rule), players));
    NameRevision { known_at: Timestamp(0), rule, players, link: shipped_link(asked) }
}

fn ask(asked: &Name, teams: [&Known; 2]) -> Resolution {
    decide(teams.map(|known| answer(asked, known)).iter())
}

fn rosters(season: &[Appearance]) -> BTreeMap<Team, Known<'_>> {
    let mut rosters: BTreeMap<Team, Known> = BTreeMap::new();
    for a in season {
        rosters.entry(a.team).or_default().insert((a.player, a.name.key()), &a.name);
    }
    rosters
}

/// An opponent, the same one every time.
fn other(team: Team) -> Team {
    let at = Team::ALL.iter().position(|t| *t == team).unwrap();
    Team::ALL[(at + 7) % Team::ALL.len()]
}

#[test]
fn every_spelling_of_a_player_resolves_to_him_at_each_of_his_teams() {
    let (Some(spellings), Some(official)) = (spellings(), official()) else { return };
    let mut asked = BTreeSet::new();
    let mut wrong = Vec::new();
    for season in SEASONS {
        let appearances = appearances(season).unwrap();
        let rosters = rosters(&appearances);
        for (spelling, player) in spellings.iter().chain(&official) {
            let name = Name::new(spelling);
            for (team, known) in rosters.iter().filter(|(_, known)| known.keys().any(|(p, _)| p == player)) {
                asked.insert(spelling);
                match ask(&name, [known, &rosters[&other(*team)]]) {
                    Resolution::Player(found, _) if found == *player => {}
                    otherwise => wrong.push(format!("{season} {team} {spelling} ({player}): {otherwise:?}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked.len(), spellings.keys().chain(official.keys()).collect::<BTreeSet<_>>().len());
}

#[test]
fn no_shipped_link_says_what_the_rules_would() {
    let Some(official) = official() else { return };
    let ids: BTreeSet<PlayerId> = official.values().copied().collect();
    for line in include_str!("../../links.jsonl").lines() {
        let link: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = Name::new(link["spelling"].as_str().unwrap());
        let player = shipped_link(&name).unwrap();
        assert!(ids.contains(&player), "{line}");
        let known: Vec<_> =
            official.iter().filter(|(_, p)| **p == player).map(|(n, p)| (*p, Name::new(n))).collect();
        assert_eq!(recognise(&name, known.iter().map(|(p, n)| (*p, n))), None, "{line}");
    }
}

#[test]
fn every_name_that_books_wrote_in_2024_resolves_from_earlier_box_lines_alone() {
    let (Some(spellings), Some(official)) = (spellings(), official()) else { return };
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
            let lines = appearances.iter().filter(|a| a.team == team && a.date < date);
            lines.map(|a| ((a.player, a.name.key()), &a.name)).collect::<Known>()
        });
        let list = |of: &serde_json::Value, key: &str| of[key].as_array().unwrap().clone();
        let names: BTreeSet<String> = list(payload, "bookmakers")
            .iter()
            .flat_map(|book| list(book, "markets"))
            .flat_map(|market| list(&market, "outcomes"))
            .map(|outcome| outcome["description"].as_str().unwrap().to_owned())
            .collect();
        for written in names {
            let truth = spellings.get(&written).or_else(|| official.get(&written));
            match ask(&Name::new(&written), [&earlier[0], &earlier[1]]) {
                Resolution::Player(found, rule) => {
                    *count.entry(rule.name()).or_default() += 1;
                    if truth != Some(&found) {
                        wrong.push(format!("{date} {written}: {found} instead of {truth:?}"));
                    }
                }
                otherwise => wrong.push(format!("{date} {written} ({truth:?}): {otherwise:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{count:?} {wrong:#?}");
    let by_rule = NameRule::ALL.map(|rule| count.get(rule.name()).copied().unwrap_or_default());
    assert_eq!(by_rule, [4_688, 112, 9, 67, 18]);
}
