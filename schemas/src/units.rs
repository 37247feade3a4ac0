//! Units: one type per physical quantity, so that the compiler rejects code that mixes two quantities.
//!
//! Every type has a public text form (`Display`): timestamps in RFC 3339, days as `YYYY-MM-DD`, seasons as `2023-24`, lines in points,
//! playing time as `minutes:seconds`, prices as the book wrote them. On the wire, each is encoded as its integer.
//!
//! Invariant: every quantity of a *fact* is an integer in a stated unit, so facts have a total order and equal bytes mean equal
//! content. Only derived values have fractions.
//! Not here: the conversion from the sources' own notations (the loaders of crate `processors`).
use jiff::{civil, tz};
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

    pub const fn plus_hours(self, hours: i64) -> Timestamp {
        Timestamp(self.0 + hours * Self::HOUR)
    }
    /// Returns the US Eastern calendar day of this instant.
    pub fn eastern_date(self) -> EasternDate {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        EasternDate::from_civil(eastern().to_datetime(timestamp).date())
    }
}
/// Formats a timestamp as RFC 3339 in UTC, or as `-infinity` or `infinity` if it is the distant past or future.
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
    /// Parses RFC 3339; the UTC offset is required.
    fn from_str(text: &str) -> Result<Self, String> {
        let timestamp: jiff::Timestamp =
            text.parse().map_err(|_| format!("'{text}' is not an RFC 3339 timestamp"))?;
        Ok(Timestamp(timestamp.as_millisecond()))
    }
}

/// A US Eastern calendar day, in days since 1970-01-01. Games are assigned to these days.
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
    pub fn from_civil(date: civil::Date) -> Self {
        let days = date.duration_since(civil::date(1970, 1, 1)).as_hours() / 24;
        EasternDate(days as i32)
    }
    /// Returns `None` if the calendar has no such day.
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(Self::from_civil)
    }
    pub fn civil(self) -> civil::Date {
        let span = jiff::Span::new().try_days(self.0).unwrap_or_default();
        civil::date(1970, 1, 1).saturating_add(span)
    }
    pub const fn plus_days(self, days: i32) -> Self {
        EasternDate(self.0 + days)
    }
    /// Returns the instant of `hour:minute` New York time on this day.
    pub fn at(self, hour: i8, minute: i8) -> Timestamp {
        let zoned = eastern().to_ambiguous_zoned(self.civil().at(hour, minute, 0, 0)).compatible();
        zoned.map_or(Timestamp(i64::from(self.0) * 24 * Timestamp::HOUR), |zoned| {
            Timestamp(zoned.timestamp().as_millisecond())
        })
    }
    /// Returns the season of this day; a season starts on October 1.
    pub fn season(self) -> Season {
        let date = self.civil();
        Season(date.year() - i16::from(date.month() < 10))
    }
}
/// Formats a day as `YYYY-MM-DD`.
impl fmt::Display for EasternDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}
impl FromStr for EasternDate {
    type Err = String;
    /// Parses `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("'{text}' is not a date, expected YYYY-MM-DD");
        if text.len() != 10 {
            return Err(error());
        }
        text.parse::<civil::Date>().map(Self::from_civil).map_err(|_| error())
    }
}

/// A season, stored as its start year: 2023 is 2023-24.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Season(pub i16);
/// Formats a season with both years, for example `2023-24`.
impl fmt::Display for Season {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.0, (self.0 + 1).rem_euclid(100))
    }
}
impl FromStr for Season {
    type Err = String;
    /// Parses `2023-24`; the second part must be the year after the first.
    fn from_str(text: &str) -> Result<Self, String> {
        let season = text.get(..4).and_then(|year| year.parse().ok()).map(Season);
        season
            .filter(|season| season.to_string() == text)
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
}
