//! Vocabulary: one term for one thing. `docs/glossary.md` lists terms that text must not use, `identifiers` lists names that code must not
//! use.
//!
//! The present occurrences are counted per term in `vocabulary.txt` and `identifiers.txt`.
//! Invariant: no term is used more often than its list allows; a term without an entry is not used at all.
//! Not here: entries that need a reviewer's judgment. The glossary, CHANGELOG.md and third-party code are not scanned.
mod glossary;
mod identifiers;
mod prose;
mod search;

use crate::{
    files::{files, is_vendored, root, rust_files, shown},
    lists::{Counts, Format, List},
};
use search::Search;
use std::collections::BTreeMap;

/// The pages and the source file that must quote banned terms.
const NOT_SCANNED: [&str; 3] = ["docs/glossary.md", "CHANGELOG.md", "tests/tidy/vocabulary/identifiers.rs"];
/// Largest number of occurrences that are shown for a term.
const SHOWN: usize = 60;

const WORDS: List = List {
    file: "vocabulary.txt",
    about: "Terms that docs/glossary.md bans, each with its number of uses. To shrink: use the term of the first column, then run \
            TEST_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountFirst,
};
const NAMES: List = List {
    file: "identifiers.txt",
    about: "Identifiers that were renamed, each with its number of uses. To shrink: use the name in vocabulary/identifiers.rs, then run \
            TEST_WRITE_LISTS=1 cargo test --test tidy",
    format: Format::CountFirst,
};

/// The occurrences of each term, written `file:line`.
type Occurrences = BTreeMap<String, Vec<String>>;

fn counts(occurrences: &Occurrences) -> Counts {
    occurrences.iter().map(|(term, occurrences)| (term.clone(), occurrences.len())).collect()
}

fn explain(occurrences: &Occurrences, term: &str, say: &str) -> String {
    let occurrences = &occurrences[term];
    let shown = occurrences.iter().take(SHOWN).map(|location| format!("    {location}: {term} → {say}"));
    let mut shown = shown.collect::<Vec<_>>().join("\n");
    if occurrences.len() > SHOWN {
        shown.push_str(&format!("\n    and {} more", occurrences.len() - SHOWN));
    }
    shown
}

fn is_scanned(name: &str) -> bool {
    !NOT_SCANNED.contains(&name) && !is_vendored(name)
}

#[test]
fn text_says_the_terms_of_the_glossary() {
    let page = std::fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let terms = glossary::terms(&page).unwrap();
    let search = Search::new(&terms);
    let mut occurrences = Occurrences::new();
    for path in files() {
        let name = shown(&path);
        let text = std::fs::read_to_string(&path).ok().filter(|_| is_scanned(&name));
        let Some(prose) = text.and_then(|text| prose::prose(&name, &text)) else { continue };
        for hit in search.hits(&prose) {
            let location = format!("{name}:{}", hit.line);
            occurrences.entry(terms[hit.term].banned.clone()).or_default().push(location);
        }
    }
    let say = |banned: &str| terms.iter().find(|term| term.banned == banned).map_or("", |term| &term.say);
    WORDS.check(&counts(&occurrences), |term| explain(&occurrences, term, say(term)));
}

#[test]
fn code_uses_no_identifier_that_was_renamed() {
    let renamed = identifiers::renamed();
    let mut occurrences = Occurrences::new();
    for (name, text) in rust_files().filter(|(name, _)| is_scanned(name)) {
        for (identifier, line) in identifiers::identifiers(&text) {
            if renamed.contains_key(identifier.as_str()) {
                occurrences.entry(identifier).or_default().push(format!("{name}:{line}"));
            }
        }
    }
    NAMES.check(&counts(&occurrences), |term| explain(&occurrences, term, renamed[term]));
}
