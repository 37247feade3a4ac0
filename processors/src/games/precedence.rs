//! The order of precedence of the feeds with box scores, and what a line of one feed adds to that of another.
//!
//! A player's line is that of the first feed in this order that lists the player. Two of its fields may come from a later feed: minutes to
//! the second instead of whole minutes that differ by less than a minute, and a plus-minus that the first feed does not state.
//!
//! Invariant: a line never takes away what an earlier line states, so whole minutes never replace minutes to the second.
//! Not here: which lists belong to a game (`facts`).
use schemas::{observation::BoxScoreStats, raw::Feed};

/// The feeds with box scores, highest precedence first. `docs/feeds.md` gives the reasons.
pub const PRECEDENCE: [Feed; 8] = [
    Feed::NbacomLeaguegamelog,
    Feed::NbacomBoxscore,
    Feed::NbacomGamebook,
    Feed::BalldontlieStats,
    Feed::BalldontlieBoxScores,
    Feed::BalldontlieLiveBoxScores,
    Feed::EspnSummary,
    Feed::EspnBoxscore,
];

/// Returns the position of a feed in the order of precedence.
pub fn rank(feed: Feed) -> Option<usize> {
    PRECEDENCE.iter().position(|candidate| *candidate == feed)
}

/// Adds to the statistics of a player what a feed with lower precedence states more precisely, or alone.
pub fn add_details(stats: &mut BoxScoreStats, other: &BoxScoreStats) {
    const MINUTE: i32 = 60;
    let (own, more) = (stats.playing_time.0, other.playing_time.0);
    let is_more_precise = own % MINUTE == 0 && more % MINUTE != 0 && (own - more).abs() < MINUTE;
    if is_more_precise {
        stats.playing_time = other.playing_time;
    }
    stats.plus_minus = stats.plus_minus.or(other.plus_minus);
}
