//! Decides to which player a name refers, from the match that each team of the scope has for the name. The scope is the set of teams among
//! whose players the name is looked up.
//!
//! Invariant: a match by a rule outranks every link; a stronger rule outranks a weaker one, whichever teams they matched in; if the
//! strongest rule matches several players, none is chosen.
//! Not here: whether all teams have a match yet, and the choice of revisions (`name_lookup`).
use schemas::{
    identity::{NameRevision, NameRule},
    ids::PlayerId,
};

/// The result of a name lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The strongest rule that matches any player matches only this one.
    Player(PlayerId, NameRule),
    /// The strongest rule that matches any player matches these players, sorted.
    Ambiguous(Vec<PlayerId>),
    /// The name matches no player of any team and has no link.
    Unknown,
}

/// Decides by the strongest rule that matched in any team; if none matched, by the links.
pub fn decide<'a>(revisions: impl Iterator<Item = &'a NameRevision>) -> Resolution {
    let mut strongest = NameRule::Link;
    let mut players: Vec<PlayerId> = Vec::new();
    for revision in revisions {
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
    fn the_strongest_rule_over_all_teams_decides() {
        let exact = revision(Some(NameRule::Exact), &[1], None);
        let suffix = revision(Some(NameRule::Suffix), &[2], Some(9));
        let prefixes = revision(Some(NameRule::Prefix), &[3, 4], None);
        assert_eq!(decide([&suffix, &exact].into_iter()), player(1, NameRule::Exact));
        assert_eq!(decide([&prefixes, &suffix].into_iter()), player(2, NameRule::Suffix));
        assert_eq!(decide([&prefixes].into_iter()), Resolution::Ambiguous(vec![PlayerId(3), PlayerId(4)]));
    }

    #[test]
    fn one_player_matched_in_both_teams_is_resolved_and_two_players_are_ambiguous() {
        let home = revision(Some(NameRule::Exact), &[1], None);
        let away = revision(Some(NameRule::Exact), &[2], None);
        assert_eq!(decide([&home, &home].into_iter()), player(1, NameRule::Exact));
        assert_eq!(decide([&away, &home].into_iter()), Resolution::Ambiguous(vec![PlayerId(1), PlayerId(2)]));
    }

    #[test]
    fn a_link_decides_only_if_no_team_matches() {
        let none = revision(None, &[], None);
        let linked = revision(None, &[], Some(9));
        let matched = revision(Some(NameRule::Prefix), &[3], Some(9));
        assert_eq!(decide([&none, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &matched].into_iter()), player(3, NameRule::Prefix));
        assert_eq!(decide([&none].into_iter()), Resolution::Unknown);
        assert_eq!(decide(std::iter::empty()), Resolution::Unknown);
    }

    proptest! {
        #[test]
        fn the_order_of_the_teams_does_not_matter(
            matches in proptest::collection::vec(
                (0_usize..5, proptest::collection::vec(0_u32..4, 1..3), proptest::option::of(0_u32..4)),
                0..5,
            ),
        ) {
            let revisions: Vec<_> = matches
                .iter()
                .map(|(rule, players, link)| match *rule {
                    4 => revision(None, &[], *link),
                    rule => revision(Some(NameRule::ALL[rule]), players, *link),
                })
                .collect();
            let forward = decide(revisions.iter());
            prop_assert_eq!(&forward, &decide(revisions.iter().rev()));
            let has_player = revisions.iter().any(|revision| revision.rule.is_some() || revision.link.is_some());
            prop_assert_eq!(forward != Resolution::Unknown, has_player);
        }
    }
}
