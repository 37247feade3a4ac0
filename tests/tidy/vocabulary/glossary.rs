//! Reads the banned terms from the last column of `docs/glossary.md`.
//!
//! An entry is a word or phrase (`word(s)` bans the plural too), with notes in parentheses: `(unless …)` lists phrases that may contain
//! the entry, `(say …)` has another replacement, `(for …)`, `(as a …)` and `(in …)` leave the entry to reviewers.
//! Invariant: a note of any other kind is an error, so that a typing mistake in a note does not disable its entry.
//! Not here: the search for the terms (`search`).

/// Title of the last column in a table that bans terms.
const COLUMN: &str = "never say";

#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The term as it is written in the glossary.
    pub banned: String,
    pub say: String,
    /// Phrases in which the term is allowed.
    pub unless: Vec<String>,
}

/// Returns the terms that are searched for, each once, in the order of the page.
pub fn terms(page: &str) -> Result<Vec<Term>, String> {
    let mut terms: Vec<Term> = Vec::new();
    let mut is_banning = false;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            is_banning = false;
        } else if cells.last() == Some(&COLUMN) {
            is_banning = true;
        } else if is_banning && !cells[0].starts_with("---") {
            for entry in entries(cells[cells.len() - 1]) {
                add(&mut terms, term(entry, cells[0])?);
            }
        }
    }
    Ok(terms)
}

/// Adds a term. If several rows ban it, the term is stored once, with the replacements of all of these rows.
fn add(terms: &mut Vec<Term>, new: Option<Term>) {
    let Some(new) = new else { return };
    match terms.iter_mut().find(|term| term.banned == new.banned) {
        Some(known) => {
            known.say = format!("{} / {}", known.say, new.say);
            known.unless.extend(new.unless);
        }
        None => terms.push(new),
    }
}

/// Splits a cell at its commas, except those in parentheses.
fn entries(cell: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let parts = cell.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|entry| !entry.is_empty())
}

/// Parses an entry; returns `None` if only a reviewer can judge it.
fn term(entry: &str, first_cell: &str) -> Result<Option<Term>, String> {
    let (banned, notes) = entry.split_once(" (").unwrap_or((entry, ""));
    let mut term = Term { banned: banned.to_owned(), say: first_cell.to_owned(), unless: Vec::new() };
    for note in notes.split(" (").map(|note| note.trim_end_matches(')')).filter(|note| !note.is_empty()) {
        match note.split_once(' ') {
            Some(("unless", phrases)) => term.unless.extend(phrases.split(',').map(|y| y.trim().to_owned())),
            Some(("say", instead)) => term.say = instead.trim_matches('*').to_owned(),
            Some(("for" | "as" | "in", _)) => return Ok(None),
            _ => return Err(format!("{entry:?} has a note of an unknown kind")),
        }
    }
    Ok(Some(term))
}

#[cfg(test)]
fn of_cell(cell: &str) -> Result<Vec<Term>, String> {
    terms(&format!("| term | means | never say |\n| --- | --- | --- |\n| right word | Meaning. | {cell} |\n"))
}

#[test]
fn a_comma_in_parentheses_does_not_end_an_entry() {
    let unless = vec!["red blob".to_owned(), "blue blob".to_owned()];
    let term =
        |banned: &str, unless| Term { banned: banned.to_owned(), say: "right word".to_owned(), unless };
    let expected = vec![term("blob", unless), term("two words", Vec::new())];
    assert_eq!(of_cell("blob (unless red blob, blue blob), two words"), Ok(expected));
}

#[test]
fn an_entry_for_reviewers_is_not_searched_for() {
    assert_eq!(of_cell("blob (for a thing), blip (as a noun), blub (in prose)"), Ok(Vec::new()));
}

#[test]
fn a_note_says_another_word() {
    let terms = of_cell("blob (say *better word*)").unwrap();
    assert_eq!(terms[0].say, "better word");
}

#[test]
fn a_note_of_an_unknown_kind_is_an_error() {
    assert!(of_cell("blob (unles red blob)").is_err());
}

#[test]
fn a_word_of_two_rows_is_one_term() {
    let row = |term: &str| format!("| {term} | Meaning. | blob |\n");
    let page = format!("| term | means | never say |\n| --- | --- | --- |\n{}{}", row("one"), row("other"));
    let terms = terms(&page).unwrap();
    assert_eq!((terms.len(), terms[0].say.as_str()), (1, "one / other"));
}

#[test]
fn a_table_without_the_column_bans_nothing() {
    let page = "| term | means |\n| --- | --- |\n| right word | blob |\n";
    assert_eq!(terms(page), Ok(Vec::new()));
}
