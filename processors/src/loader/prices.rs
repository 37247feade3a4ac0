//! Prices and lines of the bookmakers.
//!
//! Invariant: a line is never rounded; a price is stored in the notation of the book.
//! Not here: probabilities and margins.
use super::cell::Cell;
use schemas::units::{Line, Price};

/// Parses an American price (100 or more, −100 or less) or a decimal one (between 1 and 100).
pub fn price(cell: &Cell, field: &str) -> Result<Price, String> {
    Price::new(cell.number(field)?).ok_or_else(|| cell.type_error(field, "an American or decimal price"))
}

/// Parses a line in points: at least half a point, with at most two decimals.
pub fn line(cell: &Cell, field: &str) -> Result<Line, String> {
    let hundredths = cell.number(field)? * 100.0;
    let is_exact = (hundredths - hundredths.round()).abs() < 1e-6;
    if is_exact && (50.0..=30_000.0).contains(&hundredths) {
        Ok(Line(hundredths.round() as i32))
    } else {
        Err(cell.type_error(field, "a line from 0.5 to 300 points with at most two decimals"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_exact_to_the_hundredth_is_rejected() {
        assert_eq!(line(&Cell::Fraction(24.5), "point"), Ok(Line(2450)));
        assert_eq!(line(&Cell::Integer(25), "point"), Ok(Line(2500)));
        for bad in [24.505, -0.5, 0.0, 301.0, f64::NAN] {
            assert!(line(&Cell::Fraction(bad), "point").is_err(), "{bad}");
        }
    }
    #[test]
    fn a_price_that_is_neither_american_nor_decimal_is_rejected() {
        assert!(
            price(&Cell::Integer(-110), "price").is_ok() && price(&Cell::Fraction(1.91), "price").is_ok()
        );
        assert_eq!(
            price(&Cell::Integer(0), "price"),
            Err("price: found 0, expected an American or decimal price".to_owned())
        );
    }
}
