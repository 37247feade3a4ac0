//! espn/summary: ESPN's summary of one game. Only its box score is read.
//!
//! Invariant: a box score is final only if the status of the game is completed. The date is the Eastern day of the tip-off. The columns are
//! found by their keys, whatever their order.
//! Not here: odds, injuries, plays and officials, which stay in the raw payload; ESPN's player ids, which are not used.
use super::{
    cell::Cell,
    dates,
    espn_box_score::{TEXTS, stats},
    json::{Object, parse_payload, parse_row},
    loaded::{Loaded, Reject},
    single_game::{SingleGame, two_teams},
};
use schemas::{
    observation::{BoxMember, PlayerRef},
    raw::RawEvent,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Summary<'a> {
    #[serde(borrow)]
    boxscore: Object<BoxScore<'a>>,
    #[serde(borrow)]
    header: Object<Header<'a>>,
}
#[derive(Deserialize)]
struct BoxScore<'a> {
    /// The lists of both teams; `None` before the game.
    #[serde(borrow)]
    players: Option<Vec<Object<Side<'a>>>>,
}
#[derive(Deserialize)]
struct Side<'a> {
    #[serde(borrow)]
    team: Object<TeamRef<'a>>,
    #[serde(borrow)]
    statistics: Vec<Object<Table<'a>>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct TeamRef<'a> {
    #[serde(borrow)]
    abbreviation: Cell<'a>,
}
#[derive(Deserialize)]
struct Table<'a> {
    keys: Vec<String>,
    #[serde(borrow)]
    athletes: Vec<&'a RawValue>,
}
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    competitions: Vec<Object<Competition<'a>>>,
}
#[derive(Deserialize)]
struct Competition<'a> {
    #[serde(borrow, default)]
    date: Cell<'a>,
    #[serde(borrow)]
    status: Object<Status<'a>>,
    #[serde(borrow)]
    competitors: Vec<Object<Competitor<'a>>>,
}
#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow, rename = "type")]
    kind: Object<StatusType<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusType<'a> {
    #[serde(borrow)]
    state: Cell<'a>,
    #[serde(borrow)]
    completed: Cell<'a>,
}
#[derive(Deserialize)]
struct Competitor<'a> {
    #[serde(borrow)]
    team: Object<TeamRef<'a>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Athlete<'a> {
    #[serde(borrow)]
    athlete: Object<Person<'a>>,
    #[serde(borrow)]
    did_not_play: Cell<'a>,
    #[serde(borrow)]
    stats: Option<Vec<Cell<'a>>>,
}
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Person<'a> {
    #[serde(borrow)]
    display_name: Cell<'a>,
}

/// The keys of the columns, in the order of `espn_box_score::LABELS`.
const KEYS: [&str; TEXTS] = [
    "minutes",
    "fieldGoalsMade-fieldGoalsAttempted",
    "threePointFieldGoalsMade-threePointFieldGoalsAttempted",
    "freeThrowsMade-freeThrowsAttempted",
    "offensiveRebounds",
    "defensiveRebounds",
    "rebounds",
    "assists",
    "steals",
    "blocks",
    "turnovers",
    "fouls",
    "plusMinus",
    "points",
];

pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let summary: Summary = parse_payload(&raw.payload)?;
    let mut loaded = Loaded::default();
    let mut game = game(&summary.header)?;
    let sides = match &summary.boxscore.players {
        Some(sides) => &sides[..],
        None if game.is_none() => &[],
        None => {
            let reason = "boxscore.players: found nothing, expected the lists of both teams";
            return Err(Reject::bad_payload(reason));
        }
    };
    for (index, side) in sides.iter().enumerate() {
        let at_side = |reason: String| Reject::bad_payload(format!("boxscore.players[{index}].{reason}"));
        let table = one(&side.statistics, "statistics").map_err(at_side)?;
        let Some(game) = &mut game else {
            loaded.count_out_of_scope(table.athletes.len());
            continue;
        };
        let team = game.team(&side.team.abbreviation, "team.abbreviation").map_err(at_side)?;
        let columns = columns(&table.keys).map_err(at_side)?;
        for row in &table.athletes {
            let member =
                parse_row::<Athlete>(row).and_then(|athlete| member(athlete, &columns, table.keys.len()));
            game.add(row, Ok(team), member, &mut loaded);
        }
    }
    if let Some(game) = game {
        game.box_scores.publish_with_lookups(raw, true, &mut loaded);
    }
    Ok(loaded)
}

/// Returns the only element of a list.
fn one<'l, T>(list: &'l [T], field: &str) -> Result<&'l T, String> {
    let [only] = list else { return Err(format!("{field}: found {} elements, expected one", list.len())) };
    Ok(only)
}

/// Decodes the game; `None` if it has not started, or if a team is a known team that is not an NBA team.
fn game(header: &Header) -> Result<Option<SingleGame>, Reject> {
    let in_header = |reason: String| Reject::bad_payload(format!("header.{reason}"));
    let competition = one(&header.competitions, "competitions").map_err(in_header)?;
    let in_game = |reason: String| Reject::bad_payload(format!("header.competitions[0].{reason}"));
    let StatusType { state, completed } = &*competition.status.kind;
    let has_started = match state.text("status.type.state").map_err(in_game)? {
        "pre" => false,
        "in" | "post" => true,
        _ => return Err(in_game(state.type_error("status.type.state", "pre, in or post"))),
    };
    let is_final = match completed {
        Cell::Bool(completed) => *completed,
        cell => return Err(in_game(cell.type_error("status.type.completed", "true or false"))),
    };
    let [first, second] = &competition.competitors[..] else {
        let count = competition.competitors.len();
        return Err(in_game(format!("competitors: found {count} elements, expected two")));
    };
    let teams = [(first, "competitors[0].team.abbreviation"), (second, "competitors[1].team.abbreviation")];
    let [first, second] = teams.map(|(competitor, field)| (&competitor.team.0.abbreviation, field));
    let teams = two_teams(first, second).map_err(in_game)?;
    let Some(teams) = teams.filter(|_| has_started) else { return Ok(None) };
    let date = dates::instant(&competition.date, "date").map_err(in_game)?.eastern_date();
    Ok(Some(SingleGame::new(None, date, teams, is_final)))
}

/// Returns the position of each column.
fn columns(keys: &[String]) -> Result<[usize; TEXTS], String> {
    let mut columns = [0; TEXTS];
    for (column, key) in columns.iter_mut().zip(KEYS) {
        let mut positions = keys.iter().enumerate().filter(|(_, found)| *found == key);
        *column = match (positions.next(), positions.next()) {
            (Some((position, _)), None) => position,
            (first, _) => {
                let found = if first.is_none() { "found no" } else { "found more than one" };
                return Err(format!(
                    "statistics[0].keys: {found} {key:?}, expected one column with this key"
                ));
            }
        };
    }
    Ok(columns)
}

fn member(athlete: Athlete, columns: &[usize; TEXTS], width: usize) -> Result<BoxMember, String> {
    let name = athlete.athlete.display_name.text("athlete.displayName")?.to_owned();
    let player = PlayerRef { name, nba: None };
    let texts = athlete.stats.ok_or("stats: found nothing, expected a list of texts")?;
    let did_not_play = match &athlete.did_not_play {
        Cell::Absent | Cell::Null => false,
        Cell::Bool(did_not_play) => *did_not_play,
        cell => return Err(cell.type_error("didNotPlay", "true or false")),
    };
    if did_not_play || texts.is_empty() {
        return Ok(BoxMember { player, stats: None });
    }
    if texts.len() != width {
        return Err(format!("stats: found {} elements, expected {width}, one for each key", texts.len()));
    }
    let texts = columns.map(|column| texts.get(column).cloned().unwrap_or_default());
    Ok(BoxMember { player, stats: stats(&texts)? })
}
