//! Finds the candidate that a command names: by id or name, date and, if needed, game.
//!
//! Invariant: if there is not exactly one such candidate, the error lists those that may be meant.
//! Not here: what the prediction was made from (`lineage`).
use crate::usage_error::UsageError;
use anyhow::Result;
use processors::names::Name;
use runtime::{LogBackend, inspect};
use schemas::{EasternDate, GameId, PlayerId, features::Features};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of similar names, or of dates, that an error lists.
const MAX_LISTED: usize = 5;
/// Minimum similarity (Jaro-Winkler) of names that are listed as similar.
const MIN_SIMILARITY: f64 = 0.85;

/// Finds the features of a player, by id or name, for a game on a date.
pub fn find_features(
    log: &mut dyn LogBackend,
    player: &str,
    date: EasternDate,
    game: Option<GameId>,
) -> Result<Features> {
    let name = Name::new(player);
    let id: Option<PlayerId> = player.parse().ok();
    let is_wanted =
        |row: &Features| id.map_or_else(|| Name::new(&row.name).key() == name.key(), |id| row.player == id);
    let rows = inspect::table(log, &topics::FEATURES, |_| true)?;
    let mut found: Vec<&Features> = rows.iter().filter(|row| row.date == date && is_wanted(row)).collect();
    let players: BTreeMap<PlayerId, &str> = found.iter().map(|row| (row.player, row.name.as_str())).collect();
    if players.len() > 1 {
        return Err(UsageError::new(
            format!(
                "'{player}' is the name of several candidates of {date}: {}",
                list(players.iter().map(|(id, name)| (*id, *name)))
            ),
            "use the id instead of the name",
        )
        .into());
    }
    let games: Vec<String> = found.iter().map(|row| row.game.to_string()).collect();
    if let Some(game) = game {
        found.retain(|row| row.game == game);
    }
    match (found.as_slice(), game) {
        ([features], _) => Ok((*features).clone()),
        ([], Some(game)) if !games.is_empty() => Err(UsageError::new(
            format!("'{player}' is no candidate of game {game}, but of {} on {date}", games.join(" and ")),
            format!("`--game {}`", games[0]),
        )
        .into()),
        ([], _) => Err(unknown(&rows, player, date, is_wanted)),
        _ => Err(UsageError::new(
            format!("'{player}' is a candidate of several games on {date}: {}", games.join(", ")),
            format!("`fastbreak explain \"{player}\" {date} --game {}`", games[0]),
        )
        .into()),
    }
}

fn list<'a>(players: impl ExactSizeIterator<Item = (PlayerId, &'a str)>) -> String {
    let others = if players.len() > MAX_LISTED { " and others" } else { "" };
    let listed: Vec<String> = players.take(MAX_LISTED).map(|(id, name)| format!("{name} ({id})")).collect();
    listed.join(", ") + others
}

/// Returns the players whose names are similar to a text or have it as a part, most similar first.
fn similar_names<'a>(players: &BTreeMap<PlayerId, &'a str>, written: &str) -> Vec<(PlayerId, &'a str)> {
    let wanted = written.to_lowercase();
    let similarity = |name: &str| {
        let name = name.to_lowercase();
        let has_part = name.split_whitespace().any(|part| part == wanted);
        if has_part { 1.0 } else { strsim::jaro_winkler(&name, &wanted) }
    };
    let scored = players.iter().map(|(id, name)| (similarity(name), *id, *name));
    let mut similar: Vec<_> = scored.filter(|(score, ..)| *score >= MIN_SIMILARITY).collect();
    similar.sort_by(|(first, ..), (second, ..)| second.total_cmp(first));
    similar.into_iter().map(|(_, id, name)| (id, name)).collect()
}

/// Returns the error for a player who is no candidate of the date, with the dates on which the player is one, or else with candidates of
/// the date who have similar names.
fn unknown(
    rows: &[Features],
    player: &str,
    date: EasternDate,
    is_wanted: impl Fn(&Features) -> bool,
) -> anyhow::Error {
    let dates: BTreeSet<EasternDate> = rows.iter().filter(|row| is_wanted(row)).map(|row| row.date).collect();
    let before = dates.range(..date).next_back();
    let after = dates.range(date..).next();
    let nearest: Vec<String> = before.into_iter().chain(after).map(ToString::to_string).collect();
    if !nearest.is_empty() {
        return UsageError::new(
            format!("'{player}' is no candidate on {date}, but on {}", nearest.join(" and ")),
            format!("`fastbreak explain \"{player}\" {}`, or `fastbreak status {date}` shows the games of the date", nearest[0]),
        )
        .into();
    }
    let on_date: BTreeMap<PlayerId, &str> =
        rows.iter().filter(|row| row.date == date).map(|row| (row.player, row.name.as_str())).collect();
    let similar = similar_names(&on_date, player);
    let (reason, next) = match (similar.first(), on_date.len()) {
        (Some((id, _)), _) => (
            format!(
                "'{player}' is no candidate on {date}; similar names are {}",
                list(similar.iter().copied())
            ),
            format!("`fastbreak explain {id} {date}`"),
        ),
        (None, 0) => (
            format!("there are no candidates on {date}"),
            format!("`fastbreak status {date}` shows the games of the date"),
        ),
        (None, count) => (
            format!("'{player}' is none of the {count} candidates on {date}, and no name is similar"),
            format!("`fastbreak coverage {date} --players` lists the candidates"),
        ),
    };
    UsageError::new(reason, next).into()
}
