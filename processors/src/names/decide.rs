//! What several teams' answers to one name mean together.
//!
//! Invariant: a team that knows the name outranks every link; the strongest rule outranks weaker ones whichever team it came
//! from; nobody is chosen among equals.
//! Not here: whether every team has answered yet, and as of when (whoever asked knows).
use schemas::{
    identity::{NameRevision, NameRule},
    ids::PlayerId,
};

/// Whom a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Exactly one player, and the rule that found him.
    Player(PlayerId, NameRule),
    /// Several whom the strongest rule cannot tell apart, sorted.
    Ambiguous(Vec<PlayerId>),
    /// No team knows the name and no link says who it is.
    Unknown,
}

/// The strongest rule that matched in any of the answers decides; where none did, the links do.
pub fn decide<'a>(answers: impl Iterator<Item = &'a NameRevision>) -> Resolution {
    let mut strongest = NameRule::Link;
    let mut players: Vec<PlayerId> = Vec::new();
    for revision in answers {
        let (rule, matched) = match revision.rule {
            Some(rule) if !revision.players.is_empty() => (rule, revision.players.as_slice()),
            _ => (NameRule::Link, revision.link.as_slice()),
        };
        if rule < strongest {
            strongest = rule;
            players.clear();
        }
        if rule == strongest {
            players.extend_from_slice(matched);
        }
    }
    players.sort_unstable();
    players.dedup();
    match *players {
        [] => Resolution::Unknown,
        [player] => Resolution::Player(player, strongest),
        _ => Resolution::Ambiguous(players),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::units::Timestamp;

    fn revision(rule: Option<NameRule>, players: &[u32], link: Option<u32>) -> NameRevision {
        let players = players.iter().copied().map(PlayerId).collect();
        NameRevision { known_at: Timestamp(0), rule, players, link: link.map(PlayerId) }
    }
    fn player(id: u32, rule: NameRule) -> Resolution {
        Resolution::Player(PlayerId(id), rule)
    }

    #[test]
    fn the_strongest_rule_over_the_teams_decides() {
        let exact = revision(Some(NameRule::Exact), &[1], None);
        let suffix = revision(Some(NameRule::Suffix), &[2], Some(9));
        let prefixes = revision(Some(NameRule::Prefix), &[3, 4], None);
        assert_eq!(decide([&suffix, &exact].into_iter()), player(1, NameRule::Exact));
        assert_eq!(decide([&prefixes, &suffix].into_iter()), player(2, NameRule::Suffix));
        assert_eq!(decide([&prefixes].into_iter()), Resolution::Ambiguous(vec![PlayerId(3), PlayerId(4)]));
    }

    #[test]
    fn one_player_known_to_both_teams_is_one_and_two_are_ambiguous() {
        let here = revision(Some(NameRule::Exact), &[1], None);
        let there = revision(Some(NameRule::Exact), &[2], None);
        assert_eq!(decide([&here, &here].into_iter()), player(1, NameRule::Exact));
        assert_eq!(
            decide([&there, &here].into_iter()),
            Resolution::Ambiguous(vec![PlayerId(1), PlayerId(2)])
        );
    }

    #[test]
    fn a_link_answers_only_where_no_team_does() {
        let nobody = revision(None, &[], None);
        let linked = revision(None, &[], Some(9));
        let known = revision(Some(NameRule::Prefix), &[3], Some(9));
        assert_eq!(decide([&nobody, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &known].into_iter()), player(3, NameRule::Prefix));
        assert_eq!(decide([&nobody].into_iter()), Resolution::Unknown);
        assert_eq!(decide(std::iter::empty()), Resolution::Unknown);
    }

    proptest! {
        #[test]
        fn the_order_of_the_answers_does_not_matter(
            answers in proptest::collection::vec(
                (0_usize..5, proptest::collection::vec(0_u32..4, 1..3), proptest::option::of(0_u32..4)),
                0..5,
            ),
        ) {
            let revisions: Vec<_> = answers
                .iter()
                .map(|(rule, players, link)| match *rule {
                    4 => revision(None, &[], *link),
                    rule => revision(Some(NameRule::ALL[rule]), players, *link),
                })
                .collect();
            let forward = decide(revisions.iter());
            prop_assert_eq!(&forward, &decide(revisions.iter().rev()));
            let somebody = revisions.iter().any(|s| s.rule.is_some() || s.link.is_some());
            prop_assert_eq!(forward != Resolution::Unknown, somebody);
        }
    }
}
