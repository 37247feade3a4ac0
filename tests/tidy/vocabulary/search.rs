//! The search for terms in a text.
//!
//! A text is split into words, each with the characters that separate it from the previous word. A term matches whole words in any case.
//! Any white space may be between the words, even a line break, but not an empty line. A word next to `::` is a name in code, and never
//! matches.
//! Invariant: an occurrence is found whatever the layout of the text.
//! Not here: which part of a file is text (`prose`), the terms (`glossary`).
use super::glossary::Term;
use std::collections::HashMap;

/// An occurrence of a term: index of the term in the list of terms, and number of the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    pub term: usize,
    pub line: usize,
}

/// The terms as patterns; `Hit::term` is an index into them.
pub struct Search {
    patterns: Vec<Pattern>,
    /// Indices of the patterns by the word with which they begin.
    by_first_word: HashMap<String, Vec<usize>>,
}

struct Pattern {
    phrase: Phrase,
    unless: Vec<Phrase>,
}

struct Phrase {
    words: Vec<Word>,
    /// True if the last word may have an additional `s`.
    has_plural: bool,
    /// True if a hyphen in the text matches a space in the phrase.
    is_hyphenated: bool,
}

struct Word {
    text: String,
    /// The characters between the previous word and this one.
    before: String,
    line: usize,
}

impl Search {
    pub fn new(terms: &[Term]) -> Self {
        let mut search = Self { patterns: Vec::new(), by_first_word: HashMap::new() };
        for (index, term) in terms.iter().enumerate() {
            let pattern = Pattern::new(term);
            for first in pattern.phrase.leading_words() {
                search.by_first_word.entry(first).or_default().push(index);
            }
            search.patterns.push(pattern);
        }
        search
    }

    pub fn hits(&self, text: &str) -> Vec<Hit> {
        let words = words(text);
        let mut hits = Vec::new();
        for (at, word) in words.iter().enumerate() {
            for &term in self.by_first_word.get(&word.text).into_iter().flatten() {
                if self.patterns[term].occurs_at(&words, at) {
                    hits.push(Hit { term, line: word.line });
                }
            }
        }
        hits
    }
}

impl Pattern {
    fn new(term: &Term) -> Self {
        let (text, has_plural) = match term.banned.strip_suffix("(s)") {
            Some(singular) => (singular, true),
            None => (term.banned.as_str(), false),
        };
        let allowed = |text: &String| Phrase { words: phrase(text), has_plural: true, is_hyphenated: true };
        Self {
            phrase: Phrase { words: phrase(text), has_plural, is_hyphenated: false },
            unless: term.unless.iter().map(allowed).collect(),
        }
    }

    fn occurs_at(&self, text: &[Word], at: usize) -> bool {
        let end = at + self.phrase.words.len();
        let is_code =
            text[at].before.ends_with("::") || text.get(end).is_some_and(|w| w.before.starts_with("::"));
        let is_allowed = || self.unless.iter().any(|phrase| phrase.covers(text, at, end));
        self.phrase.matches(text, at) && !is_code && !is_allowed()
    }
}

impl Phrase {
    fn leading_words(&self) -> Vec<String> {
        let first = self.words[0].text.clone();
        if self.has_plural && self.words.len() == 1 { vec![format!("{first}s"), first] } else { vec![first] }
    }

    /// True when this phrase begins at the word `at`.
    fn matches(&self, text: &[Word], at: usize) -> bool {
        let last = self.words.len() - 1;
        let matches = |(index, wanted): (usize, &Word)| {
            let Some(word) = text.get(at + index) else { return false };
            let is_plural = self.has_plural && index == last;
            let is_same = word.text == wanted.text
                || is_plural && word.text.strip_suffix('s').is_some_and(|word| word == wanted.text);
            is_same && (index == 0 || self.may_separate(&word.before, &wanted.before))
        };
        self.words.iter().enumerate().all(matches)
    }

    fn may_separate(&self, found: &str, wanted: &str) -> bool {
        let is_space = |gap: &str| !gap.is_empty() && gap.chars().all(char::is_whitespace);
        if is_space(wanted) {
            let is_paragraph = found.matches('\n').count() > 1;
            is_space(found) && !is_paragraph || self.is_hyphenated && found == "-"
        } else {
            found == wanted
        }
    }

    /// True when the words from `start` to `end` lie inside an occurrence of this phrase.
    fn covers(&self, text: &[Word], start: usize, end: usize) -> bool {
        let earliest = end.saturating_sub(self.words.len());
        (earliest..=start).any(|at| self.matches(text, at))
    }
}

/// Returns the words of a text in lower case, and an empty word at the end, whose `before` is the text after the last word.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut line = 1;
    let mut rest = text;
    loop {
        let start = rest.find(is_word).unwrap_or(rest.len());
        let (before, from_word) = rest.split_at(start);
        line += before.matches('\n').count();
        let end = from_word.find(|c| !is_word(c)).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(end);
        words.push(Word { text: word.to_lowercase(), before: before.to_owned(), line });
        if word.is_empty() {
            return words;
        }
        rest = after;
    }
}

/// Returns the words of a phrase, without the empty word at the end.
fn phrase(text: &str) -> Vec<Word> {
    let mut words = words(text);
    words.pop();
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
fn lines(banned: &str, unless: &[&str], text: &str) -> Vec<usize> {
    let unless = unless.iter().map(|phrase| (*phrase).to_owned()).collect();
    let term = Term { banned: banned.to_owned(), say: String::new(), unless };
    Search::new(&[term]).hits(text).into_iter().map(|hit| hit.line).collect()
}

#[test]
fn whole_words_match_in_any_case() {
    assert_eq!(lines("blob", &[], "a Blob,\nblobs, my_blob\n(blob)"), [1, 3]);
}

#[test]
fn a_phrase_over_a_line_break_is_found_and_over_an_empty_line_not() {
    assert_eq!(lines("red blob", &[], "a red\n   blob"), [1]);
    assert_eq!(lines("red blob", &[], "a red\n\nblob"), [0; 0]);
    assert_eq!(lines("red blob", &[], "a red, blob"), [0; 0]);
}

#[test]
fn a_phrase_that_follows_unless_is_allowed_with_its_plural_and_its_hyphen() {
    assert_eq!(
        lines("blob", &["red blob", "blob of ink"], "red blob, red-blob\nblob of ink\nblue blob"),
        [3]
    );
    assert_eq!(lines("blob(s)", &["red blob"], "red blobs\nblue blobs\nblob"), [2, 3]);
}

#[test]
fn a_plural_matches_only_where_the_entry_says_so() {
    assert_eq!(lines("blob", &[], "blobs"), [0; 0]);
    assert_eq!(lines("red blob(s)", &[], "red blobs\nred blob\nred blobss"), [1, 2]);
}

#[test]
fn a_name_that_is_part_of_a_path_in_code_is_allowed() {
    assert_eq!(lines("blob", &[], "std::blob, blob::Ink\nblob: ink"), [2]);
}

#[test]
fn a_hyphen_of_the_entry_is_a_hyphen_in_the_text() {
    assert_eq!(lines("blob-up", &[], "blob-up\nblob up"), [1]);
}
