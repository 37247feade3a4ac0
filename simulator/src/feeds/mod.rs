//! The payloads, in the shape of each source.
//!
//! Invariant: the payloads have the keys of the real payloads, and the same irregularities: local times that end with a Z as if they were
//! UTC, null and zero for the same fact, and team codes that differ from source to source.
//! Not here: the fetches and their faults (`fetches`).
pub(crate) mod balldontlie;
pub(crate) mod gamelog;
pub(crate) mod injuries;
pub(crate) mod odds;
pub(crate) mod people;
pub(crate) mod schedule;
mod shooting;

use schemas::raw::Feed;
use serde_json::{Value, json};

/// Returns an empty response: the payload with its list of rows emptied. `None` for a feed that has no empty responses.
pub(crate) fn emptied(feed: Feed, payload: &str) -> Option<String> {
    let list = match feed {
        Feed::NbacomSchedule => "/leagueSchedule/gameDates",
        Feed::NbacomLeaguegamelog | Feed::NbacomPlayerList => "/resultSets/0/rowSet",
        Feed::NbacomInjuryReport => "/records",
        Feed::BalldontlieStats | Feed::BalldontlieBoxScores => "/data",
        Feed::EspnRoster => "/team/athletes",
        Feed::OddsapiEventOdds => "/bookmakers",
        Feed::OperatorIdentityLinks
        | Feed::NbacomBoxscore
        | Feed::NbacomGamebook
        | Feed::EspnBoxscore
        | Feed::EspnSummary
        | Feed::BalldontlieLiveBoxScores => return None,
    };
    let mut payload: Value = serde_json::from_str(payload).ok()?;
    *payload.pointer_mut(list)? = json!([]);
    Some(payload.to_string())
}
