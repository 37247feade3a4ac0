//! The links that are compiled in: spellings that no rule matches, and their players.
//!
//! A link is needed if a source uses a different first name ("Moe" for Moritz, "Edrice Femi" for Bam; "Herb" for Herbert is a prefix and
//! needs no link), a first name instead of initials ("Kenyon" for KJ), a longer surname ("Horford Reynoso"), or the name of a player before
//! or after it was changed ("Enes Kanter").
//!
//! Invariant: each normalized spelling has one link; a link is valid for every season and team and is used only if the name matches no
//! player of any team.
//! Not here: operators' links, which are events.
use super::normal::Name;
use rustc_hash::FxHashMap;
use schemas::ids::PlayerId;
use serde::Deserialize;
use std::sync::LazyLock;

const FILE: &str = include_str!("../../links.jsonl");

/// One line of `links.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    spelling: String,
    player_id: PlayerId,
}

fn parse(file: &str) -> impl Iterator<Item = serde_json::Result<Link>> {
    file.lines().map(serde_json::from_str)
}

#[expect(clippy::expect_used, reason = "a test parses every line of the compiled-in file")]
static LINKS: LazyLock<FxHashMap<String, PlayerId>> = LazyLock::new(|| {
    parse(FILE)
        .map(|link| link.expect("a line of links.jsonl is not a valid link"))
        .map(|link| (Name::new(&link.spelling).key().to_owned(), link.player_id))
        .collect()
});

/// Returns the player of the compiled-in link for a name.
pub fn shipped_link(name: &Name) -> Option<PlayerId> {
    LINKS.get(name.key()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_line_is_a_link_and_no_spelling_occurs_twice() {
        let mut spellings = BTreeMap::new();
        for (line, link) in parse(FILE).enumerate() {
            let link = link.unwrap_or_else(|error| panic!("line {} is not a valid link: {error}", line + 1));
            let key = Name::new(&link.spelling).key().to_owned();
            assert!(
                !key.is_empty() && link.player_id.0 > 0,
                "line {} has an empty spelling or no player id",
                line + 1
            );
            if let Some(earlier) = spellings.insert(key, line + 1) {
                panic!("line {} repeats the spelling of line {earlier}", line + 1);
            }
        }
        assert_eq!(spellings.len(), LINKS.len());
    }

    #[test]
    fn a_link_is_found_in_any_case_and_punctuation() {
        for written in ["Moe Wagner", "MOE  WAGNER", "Moé Wagner."] {
            assert_eq!(shipped_link(&Name::new(written)), Some(PlayerId(1_629_021)), "{written}");
        }
        assert_eq!(shipped_link(&Name::new("Nobody Wagner")), None);
        assert_eq!(shipped_link(&Name::new("")), None);
    }
}
