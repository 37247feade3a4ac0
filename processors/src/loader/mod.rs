//! The loaders: from a raw payload to what its source said, in its own ids and names. Decoding only.
//!
//! Invariant: a payload that opens is applied; each bad row in it is kept with its bytes and a reason, and no other row suffers.
//! rows found = rows emitted + repeated + bad + out of scope. No input panics. A list without a member is not published: no
//! source means by it that a team has nobody.
//! Not here: who a name is, which game a date is.
mod balldontlie;
mod balldontlie_box_scores;
mod balldontlie_stats;
mod box_scores;
mod cell;
mod dates;
mod espn_roster;
mod lists;
mod minutes;
mod nbacom_injury_report;
mod nbacom_leaguegamelog;
mod nbacom_player_list;
mod nbacom_schedule;
mod oddsapi_event_odds;
mod operator_identity_links;
mod player_name;
mod prices;
mod result_set;

use schemas::{
    observation::{
        BoxScoreObservation, GameObservation, InjuryObservation, LinkObservation, NamesObservation,
        OddsObservation, Provenance, RosterObservation,
    },
    raw::{Feed, FetchOutcome, RawEvent, RejectCode},
};
use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

/// The version of the decoders; raised when any of them decodes something differently.
pub const VERSION: i32 = 1;

/// What a loader publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    Game(GameObservation),
    BoxScore(BoxScoreObservation),
    Odds(OddsObservation),
    Injury(InjuryObservation),
    Roster(RosterObservation),
    Names(NamesObservation),
    Link(LinkObservation),
}

/// A whole payload that can never be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    pub code: RejectCode,
    pub reason: String,
}
impl Reject {
    fn bad_payload(reason: impl Into<String>) -> Reject {
        Reject { code: RejectCode::BadPayload, reason: reason.into() }
    }
}

/// A row that can never be used, in a payload whose other rows can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    pub reason: String,
    /// The row as JSON.
    pub value: String,
}

/// What a payload gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    pub observations: Vec<Observation>,
    pub bad_rows: Vec<BadRow>,
    /// Rows found in the payload: games, box lines, quotes (book, player and update), report records, roster members, links.
    /// What is too broken to hold rows (a game without its teams, an outcome without its price) is one bad row.
    pub rows: u64,
    /// Rows that are no facts of the season: preseason, all-star, non-NBA teams, players without a team, and box lines of
    /// games that have not ended.
    pub rows_out_of_scope: u64,
    /// Rows that speak of the same member of the same list as another row of this payload. Of several the greatest is
    /// published, whatever their order.
    pub rows_repeated: u64,
}
impl Loaded {
    /// Rows that are published as members of observations, each once (names that ask or known_names, and a link's thirty copies,
    /// are the same rows again).
    pub fn rows_emitted(&self) -> u64 {
        self.rows - self.rows_out_of_scope - self.rows_repeated - self.bad_rows.len() as u64
    }

    /// Counts a row by what became of it; `Ok(None)` is a row out of scope.
    fn count<T>(&mut self, row: &RawValue, decoded: Result<Option<T>, String>) -> Option<T> {
        match decoded {
            Ok(fact) => {
                self.rows += 1;
                self.rows_out_of_scope += u64::from(fact.is_none());
                fact
            }
            Err(reason) => {
                self.bad(row, reason);
                None
            }
        }
    }

    fn bad(&mut self, row: &RawValue, reason: String) {
        self.rows += 1;
        self.bad_rows.push(BadRow { reason, value: row.get().to_owned() });
    }

    /// Whether the lists of this payload are whole: nothing of them was left out, there or here.
    fn is_complete(&self, raw: &RawEvent) -> bool {
        raw.outcome == FetchOutcome::Complete && self.bad_rows.is_empty()
    }
}

/// Decodes one raw event by its feed.
///
/// A failed fetch says nothing, whatever came back. Where the scraper says that there was nothing to find (empty, not yet,
/// postponed), an answer that does not open is no error; rows that are there all the same are facts, of lists that
/// promise nothing about who is absent.
pub fn load(raw: &RawEvent) -> Result<Loaded, Reject> {
    let decode = match raw.feed {
        Feed::NbacomSchedule => nbacom_schedule::load,
        Feed::NbacomLeaguegamelog => nbacom_leaguegamelog::load,
        Feed::NbacomPlayerList => nbacom_player_list::load,
        Feed::NbacomInjuryReport => nbacom_injury_report::load,
        Feed::BalldontlieStats => balldontlie_stats::load,
        Feed::BalldontlieBoxScores => balldontlie_box_scores::load,
        Feed::EspnRoster => espn_roster::load,
        Feed::OddsapiEventOdds => oddsapi_event_odds::load,
        Feed::OperatorIdentityLinks => operator_identity_links::load,
    };
    match raw.outcome {
        FetchOutcome::Complete | FetchOutcome::Partial => decode(raw),
        FetchOutcome::EmptyOk | FetchOutcome::NoDataYet | FetchOutcome::Postponed => {
            Ok(decode(raw).unwrap_or_default())
        }
        FetchOutcome::Failed => Ok(Loaded::default()),
    }
}

fn provenance(raw: &RawEvent) -> Provenance {
    Provenance { fetched_at: raw.fetched_at, version: VERSION, raw: raw.id }
}

/// Reads JSON of a payload's outer shape.
fn open<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Reject> {
    serde_json::from_str(json).map_err(|error| {
        let code = match error.classify() {
            Category::Data => RejectCode::BadPayload,
            Category::Syntax | Category::Eof | Category::Io => RejectCode::NotJson,
        };
        Reject { code, reason: error.to_string() }
    })
}

/// Reads one row.
fn read<'a, T: Deserialize<'a>>(row: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(row.get()).map_err(|error| error.to_string())
}
