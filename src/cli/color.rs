//! Colors of words that state a result, on a terminal.
//!
//! Invariant: without the colors, the text is the same. There are none if standard output is no terminal, or if the variable `NO_COLOR` is set
//! (<https://no-color.org>).
//! Not here: tables (`output`).
use std::{borrow::Cow, io::IsTerminal};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const END: &str = "\u{1b}[0m";

/// The colored words: statuses of processors, verdicts of `audit`, and the marks of `doctor`.
const COLORS: [(&str, &str); 12] = [
    ("✔", GREEN),
    ("✘", RED),
    ("ok", GREEN),
    ("idle", GREEN),
    ("balanced", GREEN),
    ("catching_up", YELLOW),
    ("unknown", YELLOW),
    ("stopped", YELLOW),
    ("falling_behind", RED),
    ("stalled", RED),
    ("rewound", RED),
    ("losing_data", RED),
];

/// Colors the words of a text if standard output is a terminal that is to have colors.
pub fn color(text: Cow<'_, str>) -> Cow<'_, str> {
    let has_no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if has_no_color || !std::io::stdout().is_terminal() { text } else { Cow::Owned(colored(&text)) }
}

/// Colors the cells of a table, which have two spaces or an end of the line on both sides: the same word in a sentence has no color.
fn colored(text: &str) -> String {
    let colored_cell = |cell: &str| {
        let word = cell.trim_matches(' ');
        match COLORS.iter().find(|(colored, _)| *colored == word) {
            Some((_, color)) => cell.replacen(word, &format!("{color}{word}{END}"), 1),
            None => cell.to_owned(),
        }
    };
    let colored_line = |line: &str| line.split("  ").map(colored_cell).collect::<Vec<_>>().join("  ");
    text.split('\n').map(colored_line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cells_of_a_table_are_colored_and_sentences_are_not() {
        let text = " games    stalled    is stalled\n ✔  the log\n all is ok\n slate  ok      -";
        let expected = format!(
            " games    {RED}stalled{END}    is stalled\n {GREEN}✔{END}  the log\n all is ok\n slate  {GREEN}ok{END}      -"
        );
        assert_eq!(colored(text), expected);
    }
}
