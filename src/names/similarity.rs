//! The similarity of two names that no rule of a name lookup need match, for an operator who decides.
//!
//! Invariant: pure; a lower rank means a greater similarity.
//! Not here: the rules (`processors::names`).
use processors::names::{Name, match_name};
use schemas::PlayerId;

/// The greatest number of characters by which two similar surnames may differ.
const MAX_DIFFERENCES: usize = 2;

/// Why a player may be the one to whom a name refers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Similarity {
    pub rank: u8,
    pub evidence: String,
}

/// Compares a name with that of a player; `None` if they are not similar.
pub fn similarity(name: &Name, player: &Name) -> Option<Similarity> {
    let similar = |rank, evidence: &str| Some(Similarity { rank, evidence: evidence.to_owned() });
    if let Some((rule, _)) = match_name(name, std::iter::once((PlayerId(0), player))) {
        return similar(0, &format!("the rule `{}` matches", rule.name()));
    }
    let has_equal = |part: fn(&Name) -> &str| !part(name).is_empty() && part(name) == part(player);
    if has_equal(Name::surname) {
        return similar(1, "the surname is equal");
    }
    let initial = |name: &Name| name.first().chars().next();
    let differences = differences(name.bare(), player.bare());
    if differences <= MAX_DIFFERENCES && initial(name) == initial(player) {
        return similar(2, &format!("the names differ in {differences} characters"));
    }
    if has_equal(Name::first) {
        return similar(3, "the first name is equal");
    }
    None
}

/// Returns the least number of characters that are inserted, deleted or replaced to get from one text to the other (Levenshtein distance).
fn differences(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (index, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_surnames_rank_before_small_differences_and_these_before_equal_first_names() {
        let rank = |name: &str, player: &str| {
            similarity(&Name::new(name), &Name::new(player)).map(|similarity| similarity.rank)
        };
        assert_eq!(rank("Leon Jarvis Jr.", "Leon Jarvis"), Some(0));
        assert_eq!(rank("Bub Carrington", "Carlton Carrington"), Some(1));
        assert_eq!(rank("Nikola Jokich", "Nikola Jokić"), Some(2));
        assert_eq!(rank("Moe Wagner", "Moe Vagner"), Some(2));
        assert_eq!(rank("Ann Archer", "Ann Smith"), Some(3));
        assert_eq!(rank("Ann Archer", "Bea Baker"), None);
        assert_eq!(rank("", ""), None);
    }

    #[test]
    fn the_number_of_differences_is_that_of_the_characters() {
        assert_eq!(differences("kitten", "sitting"), 3);
        assert_eq!((differences("", "abc"), differences("abc", "")), (3, 3));
        assert_eq!(differences("jokić", "jokic"), 1);
    }
}
