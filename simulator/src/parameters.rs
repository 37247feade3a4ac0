//! The parameters of a simulated season.
//!
//! Invariant: every fault is off by default.
//! Not here: the simulation (`fetches`).

/// The rates of the simulated faults, 0–1. A rate is the share of the events, days, games or names, as stated below, that have the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Share of events that are published twice, with equal bytes.
    pub duplicates: f64,
    /// Share of responses that are fetched again ten minutes later, unchanged.
    pub refetches: f64,
    /// Share of days whose box scores one source publishes one to five days late.
    pub late_box_scores: f64,
    /// Share of games whose first box score credits one basket to the wrong teammate. It is fetched again a day later, without the error.
    /// Team totals are correct in both.
    pub corrected_box_scores: f64,
    /// Share of days whose box scores lack one team at first, with the outcome "partial".
    pub missing_teams: f64,
    /// Share of names that balldontlie, ESPN or a book spells differently than nba.com: without suffix or accents, last name first, with an
    /// initial, or with a nickname. An operator publishes links for the nicknames two days into the season.
    pub name_variants: f64,
    /// Share of healthy reserves who do not play. balldontlie lists them with "00" minutes; nba.com has no row for them.
    pub dnps: f64,
    /// Share of games that are called off three hours before tip-off, then rescheduled to a later day under the same id, and played.
    pub postponements: f64,
    /// Share of lines that a book changes from one fetch of the odds to the next.
    pub line_moves: f64,
    /// Share of quotes that have a price for over, but none for under.
    pub one_sided_quotes: f64,
    /// Share of games whose odds are fetched again 40 minutes after tip-off.
    pub in_play_updates: f64,
    /// Share of responses before which, an hour earlier, the same request got an empty response with the outcome "empty-ok".
    pub empty_responses: f64,
    /// Share of events that are published twice, with equal bytes, key and fetch time, but another outcome the second time.
    pub other_outcomes: f64,
    /// Share of requests (odds, game logs, balldontlie's stats, player lists) that are replaced by two, for two regions or two pages. Each
    /// gets a part of the rows; the two have the same fetch time.
    pub shared_instants: f64,
    /// Share of games for which some books are quoted only in a second region, which is requested together with the first snapshots of the
    /// odds, but not with the last.
    pub dropped_regions: f64,
    /// Share of games whose odds event is first listed for the day before or after the game, and later moved to its day.
    pub moved_events: f64,
    /// Share of odds payloads that list the event twice, the second time with other lines, or for another day.
    pub repeated_events: f64,
    /// Share of games whose odds event is used again after tip-off, for another game of one of the teams on another day.
    pub reused_events: f64,
    /// Share of games whose odds event is stated in one fetch before tip-off to belong to another pair of teams: before the other fetches, so
    /// that the event is used again; between them, so that the statement is corrected; or after them.
    pub wrong_pairs: f64,
    /// Share of payloads in which one row of one list loses a field. The other rows are intact.
    pub broken_rows: f64,
    /// Share of days whose box scores one source also publishes during the games: without a result (nba.com), or with a status other than
    /// "Final" (balldontlie).
    pub live_box_scores: f64,
    /// Share of the teams of an injury report that have not submitted their part of it. The last report before a game is always submitted.
    pub unsubmitted_reports: f64,
}
impl Faults {
    /// Returns faults that all have this rate.
    pub const fn all(rate: f64) -> Faults {
        Faults {
            duplicates: rate,
            refetches: rate,
            late_box_scores: rate,
            corrected_box_scores: rate,
            missing_teams: rate,
            name_variants: rate,
            dnps: rate,
            postponements: rate,
            line_moves: rate,
            one_sided_quotes: rate,
            in_play_updates: rate,
            empty_responses: rate,
            other_outcomes: rate,
            shared_instants: rate,
            dropped_regions: rate,
            moved_events: rate,
            repeated_events: rate,
            reused_events: rate,
            wrong_pairs: rate,
            broken_rows: rate,
            live_box_scores: rate,
            unsubmitted_reports: rate,
        }
    }
}

/// The parameters of a simulated regular season.
#[derive(Clone, Debug, PartialEq)]
pub struct Season {
    pub seed: u64,
    /// Year in which the season begins, 2000–2045.
    pub start_year: i16,
    /// Number of teams, 2–30. If it is less than 30, they are chosen at random.
    pub teams: usize,
    /// Number of games per team. If the number of teams is odd, one team may have one game less.
    pub games_per_team: usize,
    /// Number of players per team, 1–15.
    pub players_per_team: usize,
    /// Days from one fetch of the player list and the rosters to the next.
    pub roster_days: i32,
    /// Number of fetches of a game's odds before tip-off, 0–6.
    pub odds_snapshots: usize,
    /// Number of books that quote, 0–10. The third and fourth book quote line ladders.
    pub books: usize,
    /// Number of injury reports fetched on a game day, 0–4.
    pub injury_reports: usize,
    /// True if balldontlie is fetched too.
    pub balldontlie: bool,
    /// Number of trades in the middle of the season; in each, two teams exchange one player for another.
    pub trades: usize,
    /// Number of pairs of players who share a name. In the first, third, … pair, the players of two teams have one name; in the others, the
    /// names of two players of one team differ only in the suffix.
    pub namesakes: usize,
    pub faults: Faults,
}
impl Season {
    /// Returns a season of thirty teams with 82 games each, with every feed and without faults.
    pub const fn new(seed: u64, start_year: i16) -> Season {
        Season {
            seed,
            start_year,
            teams: 30,
            games_per_team: 82,
            players_per_team: 13,
            roster_days: 7,
            odds_snapshots: 3,
            books: 6,
            injury_reports: 2,
            balldontlie: true,
            trades: 0,
            namesakes: 0,
            faults: Faults::all(0.0),
        }
    }
    pub(crate) const fn year(&self) -> schemas::Season {
        schemas::Season(self.start_year)
    }
    /// The name of the season, as in "2024-25".
    pub(crate) fn name(&self) -> String {
        self.year().to_string()
    }
}
