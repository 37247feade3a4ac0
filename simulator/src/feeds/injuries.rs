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

/// One report: its day and time in New York, as its metadata states them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub date: EasternDate,
    /// 0–23.
    pub hour: i8,
    /// 0–59; `None` if reports are published once an hour. Then the metadata have no minute.
    pub minute: Option<i8>,
    /// Share of the teams that have not submitted their part of the report.
    pub not_submitted: f64,
}

/// Returns a report on the games of its day.
pub(crate) fn payload(world: &World<'_>, report: Report, games: &[(&Game, Evening)]) -> Value {
    let Report { date, hour, minute, .. } = report;
    let records: Vec<Value> = games
        .iter()
        .flat_map(|(game, _)| [game.away, game.home].map(|team| (*game, team)))
        .flat_map(|(game, team)| records(world, report, game, team))
        .collect();
    let count = |status: &str| records.iter().filter(|record| record["status"] == status).count();
    let period = if hour < 12 { "AM" } else { "PM" };
    let mut payload = json!({
        "metadata": {
            "gamedate": date.to_string().replace('-', ""),
            "hour": format!("{:02}", (hour + 11) % 12 + 1),
            "period": period,
            "hour24": hour.to_string(),
            "season": world.season.name(),
            "scrape_time": format!("{hour:02}-{:02}-00", minute.unwrap_or(35)),
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
    });
    if let Some(minute) = minute {
        payload["metadata"]["minute"] = json!(format!("{minute:02}"));
    }
    payload
}

fn records(world: &World<'_>, report: Report, game: &Game, team: Team) -> Vec<Value> {
    let Report { date, hour, minute, not_submitted } = report;
    let squad = world.league.squad(team, date);
    let record = |player: String, status: &str, reason: &str| {
        json!({
            "date": format!("{:02}/{:02}/{}", date.civil().month(), date.civil().day(), date.civil().year()),
            "gametime": format!("{:02}:{:02} (ET)", (game.clock.0 + 11) % 12 + 1, game.clock.1),
            "matchup": format!("{}@{}", game.away, game.home),
            "team": team.code(),
            "player": player,
            "status": status,
            "reason": reason,
            "confidence": 1.0,
        })
    };
    let subject = [date.0 as u64, team as u64, hour as u64, minute.unwrap_or(0) as u64];
    if Random::for_decision(world.season.seed, Decision::NotSubmitted, &subject).chance(not_submitted) {
        return vec![record(String::new(), "", "NOT YET SUBMITTED")];
    }
    let name = |player: &Player| format!("{}, {}", player.name.last_with_suffix(), player.name.first);
    let absent = squad.absent.iter().map(|(player, absence)| {
        let is_doubtful = absence.from == date && hour < 12 && game.clock.0 >= 17;
        record(name(player), if is_doubtful { "Doubtful" } else { "Out" }, absence.reason)
    });
    let listed = squad.available.iter().filter_map(|player| {
        // Reports that are published every few minutes change a status within the day, but never to "Out".
        let mut subject = vec![date.0 as u64, player.index as u64];
        subject.extend(minute.map(|_| hour as u64 / 2));
        let mut random = Random::for_decision(world.season.seed, Decision::Report, &subject);
        let status = random.pick(&["Questionable", "Questionable", "Probable", "Available"]);
        random.chance(0.06).then(|| record(name(player), status, "Injury/Illness - Left Wrist; Soreness"))
    });
    absent.chain(listed).collect()
}
