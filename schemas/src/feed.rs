//! The sources and their feeds: a closed set of (source, feed) pairs.
//!
//! Invariant: an unknown pair is rejected at ingestion, so no raw event is written to a topic that no loader reads.
//! Not here: the raw events of a feed (`raw`), the loaders of the feeds (crate `processors`).
use crate::named_enum::named_enum;
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::{fmt, str::FromStr};

/// A provider of raw events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Source {
    Nbacom,
    Balldontlie,
    Espn,
    Oddsapi,
    Operator,
}
named_enum! {
    Source {
        Nbacom = "nbacom",
        Balldontlie = "balldontlie",
        Espn = "espn",
        Oddsapi = "oddsapi",
        Operator = "operator",
    }
}
impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Source::ALL
            .into_iter()
            .find(|source| source.name() == text)
            .ok_or_else(|| format!("'{text}' is not a source"))
    }
}

/// A feed: one kind of response of one source, for example nba.com's schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub enum Feed {
    NbacomSchedule,
    NbacomLeaguegamelog,
    NbacomPlayerList,
    NbacomInjuryReport,
    BalldontlieStats,
    BalldontlieBoxScores,
    EspnRoster,
    OddsapiEventOdds,
    OperatorIdentityLinks,
    NbacomBoxscore,
    NbacomGamebook,
    EspnBoxscore,
    EspnSummary,
    BalldontlieLiveBoxScores,
}
impl Feed {
    pub const ALL: [Feed; 14] = [
        Feed::NbacomSchedule,
        Feed::NbacomLeaguegamelog,
        Feed::NbacomPlayerList,
        Feed::NbacomInjuryReport,
        Feed::BalldontlieStats,
        Feed::BalldontlieBoxScores,
        Feed::EspnRoster,
        Feed::OddsapiEventOdds,
        Feed::OperatorIdentityLinks,
        Feed::NbacomBoxscore,
        Feed::NbacomGamebook,
        Feed::EspnBoxscore,
        Feed::EspnSummary,
        Feed::BalldontlieLiveBoxScores,
    ];
    /// Returns the source and the feed name under which scrapers publish this feed.
    pub const fn names(self) -> (Source, &'static str) {
        match self {
            Feed::NbacomSchedule => (Source::Nbacom, "schedule"),
            Feed::NbacomLeaguegamelog => (Source::Nbacom, "leaguegamelog"),
            Feed::NbacomPlayerList => (Source::Nbacom, "player-list"),
            Feed::NbacomInjuryReport => (Source::Nbacom, "injury-report"),
            Feed::BalldontlieStats => (Source::Balldontlie, "stats"),
            Feed::BalldontlieBoxScores => (Source::Balldontlie, "box-scores"),
            Feed::EspnRoster => (Source::Espn, "roster"),
            Feed::OddsapiEventOdds => (Source::Oddsapi, "event-odds"),
            Feed::OperatorIdentityLinks => (Source::Operator, "identity-links"),
            Feed::NbacomBoxscore => (Source::Nbacom, "boxscore"),
            Feed::NbacomGamebook => (Source::Nbacom, "gamebook"),
            Feed::EspnBoxscore => (Source::Espn, "boxscore"),
            Feed::EspnSummary => (Source::Espn, "summary"),
            Feed::BalldontlieLiveBoxScores => (Source::Balldontlie, "live-box-scores"),
        }
    }
    /// Returns the feed with these names; `None` for an unknown pair.
    pub fn find(source: &str, feed: &str) -> Option<Feed> {
        Feed::ALL.into_iter().find(|candidate| {
            let (candidate_source, candidate_feed) = candidate.names();
            (candidate_source.name(), candidate_feed) == (source, feed)
        })
    }
    pub const fn source(self) -> Source {
        self.names().0
    }
}
/// Formats a feed as `source/feed`, for example `nbacom/schedule`.
impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.names().0, self.names().1)
    }
}
