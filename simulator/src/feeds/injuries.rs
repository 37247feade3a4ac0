//! nbacom/injury-report: the JSON that a scraper parses from the PDF.
//!
//! Invariant: in the last report before tip-off, a player who is absent is listed as out, and a player who plays is not listed as out.
//! Names are written "Last, First".
//! Not here: the absences (`league`).
use crate::{
    calendar::{Evening, Game},
    league::Player,
    random::{Decision, Random},
    world::World,
};
use schemas::{EasternDate, Team};
use serde_json::{Value, json};

const STATUSES: [&str; 5] = ["Out", "Questionable", "Doubtful", "Probable", "Available"];

/// Returns the report published at an hour (0–23) on the games of a day.
pub(crate) fn payload(world: &World<'_>, date: EasternDate, hour: i8, games: &[(&Game, Evening)]) -> Value {
    let records: Vec<Value> = games
        .iter()
        .flat_map(|(game, _)| [game.away, game.home].map(|team| (*game, team)))
        .flat_map(|(game, team)| records(world, date, hour, game, team))
        .collect();
    let count = |status: &str| records.iter().filter(|record| record["status"] == status).count();
    let period = if hour < 12 { "AM" } else { "PM" };
    json!({
        "metadata": {
            "gamedate": date.to_string().replace('-', ""),
            "hour": format!("{:02}", (hour + 11) % 12 + 1),
            "period": period,
            "hour24": hour.to_string(),
            "season": world.season.name(),
            "scrape_time": format!("{hour:02}-35-00"),
            "run_id": format!("{:08x}", date.0 * 24 + i32::from(hour)),
        },
        "parsing_stats": {
            "total_records": records.len(),
            "overall_confidence": 1.0,
            "status_counts":
                STATUSES.iter().map(|status| ((*status).to_owned(), json!(count(status)))).collect::<serde_json::Map<_, _>>(),
            "confidence_distribution": {"100%": records.len()},
            "parsing_stats": {
                "total_lines": 20 + records.len(), "player_lines": records.len(), "merged_multiline": 0,
                "unparsed_count": 0, "confidence_distribution": {},
            },
            "unparsed_lines_sample": [],
        },
        "records": records,
    })
}

fn records(world: &World<'_>, date: EasternDate, hour: i8, game: &Game, team: Team) -> Vec<Value> {
    let squad = world.league.squad(team, date);
    let record = |player: &Player, status: &str, reason: &str| {
        json!({
            "date": format!("{:02}/{:02}/{}", date.civil().month(), date.civil().day(), date.civil().year()),
            "gametime": format!("{:02}:{:02} (ET)", (game.clock.0 + 11) % 12 + 1, game.clock.1),
            "matchup": format!("{}@{}", game.away, game.home),
            "team": team.code(),
            "player": format!("{}, {}", player.name.last_with_suffix(), player.name.first),
            "status": status,
            "reason": reason,
            "confidence": 1.0,
        })
    };
    let absent = squad.absent.iter().map(|(player, absence)| {
        let is_doubtful = absence.from == date && hour < 12 && game.clock.0 >= 17;
        record(player, if is_doubtful { "Doubtful" } else { "Out" }, absence.reason)
    });
    let listed = squad.available.iter().filter_map(|player| {
        let subject = [date.0 as u64, player.index as u64];
        let mut random = Random::for_decision(world.season.seed, Decision::Report, &subject);
        let status = random.pick(&["Questionable", "Questionable", "Probable", "Available"]);
        random.chance(0.06).then(|| record(player, status, "Injury/Illness - Left Wrist; Soreness"))
    });
    absent.chain(listed).collect()
}
