//! The time of an injury report: an Eastern day with an hour and a minute, as a scraper read them from the name of the report.
//!
//! Invariant: a time that is not legible rejects the report, by the name of the field: without its time, a report cannot be ordered
//! among the other reports for the same game.
//! Not here: the rows of a report (`nbacom_injury_report`).
use super::{cell::Cell, dates};
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
    /// Returns the time of the report: the hour from its 12-hour clock or its 24-hour clock (if it has both, they must agree), and the minute,
    /// which is 0 if the report has none.
    pub fn instant(&self) -> Result<Timestamp, String> {
        let ReportTime { gamedate, hour: hour12, period, hour24, minute } = self;
        let date = dates::compact_day(gamedate, "gamedate")?;
        let from_hour12 = if hour12.is_blank() || period.is_blank() {
            None
        } else {
            Some(twelve_hour_clock(hour12, period)?)
        };
        let from_hour24 =
            if hour24.is_blank() { None } else { Some(number(hour24, "hour24", "an hour", 0..=23)?) };
        let minute = if minute.is_blank() { 0 } else { number(minute, "minute", "a minute", 0..=59)? };
        match (from_hour12, from_hour24) {
            (Some(a), Some(b)) if a != b => Err(hour24
                .type_error("hour24", &format!("{a}; hour24 contradicts hour {hour12} and period {period}"))),
            (Some(hour), _) | (None, Some(hour)) => Ok(date.at(hour, minute)),
            (None, None) => {
                Err(hour24.type_error("hour24", "an hour from 0 to 23, because hour or period is blank"))
            }
        }
    }
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
            metadata.instant().map(|instant| instant.to_string())
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
            metadata.instant().map(|instant| instant.to_string())
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
}
