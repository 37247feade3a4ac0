//! Lists of the present exceptions to a rule: text files in this folder with a name and a number per line.
//!
//! A rule counts its violations by name; the counts must equal the list. With `TEST_WRITE_LISTS=1` the counts replace the list
//! instead, unless the total would rise. A missing file is treated as an empty list; with the setting it is created with any total.
//! Invariant: a list only shrinks. A count below its entry fails too, so that the entry is lowered.
//! Not here: what is counted (`vocabulary`, `structure`).
use crate::files::root;
use std::collections::BTreeMap;

pub type Counts = BTreeMap<String, usize>;

/// Format of a line in a list: the number before the name, the number after the name, or only the name.
#[derive(Clone, Copy)]
pub enum Format {
    CountFirst,
    CountLast,
    NameOnly,
}

pub struct List {
    pub file: &'static str,
    /// The comment on the first line of the file: what is listed, and how to shrink the list.
    pub about: &'static str,
    pub format: Format,
}

impl List {
    /// Compares the counts with the list, and panics if they differ. `explain` returns the violations of an entry whose count is too
    /// high.
    pub fn check(&self, found: &Counts, explain: impl Fn(&str) -> String) {
        let path = root().join("tests/tidy").join(self.file);
        let text = std::fs::read_to_string(&path).ok();
        let listed = text.map(|text| parse(&text, self.format));
        if std::env::var_os("TEST_WRITE_LISTS").is_some() && may_replace(listed.as_ref(), found) {
            std::fs::write(&path, format!("# {}\n{}", self.about, write(found, self.format))).unwrap();
            return;
        }
        let wrong: Vec<String> = differences(found, &listed.unwrap_or_default())
            .into_iter()
            .map(|difference| match difference {
                Difference::Grew(name, now, allowed) => {
                    format!("{name}: found {now}, allowed {allowed}\n{}", explain(&name))
                }
                Difference::Shrank(name, now, allowed) => {
                    format!("{name}: found {now}, listed {allowed}: {SHRINK}")
                }
            })
            .collect();
        assert!(wrong.is_empty(), "tests/tidy/{}:\n{}", self.file, wrong.join("\n"));
    }
}

const SHRINK: &str = "lower the number in the list: TEST_WRITE_LISTS=1 cargo test --test tidy";

/// An entry whose count differs from the list: its name, the number found, the number listed.
#[derive(Debug, PartialEq)]
enum Difference {
    Grew(String, usize, usize),
    Shrank(String, usize, usize),
}

fn differences(found: &Counts, listed: &Counts) -> Vec<Difference> {
    let mut all: Counts = listed.keys().map(|name| (name.clone(), 0)).collect();
    all.extend(found.clone());
    let mut differences = Vec::new();
    for (name, now) in all {
        let allowed = listed.get(&name).copied().unwrap_or(0);
        if now > allowed {
            differences.push(Difference::Grew(name, now, allowed));
        } else if now < allowed {
            differences.push(Difference::Shrank(name, now, allowed));
        }
    }
    differences
}

/// True if the counts may replace the list. Only the totals are compared, since names change when files move.
fn may_replace(listed: Option<&Counts>, found: &Counts) -> bool {
    listed.is_none_or(|listed| total(found) <= total(listed))
}

fn total(counts: &Counts) -> usize {
    counts.values().sum()
}

fn parse(text: &str, format: Format) -> Counts {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let parts = match format {
            Format::CountFirst => line.split_once(' ').map(|(count, name)| (name, count)),
            Format::CountLast => line.rsplit_once(' '),
            Format::NameOnly => Some((line, "1")),
        };
        let parts = parts.and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
        parts.unwrap_or_else(|| panic!("{line:?} is not a valid entry of a list"))
    };
    lines.map(entry).collect()
}

fn write(counts: &Counts, format: Format) -> String {
    let line = |(name, count): (&String, &usize)| match format {
        Format::CountFirst => format!("{count} {name}\n"),
        Format::CountLast => format!("{name} {count}\n"),
        Format::NameOnly => format!("{name}\n"),
    };
    counts.iter().map(line).collect()
}

fn counts(entries: &[(&str, usize)]) -> Counts {
    entries.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_number_in_the_list_that_is_too_high_fails() {
    let differences = differences(&counts(&[("a", 2)]), &counts(&[("a", 3), ("gone", 1)]));
    let expected = [Difference::Shrank("a".to_owned(), 2, 3), Difference::Shrank("gone".to_owned(), 0, 1)];
    assert_eq!(differences, expected);
}

#[test]
fn a_count_over_its_number_fails_and_a_name_without_entry_has_zero() {
    let differences = differences(&counts(&[("a", 4), ("b", 1)]), &counts(&[("a", 3)]));
    let expected = [Difference::Grew("a".to_owned(), 4, 3), Difference::Grew("b".to_owned(), 1, 0)];
    assert_eq!(differences, expected);
}

#[test]
fn counts_that_equal_their_list_pass() {
    assert_eq!(differences(&counts(&[("a", 3)]), &counts(&[("a", 3)])), []);
}

#[test]
fn a_written_list_is_read_back() {
    let entries = counts(&[("two words", 3), ("one", 1)]);
    for format in [Format::CountFirst, Format::CountLast] {
        assert_eq!(parse(&format!("# about\n{}", write(&entries, format)), format), entries);
    }
    let names = counts(&[("src/a.rs", 1), ("src/b.rs", 1)]);
    assert_eq!(parse(&write(&names, Format::NameOnly), Format::NameOnly), names);
}

#[test]
fn a_rewrite_does_not_raise_the_total() {
    let listed = counts(&[("a", 3)]);
    assert!(may_replace(Some(&listed), &counts(&[("moved", 3)])));
    assert!(!may_replace(Some(&listed), &counts(&[("a", 3), ("b", 1)])));
    assert!(may_replace(None, &counts(&[("a", 3)])));
}
