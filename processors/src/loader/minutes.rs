//! Playing time in the notations of the sources.
//!
//! Invariant: missing minutes are `None` and zero minutes are zero; the meaning of zero differs by feed.
//! Not here: whether a player without minutes played in the game (the file of each feed).
use super::cell::Cell;
use schemas::units::PlayingTime;

/// The longest accepted playing time, which is longer than a game with five overtimes.
const MAX_SECONDS: f64 = 100.0 * 60.0;

/// Parses `34:12`, `PT34M12.00S`, `"34"`, `34` and `34.2`; `None` for a blank cell.
pub fn playing_time(cell: &Cell, field: &str) -> Result<Option<PlayingTime>, String> {
    let seconds = match cell {
        _ if cell.is_blank() => return Ok(None),
        Cell::Integer(minutes) => Some(*minutes as f64 * 60.0),
        Cell::Fraction(minutes) => Some(minutes * 60.0),
        Cell::Text(text) => parse_seconds(text.trim()),
        _ => None,
    };
    match seconds.filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds)) {
        Some(seconds) => Ok(Some(PlayingTime(seconds.round() as i32))),
        None => Err(cell.type_error(field, "minutes from 0 to 100")),
    }
}

/// Parses a team's playing time, the sum of its players, in whole seconds; `None` if it is not legible.
pub fn team_seconds(cell: &Cell) -> Option<i64> {
    let seconds = match cell {
        Cell::Integer(minutes) => *minutes as f64 * 60.0,
        Cell::Text(text) => parse_seconds(text.trim())?,
        _ => return None,
    };
    (0.0..=MAX_SECONDS * 10.0).contains(&seconds).then_some(seconds as i64)
}

fn parse_seconds(text: &str) -> Option<f64> {
    if let Some(clock) = text.strip_prefix("PT") {
        let (minutes, rest) = clock.split_once('M')?;
        let seconds = if rest.is_empty() { 0.0 } else { parse_unsigned(rest.strip_suffix('S')?)?.floor() };
        return (seconds < 60.0).then_some(parse_unsigned(minutes)?.mul_add(60.0, seconds));
    }
    match text.split_once(':') {
        Some((minutes, seconds)) => {
            let seconds = parse_unsigned(seconds)?;
            (seconds < 60.0).then_some(parse_unsigned(minutes)?.mul_add(60.0, seconds))
        }
        None => Some(parse_unsigned(text)? * 60.0),
    }
}

/// Parses a number that consists of digits and a decimal point; rejects a sign, an exponent and "inf".
fn parse_unsigned(text: &str) -> Option<f64> {
    let is_unsigned = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_unsigned.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn text(written: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(written))
    }

    #[test]
    fn minutes_are_parsed_in_five_notations() {
        for (cell, seconds) in [
            (text("34:12"), 2052),
            (text("05:03"), 303),
            (text("PT34M12.00S"), 2052),
            (text("PT34M12S"), 2052),
            (text("PT34M"), 2040),
            (text("34"), 2040),
            (text("34.2"), 2052),
            (Cell::Integer(34), 2040),
            (Cell::Fraction(34.2), 2052),
        ] {
            assert_eq!(playing_time(&cell, "MIN"), Ok(Some(PlayingTime(seconds))), "{cell}");
        }
    }
    #[test]
    fn missing_minutes_are_not_zero_minutes() {
        for blank in [Cell::Absent, Cell::Null, text(""), text(" ")] {
            assert_eq!(playing_time(&blank, "MIN"), Ok(None));
        }
        for zero in [text("00"), text("0"), text("0:00"), Cell::Integer(0), Cell::Fraction(0.0)] {
            assert_eq!(playing_time(&zero, "MIN"), Ok(Some(PlayingTime(0))), "{zero}");
        }
    }
    #[test]
    fn a_value_that_is_not_a_playing_time_is_rejected_with_its_field() {
        for bad in ["-3", "12:75", "PT12S", "PTM", "101", "1e1", "inf", "DNP", ":", "1:2:3", "é:1"] {
            let reason = playing_time(&text(bad), "MIN").unwrap_err();
            assert!(reason.starts_with("MIN: found ") && reason.contains(bad), "{reason}");
        }
        for bad in [Cell::Integer(-1), Cell::Fraction(f64::NAN), Cell::Bool(true), Cell::Nested] {
            assert!(playing_time(&bad, "MIN").is_err(), "{bad}");
        }
    }
}
