//! Events as JSON with public names, for people and scripts: the form that commands print.
//!
//! Field names are those of the Rust types. Enums appear by their public name, ids as text, timestamps in RFC 3339, days as
//! `YYYY-MM-DD`, seasons as `2023-24`, lines in points, prices as the book wrote them, playing time in minutes, hashes in hexadecimal.
//! A feature vector is an object with one field per feature; a missing feature is `{"missing": reason}`. Bytes are text, or hexadecimal
//! if they are not UTF-8.
//!
//! Invariant: a struct field without a JSON form is a compile error, because every struct is destructured completely.
//! Not here: the stored form, which is Avro (`wire`).
use crate::{
    features::{
        Basis, Comparable, DefenseTier, Eligibility, FEATURES, Feature, Features, MissingReason, QualityFlag,
        Streak,
    },
    feed::{Feed, Source},
    fixture::{
        DateEnd, FinalPoints, FixtureRevision, GameDate, GameFixtures, ScheduledDates, ScoreRevision,
        StandingRevision, VoidReason, Voided,
    },
    game::{
        Game, PlayerGame, PlayerGameRevision, PlayerWorkload, Score, TeamGame, TeamGameRevision, TeamTotals,
    },
    identity::{NameMatch, NameRevision, NameRule, Names, OperatorLink},
    ids::{GameId, PlayerId, RawId},
    market::{
        Availability, AvailabilityView, Market, MarketView, OddsEvent, OddsEventRevision, QuotedPlayer,
        QuotedPlayers, TeamReported,
    },
    membership::{Listing, Membership, MembershipHistory, MembershipRevision, TeamMember},
    observation::{
        BoxMember, BoxScoreObservation, BoxScoreStats, FinalBoxScoreObservation, Fixture, GameObservation,
        GameResult, GameStatus, InjuryMember, InjuryObservation, InjuryStatus, LinkObservation,
        NamesObservation, OddsEventObservation, OddsObservation, PlayerRef, Provenance, Quote, QuoteLine,
        Retraction, RosterMember, RosterObservation,
    },
    ops::{LedgerEntry, LogId, SinkBatchPlanned, StoredSinkBatch},
    prediction::{
        LadderLine, LineSource, Predicted, Prediction, Recommendation, System, SystemOutcome,
        SystemPrediction, SystemSkip,
    },
    raw::{DeadLetter, FetchOutcome, RawEvent, RejectCode, RetractionOrder},
    team::{Matchup, Team},
    team_form::{
        Candidacy, Form, FormNumbers, RecentPlayer, RosteredPlayer, Rotation, SeasonPlayer, SideEvidence,
        SlateEntry, TeamForm,
    },
    units::{EasternDate, Line, PlayingTime, Price, Season, Timestamp},
};
use serde_json::{Map, Value, json};

/// A value with a public JSON form.
pub trait PublicJson {
    fn public_json(&self) -> Value;
}

/// Returns the public JSON form of an event or of a part of one.
pub fn to_json(value: &impl PublicJson) -> Value {
    value.public_json()
}

impl<T: PublicJson> PublicJson for Option<T> {
    fn public_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, PublicJson::public_json)
    }
}
impl<T: PublicJson> PublicJson for Vec<T> {
    fn public_json(&self) -> Value {
        self.iter().map(PublicJson::public_json).collect()
    }
}

macro_rules! plain {
    ($($type:ty),+) => { $(impl PublicJson for $type {
        fn public_json(&self) -> Value {
            json!(self)
        }
    })+ };
}
plain!(bool, i32, i64, f64, String);

/// Implements the JSON form of types that are shown as a string: the text that `Display` formats.
macro_rules! text {
    ($($type:ty),+ $(,)?) => { $(impl PublicJson for $type {
        fn public_json(&self) -> Value {
            Value::String(self.to_string())
        }
    })+ };
}
text!(PlayerId, GameId, RawId, Team, Matchup, Timestamp, EasternDate, Season, Source, Feed);
text!(
    Basis,
    DefenseTier,
    Eligibility,
    MissingReason,
    QualityFlag,
    Streak,
    NameRule,
    GameStatus,
    InjuryStatus,
    VoidReason
);
text!(LineSource, Recommendation, System, SystemSkip, FetchOutcome, RejectCode);

impl PublicJson for Line {
    fn public_json(&self) -> Value {
        json!(self.points())
    }
}
impl PublicJson for Price {
    fn public_json(&self) -> Value {
        json!(self.written())
    }
}
impl PublicJson for PlayingTime {
    fn public_json(&self) -> Value {
        json!(self.minutes())
    }
}
impl PublicJson for Feature {
    fn public_json(&self) -> Value {
        match self {
            Feature::Value(value) => json!(value),
            Feature::Missing(reason) => json!({ "missing": reason.name() }),
        }
    }
}
impl PublicJson for SystemOutcome {
    fn public_json(&self) -> Value {
        match self {
            SystemOutcome::Predicted(predicted) => json!({ "predicted": predicted.public_json() }),
            SystemOutcome::Skipped(reason) => json!({ "skipped": reason.name() }),
        }
    }
}

/// A hash, shown in 16 hexadecimal digits.
struct Hash<'a>(&'a i64);
impl PublicJson for Hash<'_> {
    fn public_json(&self) -> Value {
        Value::String(format!("{:016x}", self.0))
    }
}
/// Bytes, shown as text if they are UTF-8, otherwise in hexadecimal.
struct Bytes<'a>(&'a [u8]);
impl PublicJson for Bytes<'_> {
    fn public_json(&self) -> Value {
        let hexadecimal = || self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Value::String(str::from_utf8(self.0).map_or_else(|_| hexadecimal(), str::to_owned))
    }
}
/// A feature vector, shown as an object with one field per feature. If the vector is empty, the object is, too.
struct Vector<'a>(&'a [Feature]);
impl PublicJson for Vector<'_> {
    fn public_json(&self) -> Value {
        let by_name = FEATURES.iter().zip(self.0);
        Value::Object(by_name.map(|(name, feature)| ((*name).to_owned(), feature.public_json())).collect())
    }
}

/// Implements the JSON form of structs: an object with one member per field. For `field as Wrapper`, the member has the JSON form of
/// `Wrapper`, not of the field's own type.
macro_rules! objects {
    ($($type:ident { $($field:ident $(as $wrapper:ident)?),+ $(,)? })+) => { $(impl PublicJson for $type {
        fn public_json(&self) -> Value {
            let $type { $($field),+ } = self;
            let mut object = Map::new();
            $(object.insert(stringify!($field).to_owned(), ($($wrapper)?($field)).public_json());)+
            Value::Object(object)
        }
    })+ };
}
objects! {
    RawEvent { id, feed, key, fetched_at, outcome, payload, redrive_count, retraction }
    RetractionOrder { target, target_fetched_at, undo, reason }
    DeadLetter {
        code, reason, raw, fetched_at, origin, partition, offset, value as Bytes, processor, key, processor_version,
        redrive_count, batch,
    }
    Provenance { fetched_at, version, raw, request, outcome, retraction }
    Retraction { at, is_undone }
    Fixture { home, away, date, tip_off, tip_estimated, called_off }
    GameResult { status, home_points, away_points }
    GameObservation { game, fixture, result, provenance }
    PlayerRef { name, nba }
    BoxScoreStats {
        playing_time, points, field_goals_made, field_goals_attempted, threes_made, threes_attempted, free_throws_made,
        free_throws_attempted, offensive_rebounds, defensive_rebounds, assists, steals, blocks, turnovers, fouls, plus_minus,
    }
    BoxMember { player, stats }
    FinalBoxScoreObservation { game, date, provenance }
    BoxScoreObservation { feed, game, date, team, opponent, complete, members, provenance, is_final }
    QuoteLine { line, over, under }
    Quote { book, name, updated_at, lines, complete }
    OddsObservation { event, home, away, commences_at, date, complete, quotes, provenance, incomplete_books }
    OddsEventObservation { event, matchup, provenance }
    InjuryMember { team, name, status, reason }
    InjuryObservation {
        matchup, date, reported_at, complete, members, provenance, incomplete_teams, not_submitted,
    }
    RosterMember { player, born }
    RosterObservation { feed, team, date, complete, members, provenance }
    NamesObservation { team, source, scope, date, season, names, provenance, feed, of_league, suffix_matters }
    LinkObservation { team, spelling, player, provenance, is_nobody, only_team, only_source, only_from }
    NameRevision { known_at, rule, players, link, operator_link }
    OperatorLink { player, is_of_team }
    NameMatch { name, revisions, revisions_in_retrospect }
    Names { scope, team, source, date, matches }
    DateEnd { at, reason, teams }
    Voided { at, reason }
    StandingRevision { known_at, stands }
    GameDate { date, home, away, tip_off, tip_estimated, known_at, stood_at_cutoff, end, standing }
    Listing { feed, since, name, born }
    MembershipRevision { known_at, listings }
    MembershipHistory { revisions, revisions_in_retrospect }
    Membership { player, team, history }
    TeamMember { team, player, history }
    FixtureRevision { known_at, fixture }
    FinalPoints { home, away }
    ScoreRevision { known_at, points }
    ScheduledDates { known_at, dates }
    GameFixtures {
        matchup, game, revisions, revisions_in_retrospect, scores, scores_in_retrospect, result, dates, scheduled_dates,
    }
    Game {
        game, home, away, date, tip_off, tip_estimated, called_off, known_at, status, home_points, away_points, home_players,
        away_players, home_box_points, away_box_points, dates,
    }
    TeamTotals {
        playing_time, points, field_goals_attempted, free_throws_attempted, turnovers, offensive_rebounds,
    }
    Score { own, opponent }
    TeamGameRevision {
        known_at, opponent, is_home, date, tip_off, tip_estimated, called_off, score, totals, appeared, workloads,
    }
    PlayerWorkload { playing_time, field_goals_attempted, free_throws_attempted, turnovers }
    TeamGame { game, team, matchup, revisions, revisions_in_retrospect, dates }
    PlayerGameRevision { known_at, raw, feed, name, team, opponent, is_home, date, tip_off, stats }
    PlayerGame { player, game, matchup, revisions, revisions_in_retrospect }
    MarketView { known_at, main, opening, no_vig_over, books }
    Market {
        player, game, date, matchup, issued, retrospective, issued_absent_since, retrospective_absent_since,
    }
    AvailabilityView { known_at, reported_at, status, reason }
    Availability {
        player, game, date, matchup, issued, retrospective, issued_absent_since, retrospective_absent_since,
    }
    OddsEventRevision { known_at, is_of_matchup }
    OddsEvent { matchup, event, revisions, revisions_in_retrospect }
    QuotedPlayer { player, known_at, is_quoted }
    TeamReported { team, known_at, has_reported }
    QuotedPlayers { matchup, game, date, issued, retrospective, teams_reported_issued, teams_reported_retrospective }
    FormNumbers { games, pace_10, pace_15, off_rating_10, def_rating_15, win_share, rest_days }
    RecentPlayer { player, last_game }
    RosteredPlayer { player, born }
    SeasonPlayer { player, games_missed, appearances_since_return, expected_minutes, expected_possessions }
    Rotation { games_missed, appearances_since_return, minutes_available, minutes_absent, possessions_absent }
    Form { known_at, numbers, recent, roster, season_players }
    TeamForm { game, date, team, opponent, opened_at, issued, retrospective }
    SideEvidence { team, last_game, is_rostered, born }
    Candidacy { known_at, sides, quoted, home, away, teams_reported, home_rotation, away_rotation }
    SlateEntry { player, game, home, away, date, tip_off, tip_estimated, opened_at, issued, retrospective, end }
    Comparable { game, points, tier, rest_days, is_home, streak }
    Features {
        player, game, name, home, away, team, date, tip_off, basis, known_at, eligibility, appearances, vector as Vector,
        rest_days, main_line, quality_flags, comparables, voided,
    }
    LadderLine { line_offset, line, p_over, p_push, recommendation }
    Predicted { points, stddev_points, confidence, line_ladder, missing_adjustments }
    SystemPrediction { system, outcome }
    Prediction {
        player, game, name, home, away, team, date, tip_off, basis, known_at, eligibility, appearances,
        input_version as Hash, model_version as Hash, base_line, line_source, omitted_line_offsets, quality_flags, systems, voided,
    }
    LedgerEntry {
        processor, version, read, applied, unchanged, parked, rejected, published, rows, rows_emitted, rows_bad,
        rows_out_of_scope, rows_repeated,
    }
    LogId { id }
    SinkBatchPlanned { batch_id, ranges, records, reason, planned_at, states_predecessor, predecessor }
    StoredSinkBatch { batch_id, planned_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_enums_and_ids_appear_by_their_public_form() {
        let quote_line = QuoteLine { line: Line(2550), over: Price::new(-110.0), under: None };
        assert_eq!(to_json(&quote_line), json!({ "line": 25.5, "over": -110.0, "under": null }));
        let provenance = Provenance {
            fetched_at: Timestamp(0),
            version: 2,
            raw: RawId(-1),
            request: "BOS".into(),
            outcome: FetchOutcome::EmptyOk,
            retraction: Some(Retraction { at: Timestamp(1), is_undone: false }),
        };
        let expected = json!({
            "fetched_at": "1970-01-01T00:00:00Z", "version": 2, "raw": "ffffffffffffffff", "request": "BOS",
            "outcome": "empty-ok", "retraction": { "at": "1970-01-01T00:00:00.001Z", "is_undone": false },
        });
        assert_eq!(to_json(&provenance), expected);
        let stats = BoxScoreStats { playing_time: PlayingTime(1_830), ..BoxScoreStats::default() };
        assert_eq!(to_json(&stats)["playing_time"], json!(30.5));
        let missing = vec![Feature::Value(1.5), Feature::Missing(MissingReason::NoShotZones)];
        let expected = json!({ FEATURES[0]: 1.5, FEATURES[1]: { "missing": "no_shot_zones" } });
        assert_eq!(Vector(&missing).public_json(), expected);
        let system = SystemPrediction {
            system: System::LearnedV1,
            outcome: SystemOutcome::Skipped(SystemSkip::ModelAbsent),
        };
        assert_eq!(
            to_json(&system),
            json!({ "system": "learned_v1", "outcome": { "skipped": "model_absent" } })
        );
        let born = Some(EasternDate(0));
        let entry = SideEvidence { team: Team::BOS, last_game: None, is_rostered: true, born };
        assert_eq!(to_json(&entry)["born"], json!("1970-01-01"));
        assert_eq!(Bytes(&[0xff, 0x0a]).public_json(), json!("ff0a"));
        assert_eq!(Bytes(b"{}").public_json(), json!("{}"));
    }
}
