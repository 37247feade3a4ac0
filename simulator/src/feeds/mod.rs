//! The payloads: what each source answers, in its own shape.
//!
//! Invariant: the keys are the real ones, and quirks are kept: a false Z, null and zero for the same thing, codes of their own.
//! Not here: when something is fetched and what goes wrong with it (`season`).
pub(crate) mod balldontlie;
pub(crate) mod gamelog;
pub(crate) mod injuries;
pub(crate) mod odds;
pub(crate) mod people;
pub(crate) mod schedule;

use schemas::raw::Feed;
use serde_json::{Value, json};

/// The same answer with nothing in it; `None` where a source cannot answer so.
pub(crate) fn emptied(feed: Feed, payload: &str) -> Option<String> {
    let list = match feed {
        Feed::NbacomSchedule => "/leagueSchedule/gameDates",
        Feed::NbacomLeaguegamelog | Feed::NbacomPlayerList => "/resultSets/0/rowSet",
        Feed::NbacomInjuryReport => "/records",
        Feed::BalldontlieStats | Feed::BalldontlieBoxScores => "/data",
        Feed::EspnRoster => "/team/athletes",
        Feed::OddsapiEventOdds => "/bookmakers",
        Feed::OperatorIdentityLinks => return None,
    };
    let mut payload: Value = serde_json::from_str(payload).ok()?;
    *payload.pointer_mut(list)? = json!([]);
    Some(payload.to_string())
}

/// Made of attempted, rounded to so many decimals; `None` when nothing was attempted.
fn share(made: i32, attempted: i32, decimals: i32) -> Option<f64> {
    let scale = 10f64.powi(decimals);
    (attempted > 0).then(|| (f64::from(made) / f64::from(attempted) * scale).round() / scale)
}
