//! The loaders: decode a raw payload into the observations that its source reported, with the source's own ids and names.
//!
//! Invariant: a payload that can be decoded is applied; each bad row in it becomes a dead letter with its bytes and a reason. It affects no
//! other row, and makes only the list incomplete to which it belongs. No input causes a panic. A list without members is not published,
//! because no source uses it to report that a team has no players; the only exception is an injury report that a team has not submitted.
//! A team is one of the thirty, a known other team (its rows are counted as out of scope) or unknown (its row is bad), alike in every feed.
//! Every date is an Eastern date from 1900 to 2199, and no feed's date is ambiguous (the header of each loader states why), so a fact
//! belongs to the game of its own date.
//! Not here: the player to whom a name refers (name resolver), the game to which a date refers (games view).
mod balldontlie;
mod balldontlie_box_scores;
mod balldontlie_stats;
mod box_scores;
mod cell;
mod dates;
mod espn_box_score;
mod espn_boxscore;
mod espn_roster;
mod espn_summary;
mod fetch_time;
mod incomplete;
mod json;
mod lists;
mod loaded;
mod minutes;
mod nbacom_boxscore;
mod nbacom_boxscore_tables;
mod nbacom_gamebook;
mod nbacom_injury_report;
mod nbacom_leaguegamelog;
mod nbacom_player_list;
mod nbacom_schedule;
mod oddsapi_event_odds;
mod operator_identity_links;
mod other_teams;
mod player_name;
mod prices;
mod quotes;
mod report_time;
mod request_day;
mod request_time;
mod result_set;
mod single_game;

use schemas::raw::{Feed, FetchOutcome, RawEvent};

pub use fetch_time::check_fetch_time;
pub use json::{JsonError, parse_json};
pub use loaded::{BadRow, Loaded, Observation, Reject, VERSION};

/// Decodes one raw event with the loader of its feed.
///
/// A failed fetch has no content. If the scraper reported that there was nothing to fetch (empty, not yet, postponed), a payload that
/// cannot be decoded is not an error; if it can be decoded, its rows are used, but its lists count as incomplete.
///
/// A retraction has the same observations as the event that it retracts, with the retraction in their provenance. It has no bad rows and is
/// never rejected, because the dead letters were published when the retracted event was loaded.
///
/// # Errors
/// If the payload of a complete or partial fetch can never be decoded.
pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let decode = match raw.feed {
        Feed::NbacomSchedule => nbacom_schedule::load,
        Feed::NbacomLeaguegamelog => nbacom_leaguegamelog::load,
        Feed::NbacomPlayerList => nbacom_player_list::load,
        Feed::NbacomInjuryReport => nbacom_injury_report::load,
        Feed::BalldontlieStats => balldontlie_stats::load,
        Feed::NbacomBoxscore => nbacom_boxscore::load,
        Feed::NbacomGamebook => nbacom_gamebook::load,
        Feed::BalldontlieBoxScores | Feed::BalldontlieLiveBoxScores => balldontlie_box_scores::load,
        Feed::EspnRoster => espn_roster::load,
        Feed::EspnBoxscore => espn_boxscore::load,
        Feed::EspnSummary => espn_summary::load,
        Feed::OddsapiEventOdds => oddsapi_event_odds::load,
        Feed::OperatorIdentityLinks => operator_identity_links::load,
    };
    let loaded = match raw.outcome {
        FetchOutcome::Complete | FetchOutcome::Partial => decode(raw),
        FetchOutcome::EmptyOk | FetchOutcome::NoDataYet | FetchOutcome::Postponed => {
            Ok(decode(raw).unwrap_or_default())
        }
        FetchOutcome::Failed => Ok(Loaded::default()),
    };
    if raw.retraction.is_some() { Ok(loaded.unwrap_or_default().without_dead_letters()) } else { loaded }
}
