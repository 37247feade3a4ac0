//! The date of a game, as the request key of its fetch states it.
//!
//! Invariant: a date in a key is eight digits, or four, two and two digits with equal separators: `20240117`, `2024-01-17`. A key that
//! states two different dates states none.
//! Not here: the time of a report (`request_time`).
use super::dates::is_in_range;
use schemas::units::EasternDate;

/// Returns the only date that a request key states.
pub fn requested_day(key: &str) -> Option<EasternDate> {
    let runs = digit_runs(key);
    let compact = runs.iter().filter_map(|(_, run)| {
        let (year, month_day) = run.split_at_checked(4).filter(|_| run.len() == 8)?;
        let (month, day) = month_day.split_at_checked(2)?;
        parse(year, month, day)
    });
    let separated = runs.windows(3).filter_map(|parts| {
        let [(year_at, year), (month_at, month), (day_at, day)] = *parts else { return None };
        let separators = [key.get(year_at + year.len()..month_at)?, key.get(month_at + month.len()..day_at)?];
        let is_date = (year.len(), month.len(), day.len()) == (4, 2, 2)
            && separators[0] == separators[1]
            && matches!(separators[0], "-" | "_" | "/");
        if is_date { parse(year, month, day) } else { None }
    });
    let mut days: Vec<EasternDate> = compact.chain(separated).filter(is_in_range).collect();
    days.dedup();
    match days[..] {
        [day] => Some(day),
        _ => None,
    }
}

/// Returns the longest runs of digits, each with its position.
fn digit_runs(text: &str) -> Vec<(usize, &str)> {
    let mut runs = Vec::new();
    let mut rest_at = 0;
    for run in text.split(|character: char| !character.is_ascii_digit()) {
        if !run.is_empty() {
            runs.push((rest_at, run));
        }
        let after = rest_at + run.len();
        let separator = text.get(after..).and_then(|rest| rest.chars().next());
        rest_at = after + separator.map_or(0, char::len_utf8);
    }
    runs
}

fn parse(year: &str, month: &str, day: &str) -> Option<EasternDate> {
    EasternDate::from_ymd(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_in_every_notation_and_a_game_id_or_two_dates_are_none() {
        let date = "2024-01-17".parse().ok();
        for (key, expected) in [
            ("0022300577/2024-01-17", date),
            ("é/0022300577&date=20240117", date),
            ("2024_01_17", date),
            ("box-scores/2024/01/17/0022300577", date),
            ("20240117/NYKBOS 2024-01-17", date),
            ("0022300577", None),
            ("", None),
            ("2024-01-17..2024-01-18", None),
            ("2024-01/17", None),
            ("2024-13-17", None),
            ("99990117", None),
            ("120240117", None),
        ] {
            assert_eq!(requested_day(key), expected, "{key}");
        }
    }
}
