//! Shooting percentages in the payloads.
//!
//! Invariant: the percentage is `None` if there were no attempts.
//! Not here: the counts (`play`).

/// Returns made shots divided by attempts, rounded to a number of decimals; `None` without attempts.
pub(super) fn percentage(made: i32, attempted: i32, decimals: i32) -> Option<f64> {
    let scale = 10f64.powi(decimals);
    (attempted > 0).then(|| (f64::from(made) / f64::from(attempted) * scale).round() / scale)
}
