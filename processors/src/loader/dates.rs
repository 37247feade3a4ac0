//! Dates and times in the notations of the sources.
//!
//! Invariant: a day is parsed as written, and a time zone after it is ignored: nba.com writes a wrong Z after Eastern times, and a birthday
//! must not be converted to another time zone. Every day, instant and season is in the years 1900 to 2199; all others are rejected, because
//! no game or birthday is outside them and because only years of four digits can be read in every text form. The own time of a report or
//! of a quote is not before 2000, like that of a fetch.
//! Not here: the Eastern day of an instant (`schemas::units`).
use super::{cell::Cell, fetch_time::EARLIEST};
use schemas::units::{EasternDate, Season, Timestamp};

const FIRST_DAY_OF_2000: EasternDate = EasternDate(10_957);

/// Parses `2023-10-24`; a time after it is ignored.
pub fn day(cell: &Cell, field: &str) -> Result<EasternDate, String> {
    let text = cell.text(field)?;
    let (day, rest) = text.split_at_checked(10).unwrap_or((text, ""));
    let date = day.parse::<EasternDate>().ok().filter(|_| rest.is_empty() || rest.starts_with('T'));
    day_in_range(date, cell, field, "a date like 2023-10-24")
}

/// Parses `01/04/2024`: month, day, year.
pub fn american_day(cell: &Cell, field: &str) -> Result<EasternDate, String> {
    let date = cell.text(field).ok().and_then(|text| {
        let (month, rest) = text.split_once('/')?;
        let (day, year) = rest.split_once('/')?;
        EasternDate::from_ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
    });
    day_in_range(date, cell, field, "a date like 01/04/2024")
}

/// Parses `20240104`: year, month, day.
pub fn compact_day(cell: &Cell, field: &str) -> Result<EasternDate, String> {
    let date = cell
        .text(field)
        .ok()
        .filter(|text| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| {
            let (year, month_day) = text.split_at_checked(4)?;
            let (month, day) = month_day.split_at_checked(2)?;
            EasternDate::from_ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        });
    day_in_range(date, cell, field, "a date like 20240104")
}

/// Returns the date if it is in range; `notation` is what the cell should contain if it is no date.
fn day_in_range(
    date: Option<EasternDate>,
    cell: &Cell,
    field: &str,
    notation: &str,
) -> Result<EasternDate, String> {
    let date = date.ok_or_else(|| cell.type_error(field, notation))?;
    let in_range = Some(date).filter(is_in_range);
    in_range.ok_or_else(|| cell.type_error(field, "a date from 1900-01-01 to 2199-12-31"))
}

/// Returns the date of a report if it is not before 2000.
pub fn since_2000(date: EasternDate, cell: &Cell, field: &str) -> Result<EasternDate, String> {
    let is_later = date >= FIRST_DAY_OF_2000;
    is_later.then_some(date).ok_or_else(|| cell.type_error(field, "a date from 2000-01-01 on"))
}

/// Parses an RFC 3339 timestamp; assumes that its UTC offset is correct.
pub fn instant(cell: &Cell, field: &str) -> Result<Timestamp, String> {
    let text = cell.text(field)?;
    let timestamp = text.parse::<Timestamp>().ok();
    if timestamp.is_none() && !Timestamp::is_too_distant(text) {
        return Err(cell.type_error(field, "a time like 2024-03-02T13:57:53Z"));
    }
    let in_range = timestamp.filter(|timestamp| is_in_range(&utc_day(*timestamp)));
    in_range.ok_or_else(|| cell.type_error(field, "a time from 1900-01-01 to 2199-12-31"))
}

/// Parses the own time of a quote, which is not before 2000.
pub fn instant_since_2000(cell: &Cell, field: &str) -> Result<Timestamp, String> {
    let timestamp = instant(cell, field)?;
    let is_later = timestamp >= EARLIEST;
    is_later.then_some(timestamp).ok_or_else(|| cell.type_error(field, "a time from 2000-01-01 on"))
}

/// Parses a season like `2023-24`.
pub fn season(cell: &Cell, field: &str) -> Result<Season, String> {
    let season = cell.text(field)?.parse::<Season>().map_err(|error| format!("{field}: {error}"))?;
    let is_in_range = (1900..=2199).contains(&season.0);
    is_in_range.then_some(season).ok_or_else(|| cell.type_error(field, "a season from 1900-01 to 2199-00"))
}

/// Returns the UTC day of an instant. The range check uses it instead of the Eastern day, because it is cheaper to compute; the two
/// differ by at most one day.
fn utc_day(timestamp: Timestamp) -> EasternDate {
    let days = timestamp.0.div_euclid(24 * Timestamp::HOUR);
    EasternDate(days.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
}

/// True if the year is from 1900 to 2199, which covers all games and birthdays.
pub fn is_in_range(date: &EasternDate) -> bool {
    (-25_567..84_006).contains(&date.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn text(written: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(written))
    }

    #[test]
    fn a_day_is_the_day_as_written_whatever_time_zone_follows() {
        for written in
            ["2023-10-24", "2023-10-24T00:00:00Z", "2023-10-24T07:00Z", "2023-10-24T23:59:59-08:00"]
        {
            assert_eq!(day(&text(written), "date").unwrap().to_string(), "2023-10-24");
        }
        assert_eq!(american_day(&text("01/04/2024"), "date").unwrap().to_string(), "2024-01-04");
        assert_eq!(compact_day(&text("20240104"), "date").unwrap().to_string(), "2024-01-04");
    }
    #[test]
    fn a_text_that_is_not_a_day_is_rejected() {
        for bad in [
            "2023-02-30",
            "2023-10-24 noon",
            "24.10.2023",
            "",
            "2023-1-1",
            "1899-12-31",
            "2200-01-01",
            "2023-10-2é",
        ] {
            assert!(day(&text(bad), "date").is_err(), "{bad}");
        }
        assert!(day(&text("1900-01-01"), "date").is_ok() && day(&text("2199-12-31"), "date").is_ok());
        assert!(american_day(&text("13/04/2024"), "date").is_err());
        assert!(compact_day(&text("2024010é"), "date").is_err());
        assert!(instant(&text("2024-03-02T13:57:53"), "time").is_err());
    }
    #[test]
    fn a_date_outside_the_years_1900_to_2199_is_rejected_in_every_notation() {
        for bad in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "-009999-01-02T00:00:00Z"] {
            assert!(day(&text(bad), "date").is_err() && instant(&text(bad), "time").is_err(), "{bad}");
        }
        assert!(american_day(&text("01/01/0000"), "date").is_err());
        assert!(american_day(&text("12/31/9999"), "date").is_err());
        assert!(compact_day(&text("99991231"), "date").is_err());
        for bad in ["9999-00", "0000-01", "-999-02"] {
            assert!(season(&text(bad), "Season").is_err(), "{bad}");
        }
        let expected = |kind: &str, written: &str| {
            format!("date: found {written:?}, expected a {kind} from 1900-01-01 to 2199-12-31")
        };
        for far in ["0000-01-01", "1899-12-31T12:00:00Z", "2200-01-01", "9999-12-31"] {
            assert_eq!(day(&text(far), "date").unwrap_err(), expected("date", far));
        }
        assert_eq!(american_day(&text("12/31/9999"), "date").unwrap_err(), expected("date", "12/31/9999"));
        assert_eq!(compact_day(&text("00000101"), "date").unwrap_err(), expected("date", "00000101"));
        for far in ["1899-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "9999-12-31T23:30:00-05:00"] {
            assert_eq!(instant(&text(far), "date").unwrap_err(), expected("time", far));
        }
        for early in ["1969-12-31T23:59:59Z", "1999-12-31T23:59:59Z"] {
            let reason = instant_since_2000(&text(early), "last_update").unwrap_err();
            assert!(reason.ends_with("expected a time from 2000-01-01 on"), "{reason}");
        }
        assert!(instant_since_2000(&text("2000-01-01T00:00:00Z"), "last_update").is_ok());
        assert_eq!(season(&text("1999-00"), "Season"), Ok(Season(1999)));
    }
}
