//! Which fetch times are possible: the time of a fetch is compared with a clock.
//!
//! A fetch whose time is wrong would be the newest for ever, or the oldest, so its event is refused before it is decoded.
//! Invariant: the clock is an argument. The decision for a stored record is therefore the same whenever the record is read.
//! Not here: which clock that is (the system clock when a line is ingested, the record's timestamp when a loader reads it).
use super::loaded::Reject;
use schemas::{
    Timestamp,
    raw::{RawEvent, RejectCode},
};

/// The clocks of a scraper and of Fastbreak may differ by this number of minutes.
const TOLERANCE_MINUTES: i64 = 5;
/// 2000-01-01T00:00:00Z. No response of a source was fetched before, and no report or quote that is used is older.
pub const EARLIEST: Timestamp = Timestamp(946_684_800_000);

/// Checks the fetch time of an event against a clock; `clock_name` is the name of this clock in the reason.
///
/// # Errors
/// If the event was fetched more than five minutes later than the clock, or before the year 2000.
pub fn check_fetch_time(event: &RawEvent, clock: Timestamp, clock_name: &str) -> Result<(), Reject> {
    let fetched_at = event.fetched_at;
    let reject = |defect: String| Reject {
        code: RejectCode::BadEnvelope,
        reason: format!("fetched_at: {fetched_at} is {defect}"),
    };
    if fetched_at < EARLIEST {
        return Err(reject(format!("before {EARLIEST}")));
    }
    let latest = clock.0.saturating_add(TOLERANCE_MINUTES * Timestamp::HOUR / 60);
    if fetched_at.0 > latest {
        return Err(reject(format!(
            "more than {TOLERANCE_MINUTES} minutes later than {clock_name}, {clock}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::raw::{Feed, FetchOutcome};

    fn event(fetched_at: i64) -> RawEvent {
        let payload = "{}".to_owned();
        RawEvent::new(
            Feed::NbacomSchedule,
            "k".into(),
            Timestamp(fetched_at),
            FetchOutcome::Complete,
            payload,
        )
    }

    proptest! {
        #[test]
        fn a_fetch_is_refused_exactly_if_it_is_before_2000_or_over_five_minutes_later_than_the_clock(
            fetched_at in prop_oneof![any::<i64>(), 946_684_700_000..946_684_900_000_i64],
            ahead in prop_oneof![Just(300_000_i64), Just(300_001), -1_000_000..1_000_000_i64],
        ) {
            let clock = Timestamp(fetched_at.saturating_sub(ahead));
            let is_late = i128::from(fetched_at) - i128::from(clock.0) > 300_000;
            let is_possible = fetched_at >= 946_684_800_000 && !is_late;
            prop_assert_eq!(check_fetch_time(&event(fetched_at), clock, "the clock").is_ok(), is_possible);
        }
    }

    #[test]
    fn the_reason_names_the_fetch_time_and_the_clock() {
        let reject = check_fetch_time(&event(1_800_000_000_000), Timestamp(1_700_000_000_000), "this clock");
        assert_eq!(
            reject.unwrap_err().reason,
            "fetched_at: 2027-01-15T08:00:00Z is more than 5 minutes later than this clock, 2023-11-14T22:13:20Z"
        );
        let reject = check_fetch_time(&event(0), Timestamp(0), "this clock").unwrap_err();
        assert_eq!(reject.code, RejectCode::BadEnvelope);
        assert_eq!(reject.reason, "fetched_at: 1970-01-01T00:00:00Z is before 2000-01-01T00:00:00Z");
    }
}
