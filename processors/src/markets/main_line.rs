//! Selects the main line of one book, from all lines that it offers for a player, and the main line of the market, from those of all books.
//!
//! Invariant: only a line with both prices can be a main line; every choice has a tie-break, so the result depends on the content alone.
//! Not here: the selection of quotes (`quotes`).
use schemas::{Line, observation::QuoteLine};

/// A book's main line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MainLine {
    pub line: Line,
    /// Probability of over, 0–1. The probabilities implied by the two prices are divided by their sum, which removes the book's margin.
    pub no_vig_over: f64,
}

/// Of the lines with prices for both over and under, returns the one whose no-vig probability is nearest 0.5; on a tie, the lower line.
pub fn for_ladder(ladder: &[QuoteLine]) -> Option<MainLine> {
    let candidates = ladder.iter().filter_map(|quote| {
        let (over, under) = (quote.over?.implied_probability(), quote.under?.implied_probability());
        Some(MainLine { line: quote.line, no_vig_over: over / (over + under) })
    });
    let distance = |main: &MainLine| (main.no_vig_over - 0.5).abs();
    candidates.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.line.cmp(&b.line)))
}

/// Returns the lower median of the books' main lines, with the mean no-vig probability of those books whose main line it is.
pub fn for_market(books: &[MainLine]) -> Option<MainLine> {
    let mut lines: Vec<Line> = books.iter().map(|main| main.line).collect();
    lines.sort_unstable();
    let line = *lines.get((lines.len().checked_sub(1)?) / 2)?;
    let (mut count, mut sum) = (0.0, 0.0);
    for main in books.iter().filter(|main| main.line == line) {
        (count, sum) = (count + 1.0, sum + main.no_vig_over);
    }
    Some(MainLine { line, no_vig_over: sum / count })
}

/// Returns the book to which a bookmaker key of the odds source belongs; two keys may belong to the same book.
pub fn book(key: &str) -> &str {
    match key {
        "betrivers" | "unibet" | "unibet_us" => "betrivers",
        other => other,
    }
}

/// True if the book of a bookmaker key has other keys, too.
pub fn has_several_keys(key: &str) -> bool {
    book(key) == "betrivers"
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Price;

    fn quote(line: i32, over: f64, under: f64) -> QuoteLine {
        QuoteLine { line: Line(line), over: Price::new(over), under: Price::new(under) }
    }
    #[test]
    fn the_main_line_of_a_ladder_is_the_most_even_one_and_on_a_tie_the_lower() {
        let ladder = [quote(2250, -150.0, 120.0), quote(2350, -110.0, -110.0), quote(2450, -110.0, -110.0)];
        assert_eq!(for_ladder(&ladder).unwrap().line, Line(2350));
        assert_eq!(for_ladder(&ladder).unwrap().no_vig_over, 0.5);
    }
    #[test]
    fn a_line_with_one_price_is_not_a_main_line() {
        assert_eq!(
            for_ladder(&[QuoteLine { line: Line(2350), over: Price::new(-110.0), under: None }]),
            None
        );
        assert_eq!(for_market(&[]), None);
    }
    #[test]
    fn the_main_line_of_the_market_is_the_lower_median() {
        let main = |line| MainLine { line: Line(line), no_vig_over: 0.5 };
        assert_eq!(for_market(&[main(2450), main(2350), main(2550), main(2350)]).unwrap().line, Line(2350));
        assert_eq!(for_market(&[main(2450), main(2350), main(2550)]).unwrap().line, Line(2450));
    }
}
