//! The time of an injury report: an Eastern day with an hour and a minute, as a scraper read them from the name of the report.
//!
//! Invariant: a time that is not legible, or before 2000, rejects the report, by the name of the field: without its time, a report cannot be
//! ordered among the other reports for the same game. For what the metadata lacks, the request key is used, if it states it.
//! Not here: the notations of a request key (`request_time`), the rows of a report (`nbacom_injury_report`).
use super::{
    cell::Cell,
    dates,
    request_time::{Clock, requested_clock, requested_minute},
};
use schemas::units::Timestamp;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The time in the metadata of an injury report.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ReportTime<'a> {
    #[serde(borrow)]
    gamedate: Cell<'a>,
    #[serde(borrow)]
    hour: Cell<'a>,
    #[serde(borrow)]
    period: Cell<'a>,
    #[serde(borrow)]
    hour24: Cell<'a>,
    /// The minute of the hour. Reports of earlier seasons, which came every hour, lack it.
    #[serde(borrow, alias = "minutes")]
    minute: Cell<'a>,
}
impl ReportTime<'_> {
    /// Returns the time of the report: the hour from its 12-hour clock or its 24-hour clock (if it has both, they must agree), and the minute.
    /// The clock of the request key is used for a minute or hour that the metadata lacks, unless its hour contradicts the metadata. The
    /// minute is 0 if neither states it.
    pub fn instant(&self, request_key: &str) -> Result<Timestamp, String> {
        let ReportTime { gamedate, hour: hour12, period, hour24, minute } = self;
        let date = dates::since_2000(dates::compact_day(gamedate, "gamedate")?, gamedate, "gamedate")?;
        let requested = requested_clock(request_key, date);
        let from_hour12 = if hour12.is_blank() || period.is_blank() {
            None
        } else {
            Some(twelve_hour_clock(hour12, period)?)
        };
        let from_hour24 =
            if hour24.is_blank() { None } else { Some(number(hour24, "hour24", "an hour", 0..=23)?) };
        let minute =
            if minute.is_blank() { None } else { Some(number(minute, "minute", "a minute", 0..=59)?) };
        let hour = match (from_hour12, from_hour24) {
            (Some(a), Some(b)) if a != b => {
                let expected = format!("{a}; hour24 contradicts hour {hour12} and period {period}");
                return Err(hour24.type_error("hour24", &expected));
            }
            (Some(hour), _) | (None, Some(hour)) => hour,
            (None, None) => requested.map(|clock| clock.hour).ok_or_else(|| {
                hour24.type_error("hour24", "an hour from 0 to 23, because hour or period is blank")
            })?,
        };
        let requested = requested.filter(|clock| is_at_hour(clock, hour)).map(|clock| clock.minute);
        let minute = minute.or(requested).or_else(|| requested_minute(request_key)).unwrap_or(0);
        Ok(date.at(hour, minute))
    }
}

/// True if the clock can be in this hour of the 24-hour clock.
fn is_at_hour(clock: &Clock, hour: i8) -> bool {
    clock.hour == hour || (clock.is_ambiguous && clock.hour % 12 == hour % 12)
}

fn twelve_hour_clock(hour12: &Cell, period: &Cell) -> Result<i8, String> {
    let hour = number(hour12, "hour", "an hour", 1..=12)? % 12;
    match period.text("period")? {
        "AM" => Ok(hour),
        "PM" => Ok(hour + 12),
        _ => Err(period.type_error("period", "AM or PM")),
    }
}

fn number(cell: &Cell, field: &str, unit: &str, range: RangeInclusive<i8>) -> Result<i8, String> {
    let number = match cell {
        Cell::Text(text) => text.trim().parse().ok(),
        cell => cell.integer(field).ok().and_then(|number| i8::try_from(number).ok()),
    };
    let number = number.filter(|number| range.contains(number));
    number.ok_or_else(|| cell.type_error(field, &format!("{unit} from {} to {}", range.start(), range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn twelve_pm_is_noon_and_twelve_am_is_midnight() {
        let text = |written| Cell::Text(Cow::Borrowed(written));
        let time = |hour, period, hour24| {
            let (hour, period, hour24) = (text(hour), text(period), text(hour24));
            let metadata =
                ReportTime { gamedate: text("20240104"), hour, period, hour24, minute: Cell::Absent };
            metadata.instant("").map(|instant| instant.to_string())
        };
        assert_eq!(time("12", "PM", "12").unwrap(), "2024-01-04T17:00:00Z");
        assert_eq!(time("12", "AM", "0").unwrap(), "2024-01-04T05:00:00Z");
        assert_eq!(time("05", "PM", "").unwrap(), "2024-01-04T22:00:00Z");
        assert_eq!(time("", "", "17").unwrap(), "2024-01-04T22:00:00Z");
        assert!(time("05", "PM", "5").is_err() && time("", "", "").is_err() && time("13", "PM", "").is_err());
    }
    #[test]
    fn the_minute_of_a_report_is_part_of_its_time_and_an_illegible_one_is_rejected_by_name() {
        let time = |minute| {
            let (gamedate, hour24) = (Cell::Text(Cow::Borrowed("20240104")), Cell::Integer(17));
            let metadata = ReportTime { gamedate, hour24, minute, ..ReportTime::default() };
            metadata.instant("").map(|instant| instant.to_string())
        };
        let text = |written| Cell::Text(Cow::Borrowed(written));
        for minute in [text("45"), Cell::Integer(45), Cell::Fraction(45.0)] {
            assert_eq!(time(minute).unwrap(), "2024-01-04T22:45:00Z");
        }
        for minute in [text(""), Cell::Null, Cell::Absent, text("00")] {
            assert_eq!(time(minute).unwrap(), "2024-01-04T22:00:00Z");
        }
        for minute in [text("60"), text("-1"), text("quarter"), Cell::Integer(300), Cell::Nested] {
            let reason = time(minute).unwrap_err();
            assert!(reason.starts_with("minute: found "), "{reason}");
        }
    }
    #[test]
    fn a_minute_or_hour_that_the_metadata_lacks_is_taken_from_the_request_key() {
        let text = |written| Cell::Text(Cow::Borrowed(written));
        let time = |hour24, minute, key: &str| {
            let metadata = ReportTime { gamedate: text("20240104"), hour24, minute, ..ReportTime::default() };
            metadata.instant(key).map(|instant| instant.to_string())
        };
        for (hour24, minute, key, expected) in [
            (Cell::Integer(17), Cell::Absent, "20240104-1745", "22:45"),
            (Cell::Integer(17), Cell::Null, "Injury-Report_2024-01-04_05_45PM", "22:45"),
            (Cell::Integer(17), Cell::Absent, "20240104-0545", "22:45"),
            (Cell::Absent, Cell::Absent, "2024-01-04T17:45", "22:45"),
            (Cell::Integer(17), Cell::Integer(15), "20240104-1745", "22:15"),
            (Cell::Integer(17), Cell::Integer(0), "20240104-1745", "22:00"),
            (Cell::Integer(17), Cell::Absent, "20240104-1845", "22:00"),
            (Cell::Integer(17), Cell::Absent, "2024-01-04_05_45AM", "22:00"),
            (Cell::Integer(17), Cell::Absent, "20240105-1745", "22:00"),
            (Cell::Integer(17), Cell::Absent, "gamedate=20240104&hour24=17&minute=45", "22:45"),
            (Cell::Integer(17), Cell::Absent, "20240104", "22:00"),
        ] {
            assert_eq!(time(hour24, minute, key).unwrap(), format!("2024-01-04T{expected}:00Z"), "{key}");
        }
        assert!(time(Cell::Absent, Cell::Absent, "20240104").is_err());
    }
    #[test]
    fn a_report_before_2000_is_rejected_with_the_range() {
        let time = |date| {
            let gamedate = Cell::Text(Cow::Borrowed(date));
            ReportTime { gamedate, hour24: Cell::Integer(0), ..ReportTime::default() }.instant("")
        };
        for (date, reason) in [
            ("19690104", "gamedate: found \"19690104\", expected a date from 2000-01-01 on"),
            ("19991231", "gamedate: found \"19991231\", expected a date from 2000-01-01 on"),
            ("99991231", "gamedate: found \"99991231\", expected a date from 1900-01-01 to 2199-12-31"),
        ] {
            assert_eq!(time(date).unwrap_err(), reason);
        }
        assert!(time("20000101").is_ok());
    }
}
