//! Units: what a number stands for, so that no two of them can be mixed up.
//!
//! Invariant: every quantity that is part of a *fact* is an integer in a stated unit, so facts have a total order and
//! equal bytes mean equal content. Fractions appear only in what is derived.
//! Not here: the conversion from the sources' own notations; that happens once, in the decoders.
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
    /// Before everything: the time at which what the project ships itself was known.
    pub const DISTANT_PAST: Timestamp = Timestamp(i64::MIN / 4);
    /// After everything.
    pub const DISTANT_FUTURE: Timestamp = Timestamp(i64::MAX / 4);
    pub const HOUR: i64 = 3_600_000;

    pub const fn plus_hours(self, hours: i64) -> Timestamp {
        Timestamp(self.0 + hours * Self::HOUR)
    }
    /// The US Eastern calendar day of this instant.
    pub fn eastern_date(self) -> EasternDate {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        EasternDate::from_civil(eastern().to_datetime(at).date())
    }
}
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, jiff::Timestamp::from_millisecond(self.0)) {
            (Timestamp::DISTANT_PAST, _) => f.write_str("-infinity"),
            (_, Ok(at)) => write!(f, "{at}"),
            _ => write!(f, "{}ms", self.0),
        }
    }
}
impl FromStr for Timestamp {
    type Err = String;
    /// RFC 3339, with the offset given; a notation without one is refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp =
            text.parse().map_err(|_| format!("'{text}' is not an RFC 3339 timestamp"))?;
        Ok(Timestamp(at.as_millisecond()))
    }
}

/// A US Eastern calendar day, in days since 1970-01-01: the day a game belongs to.
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
    /// `None` for a year, month and day that name no day.
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
    /// The instant at which the clock in New York shows `hour:minute` on this day.
    pub fn at(self, hour: i8, minute: i8) -> Timestamp {
        let zoned = eastern().to_ambiguous_zoned(self.civil().at(hour, minute, 0, 0)).compatible();
        zoned.map_or(Timestamp(i64::from(self.0) * 24 * Timestamp::HOUR), |zoned| {
            Timestamp(zoned.timestamp().as_millisecond())
        })
    }
    /// The season that this day falls into: its start year; months from October on start one.
    pub fn season(self) -> Season {
        let date = self.civil();
        Season(date.year() - i16::from(date.month() < 10))
    }
}
impl fmt::Display for EasternDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}
impl FromStr for EasternDate {
    type Err = String;
    /// `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is not a date, expected YYYY-MM-DD");
        if text.len() != 10 {
            return Err(bad());
        }
        text.parse::<civil::Date>().map(Self::from_civil).map_err(|_| bad())
    }
}

/// A season by its start year: 2023 is 2023-24.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Season(pub i16);
impl fmt::Display for Season {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.0, (self.0 + 1).rem_euclid(100))
    }
}
impl FromStr for Season {
    type Err = String;
    /// `2023-24`; the second part must be the year after the first.
    fn from_str(text: &str) -> Result<Self, String> {
        let season = text.get(..4).and_then(|year| year.parse().ok()).map(Season);
        season
            .filter(|s| s.to_string() == text)
            .ok_or_else(|| format!("'{text}' is not a season, expected e.g. 2023-24"))
    }
}

/// Playing time in whole seconds.
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

/// A betting line in hundredths of a point: 24.5 is 2450. Never rounded, so 24.5 and 25 stay two lines.
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
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.points())
    }
}

/// A price as the book wrote it, in thousandths. |price| ≥ 100 is American, 1 < price < 100 is decimal.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct Price(i32);
impl Price {
    /// `None` for a number that is a price in neither notation.
    pub fn new(written: f64) -> Option<Price> {
        let american = (100.0..=1_000_000.0).contains(&written.abs());
        let decimal = written > 1.0 && written < 100.0;
        (american || decimal).then(|| Price((written * 1000.0).round() as i32))
    }
    /// The probability at which this price breaks even, 0–1, the book's margin included.
    pub fn implied_probability(self) -> f64 {
        let price = f64::from(self.0) / 1000.0;
        match price {
            p if p >= 100.0 => 100.0 / (p + 100.0),
            p if p <= -100.0 => -p / (100.0 - p),
            decimal => 1.0 / decimal,
        }
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
    fn prices_of_both_notations_imply_the_same_probability() {
        let p = |written| Price::new(written).unwrap().implied_probability();
        assert!((p(-120.0) - 0.545454).abs() < 1e-5);
        assert!((p(105.0) - 0.487804).abs() < 1e-5);
        assert!((p(2.05) - 0.487804).abs() < 1e-5);
        for not_a_price in [0.0, 1.0, -1.5, -99.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Price::new(not_a_price), None, "{not_a_price}");
        }
    }
}
