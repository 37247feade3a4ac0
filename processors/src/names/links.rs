//! The shipped links: spellings that no rule gets, and who they are.
//!
//! Invariant: a spelling is there once, whatever its case and punctuation; a link holds for every season and team, and is asked
//! only where no team knows the name. Each is one of what the rules cannot get: another first name ("Moe" for Moritz, "Edrice
//! Femi" for Bam; "Herb" for Herbert is a prefix and needs none), one first name for initials ("Kenyon" for KJ), a surname with
//! more to it ("Horford Reynoso"), a changed name ("Enes Kanter").
//! Not here: operators' links, which are events.
use super::normal::Name;
use rustc_hash::FxHashMap;
use schemas::ids::PlayerId;
use serde::Deserialize;
use std::sync::LazyLock;

const FILE: &str = include_str!("../../links.jsonl");

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    spelling: String,
    player_id: PlayerId,
}

fn read(file: &str) -> impl Iterator<Item = serde_json::Result<Link>> {
    file.lines().map(serde_json::from_str)
}

#[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads every line")]
static LINKS: LazyLock<FxHashMap<String, PlayerId>> = LazyLock::new(|| {
    read(FILE)
        .map(|link| link.expect("links.jsonl holds a link a line"))
        .map(|link| (Name::new(&link.spelling).key().to_owned(), link.player_id))
        .collect()
});

/// Who the shipped links say is meant.
pub fn shipped_link(asked: &Name) -> Option<PlayerId> {
    LINKS.get(asked.key()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_line_is_a_link_and_no_spelling_is_there_twice() {
        let mut spellings = BTreeMap::new();
        for (line, link) in read(FILE).enumerate() {
            let link = link.unwrap_or_else(|error| panic!("line {}: {error}", line + 1));
            let key = Name::new(&link.spelling).key().to_owned();
            assert!(!key.is_empty() && link.player_id.0 > 0, "line {}", line + 1);
            if let Some(earlier) = spellings.insert(key, line + 1) {
                panic!("line {} spells the same as line {earlier}", line + 1);
            }
        }
        assert_eq!(spellings.len(), LINKS.len());
    }

    #[test]
    fn a_link_is_found_however_its_spelling_is_written() {
        for written in ["Moe Wagner", "MOE  WAGNER", "Moé Wagner."] {
            assert_eq!(shipped_link(&Name::new(written)), Some(PlayerId(1_629_021)), "{written}");
        }
        assert_eq!(shipped_link(&Name::new("Nobody Wagner")), None);
        assert_eq!(shipped_link(&Name::new("")), None);
    }
}
