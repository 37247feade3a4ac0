//! Units: one type per physical quantity, so that the compiler rejects code that mixes two quantities.
//!
//! Every type has a public text form (`Display`): timestamps in RFC 3339, days as `YYYY-MM-DD`, seasons as `2023-24`, lines in points,
//! playing time as `minutes:seconds`, prices as the book wrote them. On the wire, each is encoded as its integer.
//!
//! Every integer is a valid value of its type: no function panics, and timestamps, days and seasons parse from the text that they are
//! formatted as. Days and seasons beyond the years -9999 to 9999 count as the nearest one in that range.
//!
//! Invariant: every quantity of a *fact* is an integer in a stated unit, so facts have a total order and equal bytes mean equal
//! content. Only derived values have fractions.
//! Not here: the conversion from the sources' own notations (the loaders of crate `processors`).
use jiff::{civil, fmt::temporal::Pieces, tz};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::{fmt, str::FromStr};

/// A UTC instant in milliseconds since the epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A time earlier than every time in the data. It is the known-at time of data that is compiled into the program. Its value is only a
    /// quarter of `i64::MIN`, so that adding or subtracting hours cannot overflow.
    pub const DISTANT_PAST: Timestamp = Timestamp(i64::MIN / 4);
    /// A time later than every time in the data.
    pub const DISTANT_FUTURE: Timestamp = Timestamp(i64::MAX / 4);
    /// Milliseconds per hour.
    pub const HOUR: i64 = 3_600_000;

    /// Returns the instant that many hours later, or the earliest or latest `Timestamp` if it would be outside the range of `i64`.
    pub const fn plus_hours(self, hours: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(hours.saturating_mul(Self::HOUR)))
    }
    /// Returns the US Eastern calendar day of this instant; [`EasternDate::MIN`] or [`EasternDate::MAX`] if it is outside their range.
    pub fn eastern_date(self) -> EasternDate {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => EasternDate::from_civil(eastern().to_datetime(timestamp).date()),
            Err(_) if self.0 < 0 => EasternDate::MIN,
            // The time zone database ends two days before the calendar does; from there on, the offset is that of standard time.
            Err(_) => {
                let days = self.plus_hours(-STANDARD_TIME_HOURS).0.div_euclid(24 * Timestamp::HOUR);
                EasternDate(i32::try_from(days).unwrap_or(i32::MAX)).clamped()
            }
        }
    }
    /// True if the text is a date and time with a UTC offset, but its instant is beyond the years -9999 to 9999 (or in their first or last
    /// hours), so that it cannot be parsed.
    pub fn is_too_distant(text: &str) -> bool {
        let is_instant = |pieces: Pieces<'_>| pieces.time().is_some() && pieces.offset().is_some();
        Pieces::parse(text).is_ok_and(is_instant) && text.parse::<jiff::Timestamp>().is_err()
    }
}
/// Formats a timestamp as RFC 3339 in UTC; as `-infinity` or `infinity` if it is the distant past or future; and as a number of
/// milliseconds such as `253402318800000ms` if its year is not one of -9999 to 9999.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, jiff::Timestamp::from_millisecond(self.0)) {
            (Timestamp::DISTANT_PAST, _) => f.write_str("-infinity"),
            (Timestamp::DISTANT_FUTURE, _) => f.write_str("infinity"),
            (_, Ok(timestamp)) => write!(f, "{timestamp}"),
            _ => write!(f, "{}ms", self.0),
        }
    }
}
impl FromStr for Timestamp {
    type Err = String;
    /// Parses RFC 3339, for which the UTC offset is required, and the other forms that `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let other_form = || match text {
            "-infinity" => Some(Timestamp::DISTANT_PAST),
            "infinity" => Some(Timestamp::DISTANT_FUTURE),
            _ => text.strip_suffix("ms")?.parse().ok().map(Timestamp).filter(|time| time.to_string() == text),
        };
        let rfc3339 = text.parse::<jiff::Timestamp>().ok();
        let timestamp = rfc3339.map(|timestamp| Timestamp(timestamp.as_millisecond())).or_else(other_form);
        timestamp.ok_or_else(|| {
            if Timestamp::is_too_distant(text) {
                format!("'{text}' is not from {} to {}", jiff::Timestamp::MIN, jiff::Timestamp::MAX)
            } else {
                format!("'{text}' is not an RFC 3339 timestamp")
            }
        })
    }
}

/// A US Eastern calendar day, in days since 1970-01-01. Games are assigned to these days.
///
/// The calendar is closed: it has the days from [`EasternDate::MIN`] to [`EasternDate::MAX`], and every function returns one of them. A
/// number of days outside this range, which no function here returns, counts as the nearest of the two.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct EasternDate(pub i32);

fn eastern() -> tz::TimeZone {
    static EASTERN: std::sync::LazyLock<tz::TimeZone> =
        std::sync::LazyLock::new(|| tz::TimeZone::get("America/New_York").unwrap_or(tz::TimeZone::UTC));
    EASTERN.clone()
}

impl EasternDate {
    /// The first day, January 1 of the year -9999.
    pub const MIN: EasternDate = EasternDate(-4_371_587);
    /// The last day, December 31 of the year 9999.
    pub const MAX: EasternDate = EasternDate(2_932_896);

    pub fn from_civil(date: civil::Date) -> Self {
        let days = date.duration_since(civil::date(1970, 1, 1)).as_hours() / 24;
        EasternDate(days as i32)
    }
    /// Returns `None` if the calendar has no such day.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(Self::from_civil)
    }
    pub fn civil(self) -> civil::Date {
        let span = jiff::Span::new().days(self.clamped().0);
        civil::date(1970, 1, 1).saturating_add(span)
    }
    /// Returns the day that many days later, or [`EasternDate::MIN`] or [`EasternDate::MAX`] if it would be outside their range.
    pub const fn plus_days(self, days: i32) -> Self {
        EasternDate(self.0.saturating_add(days)).clamped()
    }
    const fn clamped(self) -> Self {
        if self.0 < Self::MIN.0 {
            Self::MIN
        } else if self.0 > Self::MAX.0 {
            Self::MAX
        } else {
            self
        }
    }
    /// Returns the instant of `hour:minute` New York time on this day. An hour that is not 0 to 23 and a minute that is not 0 to 59 count
    /// as the nearest of these.
    pub fn at(self, hour: i8, minute: i8) -> Timestamp {
        let (hour, minute) = (hour.clamp(0, 23), minute.clamp(0, 59));
        let zoned = eastern().to_ambiguous_zoned(self.civil().at(hour, minute, 0, 0)).compatible();
        // The time zone database has no offset within two days of the ends of the calendar; there, it is that of standard time.
        let standard_time = || {
            let since_midnight = i64::from(hour) * Timestamp::HOUR + i64::from(minute) * Timestamp::HOUR / 60;
            let hours = i64::from(self.clamped().0) * 24 + STANDARD_TIME_HOURS;
            Timestamp(since_midnight).plus_hours(hours)
        };
        zoned.map_or_else(|_| standard_time(), |zoned| Timestamp(zoned.timestamp().as_millisecond()))
    }
    /// Returns the season of this day; a season starts on October 1.
    pub fn season(self) -> Season {
        let date = self.civil();
        Season(date.year() - i16::from(date.month() < 10))
    }
}
/// How many hours New York's standard time is behind UTC.
const STANDARD_TIME_HOURS: i64 = 5;
/// Formats a day as `YYYY-MM-DD`; a year before the year 0 has a sign and six digits, as in `-000044-03-15`.
impl fmt::Display for EasternDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}
impl FromStr for EasternDate {
    type Err = String;
    /// Parses a day in the form that `Display` writes, and in no other.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_year_before_0 = text.starts_with('-') && text.len() == 13;
        let date = if text.len() == 10 || is_year_before_0 { text.parse::<civil::Date>().ok() } else { None };
        date.map(Self::from_civil).ok_or_else(|| format!("'{text}' is not a date, expected YYYY-MM-DD"))
    }
}

/// A season, stored as its start year: 2023 is 2023-24.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Season(pub i16);
impl Season {
    /// The season of [`EasternDate::MIN`].
    pub const MIN: Season = Season(-10_000);
    /// The season of [`EasternDate::MAX`].
    pub const MAX: Season = Season(9_999);
}
/// Formats a season with both years, for example `2023-24`; a year before the year 0 has a sign and six digits, as in `-000044-57`.
impl fmt::Display for Season {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = (i32::from(self.0) + 1).rem_euclid(100);
        if self.0 < 0 { write!(f, "{:07}-{next:02}", self.0) } else { write!(f, "{:04}-{next:02}", self.0) }
    }
}
impl FromStr for Season {
    type Err = String;
    /// Parses `2023-24`; the second part must be the year after the first. Seasons before [`Season::MIN`] and after [`Season::MAX`] are
    /// refused, because they have no days.
    fn from_str(text: &str) -> Result<Self, String> {
        let season = text.rsplit_once('-').and_then(|(year, _)| year.parse().ok()).map(Season);
        season
            .filter(|season| (Season::MIN..=Season::MAX).contains(season) && season.to_string() == text)
            .ok_or_else(|| format!("'{text}' is not a season, expected e.g. 2023-24"))
    }
}

/// Playing time, stored in whole seconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct PlayingTime(pub i32);
impl PlayingTime {
    pub const fn minutes(self) -> f64 {
        self.0 as f64 / 60.0
    }
}
/// Formats a playing time in minutes and seconds, for example `31:14`.
impl fmt::Display for PlayingTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A betting line, stored in hundredths of a point: 24.5 is 2450. Never rounded, so 24.5 and 25 are different lines.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Line(pub i32);
impl Line {
    pub const fn points(self) -> f64 {
        self.0 as f64 / 100.0
    }
}
/// Formats a line in points, for example `24.5`.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.points())
    }
}

/// A price as the book wrote it, stored in thousandths. If |price| ≥ 100, it is an American price; if 1 < price < 100, a decimal price.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Price(i32);
impl Price {
    /// Returns `None` if the number is neither an American nor a decimal price.
    pub fn new(written: f64) -> Option<Price> {
        let is_american = (100.0..=1_000_000.0).contains(&written.abs());
        let is_decimal = written > 1.0 && written < 100.0;
        (is_american || is_decimal).then(|| Price((written * 1000.0).round() as i32))
    }
    /// Returns the number as the book wrote it.
    pub fn written(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
    /// Returns the probability at which a bet at this price breaks even, 0–1. It includes the book's margin.
    pub fn implied_probability(self) -> f64 {
        match self.written() {
            american if american >= 100.0 => 100.0 / (american + 100.0),
            american if american <= -100.0 => -american / (100.0 - american),
            decimal => 1.0 / decimal,
        }
    }
}
/// Formats a price as the book wrote it: American prices with a sign (`+105`, `-110`), decimal prices without a sign (`1.91`).
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.written();
        if written.abs() >= 100.0 { write!(f, "{written:+}") } else { write!(f, "{written}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_text_of_a_timestamp_parses_to_the_same_timestamp(millis in any_i64()) {
            let timestamp = Timestamp(millis);
            prop_assert_eq!(timestamp.to_string().parse(), Ok(timestamp));
        }
        #[test]
        fn every_timestamp_has_a_day_whose_text_parses_to_the_same_day(millis in any_i64(), hours in any_i64()) {
            for timestamp in [Timestamp(millis), Timestamp(millis).plus_hours(hours)] {
                let date = timestamp.eastern_date();
                prop_assert!((EasternDate::MIN..=EasternDate::MAX).contains(&date));
                prop_assert_eq!(date.to_string().parse(), Ok(date));
            }
        }
        #[test]
        fn later_timestamps_have_no_earlier_day(a in any_i64(), b in any_i64()) {
            prop_assert!(Timestamp(a.min(b)).eastern_date() <= Timestamp(a.max(b)).eastern_date());
        }
        #[test]
        fn every_day_counts_as_the_nearest_day_of_the_calendar(days in any_i32(), more in any_i32()) {
            let nearest = EasternDate(days.clamp(EasternDate::MIN.0, EasternDate::MAX.0));
            let date = EasternDate(days);
            prop_assert_eq!(date.to_string().parse(), Ok(nearest));
            prop_assert_eq!((date.civil(), date.season()), (nearest.civil(), nearest.season()));
            prop_assert_eq!(EasternDate::from_civil(date.civil()), nearest);
            let sum = (i64::from(days) + i64::from(more)).clamp(i64::from(EasternDate::MIN.0), i64::from(EasternDate::MAX.0));
            prop_assert_eq!(i64::from(date.plus_days(more).0), sum);
        }
        #[test]
        fn every_time_of_a_day_is_on_that_day(days in any_i32(), hour in any::<i8>(), minute in any::<i8>()) {
            let nearest = EasternDate(days.clamp(EasternDate::MIN.0, EasternDate::MAX.0));
            let instant = EasternDate(days).at(hour, minute);
            prop_assert_eq!(instant.eastern_date(), nearest, "{}", instant);
            prop_assert_eq!(instant.to_string().parse(), Ok(instant));
        }
        #[test]
        fn the_text_of_a_season_parses_to_the_same_season(year in any::<i16>(), days in any_i32()) {
            let season = EasternDate(days).season();
            prop_assert_eq!(season.to_string().parse(), Ok(season));
            let season = Season(year);
            let has_days = (Season::MIN..=Season::MAX).contains(&season);
            prop_assert_eq!(season.to_string().parse().ok(), has_days.then_some(season));
        }
        #[test]
        fn a_text_that_parses_is_the_text_of_its_day_or_season(text in "[-+]?[0-9]{4,6}-[0-9]{2}(-[0-9]{2})?") {
            if let Ok(date) = text.parse::<EasternDate>() {
                prop_assert_eq!(date.to_string(), text);
            } else if let Ok(season) = text.parse::<Season>() {
                prop_assert_eq!(season.to_string(), text);
            }
        }
    }
    /// All numbers, and more often those near the ends of `i64`, of the calendar, and of the data.
    fn any_i64() -> impl Strategy<Value = i64> {
        let day = 24 * Timestamp::HOUR;
        let [first, last] = [EasternDate::MIN, EasternDate::MAX].map(|date| i64::from(date.0) * day);
        let ends = [i64::MIN, i64::MAX, 0, first, last, 1_700_000_000_000];
        let near = (prop::sample::select(ends.to_vec()), -3 * day..3 * day);
        prop_oneof![
            any::<i64>(),
            near.prop_map(|(end, distance)| end.saturating_add(distance)),
            Just(Timestamp::DISTANT_PAST.0),
            Just(Timestamp::DISTANT_FUTURE.0),
        ]
    }
    fn any_i32() -> impl Strategy<Value = i32> {
        let ends = [i32::MIN, i32::MAX, 0, EasternDate::MIN.0, EasternDate::MAX.0, -719_528, 19_700];
        let near = (prop::sample::select(ends.to_vec()), -400..400);
        prop_oneof![any::<i32>(), near.prop_map(|(end, distance): (i32, i32)| end.saturating_add(distance))]
    }

    #[test]
    fn an_eastern_day_ends_at_midnight_in_new_york_in_summer_and_winter() {
        let day = |text: &str| text.parse::<Timestamp>().unwrap().eastern_date().to_string();
        assert_eq!(day("2024-01-18T04:59:59Z"), "2024-01-17");
        assert_eq!(day("2024-01-18T05:00:00Z"), "2024-01-18");
        assert_eq!(day("2024-04-02T03:59:59Z"), "2024-04-01");
        assert_eq!(day("2024-04-02T04:00:00Z"), "2024-04-02");
    }
    #[test]
    fn seven_thirty_in_new_york_is_half_past_midnight_utc_in_winter() {
        let at = |text: &str| text.parse::<EasternDate>().unwrap().at(19, 30).to_string();
        assert_eq!(at("2024-01-17"), "2024-01-18T00:30:00Z");
        assert_eq!(at("2024-04-01"), "2024-04-01T23:30:00Z");
    }
    #[test]
    fn seasons_start_in_october_and_print_both_years() {
        assert_eq!("2023-10-01".parse::<EasternDate>().unwrap().season().to_string(), "2023-24");
        assert_eq!("2000-06-01".parse::<EasternDate>().unwrap().season().to_string(), "1999-00");
        assert!("2023-25".parse::<Season>().is_err());
        assert_eq!([Season(-44), Season(7)].map(|season| season.to_string()), ["-000044-57", "0007-08"]);
        assert_eq!(
            [EasternDate::MIN, EasternDate::MAX].map(EasternDate::season),
            [Season::MIN, Season::MAX],
            "the first and the last season"
        );
    }
    #[test]
    fn every_unit_has_a_public_text() {
        assert_eq!(Timestamp::DISTANT_PAST.to_string(), "-infinity");
        assert_eq!(Timestamp::DISTANT_FUTURE.to_string(), "infinity");
        assert_eq!(Timestamp(1_698_190_200_000).to_string(), "2023-10-24T23:30:00Z");
        assert_eq!(EasternDate(19_787).to_string(), "2024-03-05");
        assert_eq!(PlayingTime(1_874).to_string(), "31:14");
        assert_eq!(Line(2550).to_string(), "25.5");
        assert_eq!(Line(2500).to_string(), "25");
        let price = |written| Price::new(written).unwrap().to_string();
        assert_eq!([price(-110.0), price(105.0), price(1.91)], ["-110", "+105", "1.91"]);
    }
    #[test]
    fn prices_of_both_notations_imply_the_same_probability() {
        let probability = |written| Price::new(written).unwrap().implied_probability();
        assert!((probability(-120.0) - 0.545454).abs() < 1e-5);
        assert!((probability(105.0) - 0.487804).abs() < 1e-5);
        assert!((probability(2.05) - 0.487804).abs() < 1e-5);
        for not_a_price in [0.0, 1.0, -1.5, -99.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Price::new(not_a_price), None, "{not_a_price}");
        }
    }
    #[test]
    fn the_reason_why_a_text_is_no_timestamp_is_its_notation_or_its_range() {
        for text in [
            "9999-12-31T23:30:00Z",
            "9999-12-31T23:30:00-05:00",
            "9999-12-31T23:30-05:00",
            "-009999-01-01T00:00:00Z",
        ] {
            let reason = text.parse::<Timestamp>().unwrap_err();
            assert!(reason.starts_with(&format!("'{text}' is not from -009999-01-02")), "{reason}");
        }
        for text in
            ["soon", "2024-01-01", "2024-01-01T00:00:00", "9999-12-31T23:30:00", "2024-02-30T00:00:00Z"]
        {
            let reason = text.parse::<Timestamp>().unwrap_err();
            assert_eq!(reason, format!("'{text}' is not an RFC 3339 timestamp"));
        }
    }
}
