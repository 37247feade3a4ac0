//! Main lines: which line of a ladder is the book's, and which of the books' is the market's.
//!
//! Invariant: only a line with both sides can be a main line; every choice has a stated tie-break, so content decides alone.
//! Not here: which quotes count (facts).
use schemas::{Line, observation::QuoteLine};

/// A book's main line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MainLine {
    pub line: Line,
    /// Probability of going over with the book's margin removed proportionally, 0–1.
    pub no_vig_over: f64,
}

/// The line with both sides whose no-vig probability is nearest 0.5; ties to the lower line.
pub fn for_ladder(ladder: &[QuoteLine]) -> Option<MainLine> {
    let both = ladder.iter().filter_map(|quote| {
        let (over, under) = (quote.over?.implied_probability(), quote.under?.implied_probability());
        Some(MainLine { line: quote.line, no_vig_over: over / (over + under) })
    });
    let distance = |main: &MainLine| (main.no_vig_over - 0.5).abs();
    both.min_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.line.cmp(&b.line)))
}

/// The lower median of the books' main lines, and the mean no-vig probability of the books that have it.
pub fn for_market(books: &[MainLine]) -> Option<MainLine> {
    let mut lines: Vec<Line> = books.iter().map(|main| main.line).collect();
    lines.sort_unstable();
    let line = *lines.get((lines.len().checked_sub(1)?) / 2)?;
    let (mut n, mut sum) = (0.0, 0.0);
    for main in books.iter().filter(|main| main.line == line) {
        (n, sum) = (n + 1.0, sum + main.no_vig_over);
    }
    Some(MainLine { line, no_vig_over: sum / n })
}

/// The book under which a feed is counted.
pub fn book(key: &str) -> &str {
    match key {
        "betrivers" | "unibet" | "unibet_us" => "betrivers",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::Price;

    fn quote(line: i32, over: f64, under: f64) -> QuoteLine {
        QuoteLine { line: Line(line), over: Price::new(over), under: Price::new(under) }
    }
    #[test]
    fn a_ladders_main_line_is_the_most_even_one_and_the_lower_on_a_tie() {
        let ladder = [quote(2250, -150.0, 120.0), quote(2350, -110.0, -110.0), quote(2450, -110.0, -110.0)];
        assert_eq!(for_ladder(&ladder).unwrap().line, Line(2350));
        assert_eq!(for_ladder(&ladder).unwrap().no_vig_over, 0.5);
    }
    #[test]
    fn a_line_with_one_side_is_nobodys_main_line() {
        assert_eq!(
            for_ladder(&[QuoteLine { line: Line(2350), over: Price::new(-110.0), under: None }]),
            None
        );
        assert_eq!(for_market(&[]), None);
    }
    #[test]
    fn the_market_takes_the_lower_median() {
        let main = |line| MainLine { line: Line(line), no_vig_over: 0.5 };
        assert_eq!(for_market(&[main(2450), main(2350), main(2550), main(2350)]).unwrap().line, Line(2350));
        assert_eq!(for_market(&[main(2450), main(2350), main(2550)]).unwrap().line, Line(2450));
    }
}
