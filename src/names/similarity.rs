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
    // The number of characters that are inserted, deleted or replaced to get from one name to the other.
    let differences = strsim::levenshtein(name.bare(), player.bare());
    if differences <= MAX_DIFFERENCES && initial(name).is_some() && initial(name) == initial(player) {
        return similar(2, &format!("the names differ in {differences} characters"));
    }
    if has_equal(Name::first) {
        return similar(3, "the first name is equal");
    }
    None
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
}
