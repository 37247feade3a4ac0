//! Numbers: rounding to few digits, the number with the fewest digits between two others, quantiles.
//!
//! Invariant: every function uses only exact operations (formatting, parsing, comparing), so its result is the same on every machine.
//! Not here: what the numbers are used for.

/// Rounds a finite number to 12 significant decimal digits. A number with so few digits has a short text, and every correct or nearly
/// correct parser reads it back to the same bits.
pub fn significant(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

/// The most significant digits of a threshold. Of a number with more, a parser may read other bits.
const MAX_DIGITS: usize = 15;

/// Returns the number with the fewest decimals in `low ≤ number < high`; `None` if the two are so close that each has more than 15 significant
/// digits.
pub fn shortest_between(low: f64, high: f64) -> Option<f64> {
    let middle = low + (high - low) / 2.0;
    let candidate = |decimals: usize| {
        let text = format!("{middle:.decimals$}");
        let digits = text.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count();
        text.parse::<f64>().ok().filter(|_| digits <= MAX_DIGITS)
    };
    // The sum changes −0 to 0, which has a shorter text.
    let mut candidates = (0..=17).filter_map(candidate).map(|number| number + 0.0);
    candidates.find(|number| low <= *number && *number < high)
}

/// Returns the index, in ascending order, of the quantile of `count` values: of the smallest value that at least the share `quantile` of
/// all values does not exceed. Repeating every value equally often does not change the value at this index.
pub fn quantile_index(count: usize, quantile: f64) -> usize {
    let rank = (quantile * count as f64).ceil() as usize;
    rank.clamp(1, count.max(1)) - 1
}

/// Returns the quantile of values, whose order is changed; 0 if there are none.
pub fn quantile<T: Ord + Copy + Default>(values: &mut [T], quantile: f64) -> T {
    if values.is_empty() {
        return T::default();
    }
    let index = quantile_index(values.len(), quantile);
    *values.select_nth_unstable(index).1
}

/// Returns the median of values, which must be sorted: the lower one of the two in the middle.
pub fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    sorted.get(quantile_index(sorted.len(), 0.5)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rounded_number_reads_back_to_the_same_bits(value in -1e9f64..1e9) {
            let rounded = significant(value);
            let text = serde_json::to_string(&rounded).unwrap();
            let read: f64 = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.to_bits(), rounded.to_bits(), "{}", text);
            prop_assert!((rounded - value).abs() <= 1e-11 * value.abs());
        }
        #[test]
        fn the_number_between_two_is_between_them_and_reads_back(low in -1e6f64..1e6, exponent in -18i32..3) {
            let high = low + 10f64.powi(exponent);
            if let Some(number) = shortest_between(low, high) {
                prop_assert!(low <= number && number < high, "{} {} {}", low, number, high);
                let read: f64 = serde_json::from_str(&serde_json::to_string(&number).unwrap()).unwrap();
                prop_assert_eq!(read.to_bits(), number.to_bits());
            } else {
                prop_assert!(high - low <= 1e-14 * low.abs().max(1.0) * 2.0, "{} {}", low, high);
            }
        }
        #[test]
        fn repeated_values_have_the_same_quantile(values in prop::collection::vec(-50i32..50, 1..40), share in 0.01f64..0.99) {
            let mut twice = [values.clone(), values.clone()].concat();
            prop_assert_eq!(quantile(&mut twice, share), quantile(&mut values.clone(), share));
        }
    }
    #[test]
    fn the_shortest_number_is_taken() {
        assert_eq!(shortest_between(12.3333, 13.875), Some(13.0));
        assert_eq!(shortest_between(0.31, 0.37), Some(0.34));
        assert_eq!(shortest_between(0.0, 1.0), Some(0.0));
        assert_eq!(shortest_between(1.0, 1.0), None);
        assert_eq!(shortest_between(0.1 + 0.2, 0.300_000_000_000_000_1), None);
    }
    #[test]
    fn a_median_is_a_value_of_the_sample() {
        assert_eq!(median_of_sorted(&[1.0, 2.0, 3.0, 4.0]), Some(2.0));
        assert_eq!((median_of_sorted(&[]), quantile::<i32>(&mut [], 0.5)), (None, 0));
    }
}
