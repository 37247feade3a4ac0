//! The time of a report, as the request key of its fetch states it.
//!
//! Scrapers name a report by its file or by its time, for example `Injury-Report_2025-12-22_05_45PM` or `20251222-1745`.
//! Invariant: a time in a key is a day and a clock with hour and minute after it, or a parameter with the name `minute`. A clock with seconds is the time of a fetch, and a clock
//! without minutes states none, so neither is used.
//! Not here: the time that the report states itself (`report_time`).
use schemas::units::EasternDate;

/// The hour and the minute of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub hour: i8,
    pub minute: i8,
    /// True if it may be a 12-hour clock that does not state whether it is before or after noon.
    pub is_ambiguous: bool,
}

/// Returns the clock that a request key states after this day; `None` if it states none.
pub fn requested_clock(key: &str, date: EasternDate) -> Option<Clock> {
    let day = date.to_string();
    let notations = [day.clone(), day.replace('-', ""), day.replace('-', "_"), day.replace('-', "/")];
    notations.iter().find_map(|notation| {
        key.match_indices(notation.as_str()).find_map(|(start, _)| {
            let (before, from_day) = key.split_at_checked(start)?;
            let after = from_day.strip_prefix(notation.as_str())?;
            let is_whole = !before.ends_with(is_digit) && !after.starts_with(is_digit);
            is_whole.then(|| clock(after)).flatten()
        })
    })
}

/// Returns the minute that a key of the form `gamedate=20251222&hour24=17&minute=45` states.
pub fn requested_minute(key: &str) -> Option<i8> {
    key.split(['?', '&', ';', ',', ' ']).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let minute = value.parse().ok().filter(|minute| (0..=59).contains(minute));
        minute.filter(|_| matches!(name, "minute" | "minutes"))
    })
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}
fn is_separator(character: char) -> bool {
    !character.is_alphanumeric()
}

/// Parses the clock at the beginning of the text after a day: `_05_45PM`, `T17:45`, `-1745`.
fn clock(text: &str) -> Option<Clock> {
    let text = text.trim_start_matches(is_separator);
    let (first, rest) = split_digits(text.strip_prefix(['T', 't']).unwrap_or(text));
    let (hour, minute, rest) = match first.len() {
        1 | 2 => {
            let (minute, rest) = split_digits(rest.strip_prefix(is_separator)?);
            (first, minute, rest)
        }
        4 => (first.get(..2)?, first.get(2..)?, rest),
        _ => return None,
    };
    let has_seconds = rest.strip_prefix(is_separator).is_some_and(|rest| split_digits(rest).0.len() == 2);
    if minute.len() != 2 || has_seconds {
        return None;
    }
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    let noon = half_of_day(rest.trim_start_matches(is_separator));
    let hour = match noon {
        Some(offset) => (1..=12).contains(&hour).then(|| hour % 12 + offset)?,
        None => hour,
    };
    let is_valid = (0..=23).contains(&hour) && (0..=59).contains(&minute);
    is_valid.then_some(Clock { hour, minute, is_ambiguous: noon.is_none() && (1..=12).contains(&hour) })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|character| !is_digit(character)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Returns 0 if the text begins with AM, 12 if it begins with PM.
fn half_of_day(text: &str) -> Option<i8> {
    let (word, rest) = text.split_at_checked(2)?;
    let offset = match word.to_ascii_uppercase().as_str() {
        "AM" => 0,
        "PM" => 12,
        _ => return None,
    };
    (!rest.starts_with(char::is_alphanumeric)).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn requested(key: &str) -> Option<(i8, i8)> {
        let clock = requested_clock(key, "2025-12-22".parse().unwrap())?;
        Some((clock.hour, clock.minute))
    }

    #[test]
    fn a_clock_after_the_day_is_read_in_every_notation() {
        for key in [
            "20251222-1745",
            "20251222_1745",
            "20251222T1745",
            "20251222/17/45",
            "2025-12-22T17:45",
            "2025-12-22 17:45",
            "2025-12-22_17-45",
            "2025/12/22/17-45",
            "2025_12_22 1745 page 2",
            "Injury-Report_2025-12-22_05_45PM.pdf",
            "Injury-Report_2025-12-22_0545PM",
            "report 2025-12-22 5:45 pm (ET)",
            "date=20251222&time=17:45; date=2025-12-22T17:45",
        ] {
            assert_eq!(requested(key), Some((17, 45)), "{key}");
        }
        assert_eq!(requested("2025-12-22_12_15AM"), Some((0, 15)));
        assert_eq!(requested("2025-12-22_12_15PM"), Some((12, 15)));
    }
    #[test]
    fn a_key_that_states_no_minute_of_this_day_states_no_clock() {
        for key in [
            "",
            "20251222",
            "20251222-17",
            "2025-12-22_05PM",
            "20251223-1745",
            "120251222-1745",
            "20251222174500",
            "20251222-174503",
            "2025-12-22T17:45:03Z",
            "2025-12-22T24:10",
            "2025-12-22T17:60",
            "2025-12-22_13_15PM",
            "20251222-page-1745",
        ] {
            assert_eq!(requested(key), None, "{key}");
        }
    }
    proptest! {
        #[test]
        fn no_key_causes_a_panic(
            parts in prop::collection::vec(
                prop::sample::select(&["20251222", "2025-12-22", "17", "45", "1745", "_", "-", ":", "T", "PM", "é", "\u{0}", "٤"][..]), 0..8),
            any in ".{0,20}",
        ) {
            for key in [parts.concat(), any] {
                prop_assert!(requested_minute(&key).is_none_or(|minute| (0..=59).contains(&minute)));
                if let Some((hour, minute)) = requested(&key) {
                    prop_assert!((0..=23).contains(&hour) && (0..=59).contains(&minute));
                }
            }
        }
    }
}
