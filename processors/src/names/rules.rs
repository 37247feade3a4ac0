//! The rules by which a name matches the known players of one team.
//!
//! Invariant: a match has at least one player; it has several players only if no rule matches exactly one. The result depends neither on
//! the order of the known players nor on the number of known spellings of one player.
//! Not here: which players are known when (the name resolver), the decision over several teams (`decide`).
use super::normal::Name;
use schemas::{identity::NameRule, ids::PlayerId};

const BY_STRENGTH: [NameRule; 4] = [NameRule::Exact, NameRule::Suffix, NameRule::Order, NameRule::Prefix];

/// Matches a name with known players by the strongest rule that matches exactly one player. If there is no such rule, returns the strongest
/// rule that matches several players, with all of these, sorted; `None` if no rule matches.
pub fn match_name<'a>(
    name: &Name,
    known_names: impl Iterator<Item = (PlayerId, &'a Name)> + Clone,
) -> Option<(NameRule, Vec<PlayerId>)> {
    let mut ambiguous = None;
    for rule in BY_STRENGTH {
        let mut players = Vec::new();
        for (player, known_name) in known_names.clone() {
            if is_match(rule, name, known_name) && !players.contains(&player) {
                players.push(player);
            }
        }
        match players.len() {
            0 => {}
            1 => return Some((rule, players)),
            _ if ambiguous.is_none() => {
                players.sort_unstable();
                ambiguous = Some((rule, players));
            }
            _ => {}
        }
    }
    ambiguous
}

/// True if two names match by the given rule. An empty name matches no name.
fn is_match(rule: NameRule, a: &Name, b: &Name) -> bool {
    if a.key().is_empty() {
        return false;
    }
    match rule {
        NameRule::Exact => a.key() == b.key(),
        NameRule::Suffix => a.bare() == b.bare(),
        NameRule::Order => a.tokens() == b.tokens(),
        NameRule::Prefix => {
            let (short, long) = if a.first().len() <= b.first().len() { (a, b) } else { (b, a) };
            !short.first().is_empty() && a.surname() == b.surname() && long.first().starts_with(short.first())
        }
        // A link assigns a player to a spelling; it does not compare names.
        NameRule::Link => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matched(name: &str, known_names: &[(u32, &str)]) -> Option<(NameRule, Vec<u32>)> {
        let known_names: Vec<_> =
            known_names.iter().map(|(id, name)| (PlayerId(*id), Name::new(name))).collect();
        match_name(&Name::new(name), known_names.iter().map(|(id, name)| (*id, name)))
            .map(|(rule, players)| (rule, players.into_iter().map(|player| player.0).collect()))
    }

    #[test]
    fn each_rule_matches_names_that_the_stronger_ones_do_not() {
        let known_names = [(1, "Kentavious Caldwell-Pope"), (2, "Jimmy Butler III"), (3, "P.J. Washington")];
        for (name, rule, player) in [
            ("Kentavious Caldwell Pope", NameRule::Exact, 1),
            ("Jimmy Butler", NameRule::Suffix, 2),
            ("P. J. Washington Jr.", NameRule::Suffix, 3),
            ("Caldwell Pope Kentavious", NameRule::Order, 1),
            ("Washington PJ", NameRule::Order, 3),
            ("K. Caldwell-Pope", NameRule::Prefix, 1),
            ("Jim Butler", NameRule::Prefix, 2),
        ] {
            assert_eq!(matched(name, &known_names), Some((rule, vec![player])), "{name}");
        }
        for name in ["", "Jr.", "Butler", "James Butler", "Team", "Under", "(Jimmy Butler)"] {
            assert_eq!(matched(name, &known_names), None, "{name}");
        }
    }

    #[test]
    fn of_two_players_with_one_surname_one_matches_or_both_do() {
        let thunder =
            [(1_631_114, "Jalen Williams"), (1_631_119, "Jaylin Williams"), (7, "Kenrich Williams")];
        assert_eq!(matched("Jalen Williams", &thunder), Some((NameRule::Exact, vec![1_631_114])));
        assert_eq!(matched("Jaylin Williams", &thunder), Some((NameRule::Exact, vec![1_631_119])));
        assert_eq!(matched("Jay Williams", &thunder), Some((NameRule::Prefix, vec![1_631_119])));
        assert_eq!(matched("J. Williams", &thunder), Some((NameRule::Prefix, vec![1_631_114, 1_631_119])));
        assert_eq!(matched("Jaylen Williams", &thunder), None);

        let clippers = [(2, "Marcus Morris Sr."), (1, "Markieff Morris")];
        assert_eq!(matched("Marcus Morris", &clippers), Some((NameRule::Suffix, vec![2])));
        assert_eq!(matched("M. Morris", &clippers), Some((NameRule::Prefix, vec![1, 2])));
    }

    #[test]
    fn two_players_with_one_name_both_match_unless_the_suffix_is_written() {
        let both = [(9, "Marcus Morris"), (2, "Marcus Morris Sr.")];
        assert_eq!(matched("Marcus Morris Sr", &both), Some((NameRule::Exact, vec![2])));
        assert_eq!(matched("Marcus Morris", &both), Some((NameRule::Exact, vec![9])));
        assert_eq!(matched("Marcus Morris Jr.", &both), Some((NameRule::Suffix, vec![2, 9])));
        let same = [(9, "Marcus Morris"), (2, "Marcus  Morris")];
        assert_eq!(matched("marcus morris", &same), Some((NameRule::Exact, vec![2, 9])));
        let father_and_son = [(1, "Tim Hardaway Sr."), (2, "Tim Hardaway Jr.")];
        assert_eq!(matched("Tim Hardaway", &father_and_son), Some((NameRule::Suffix, vec![1, 2])));
    }

    #[test]
    fn two_known_spellings_of_one_player_match_as_one_player() {
        let known_names = [(5, "Nic Claxton"), (5, "Nicolas Claxton"), (6, "Nick Claxton Smith")];
        assert_eq!(matched("N. Claxton", &known_names), Some((NameRule::Prefix, vec![5])));
    }

    fn name() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            Just("Jo"),
            Just("Joe"),
            Just("J."),
            Just("Lee"),
            Just("Lee-Joe"),
            Just("Jr."),
            Just("III")
        ];
        proptest::collection::vec(word, 0..4).prop_map(|words| words.join(" "))
    }

    proptest! {
        #[test]
        fn matched_players_are_sorted_and_independent_of_order_and_repetition(
            written in name(),
            known_names in proptest::collection::vec((0_u32..4, name()), 0..8),
        ) {
            let name = Name::new(&written);
            let known_names: Vec<_> =
                known_names.iter().map(|(id, name)| (PlayerId(*id), Name::new(name))).collect();
            let result = match_name(&name, known_names.iter().map(|(id, name)| (*id, name)));
            if let Some((_, players)) = &result {
                prop_assert!(!players.is_empty() && players.is_sorted_by(|a, b| a < b), "{players:?}");
            }
            let reversed = known_names.iter().rev().map(|(id, name)| (*id, name));
            prop_assert_eq!(&result, &match_name(&name, reversed));
            let twice = known_names.iter().chain(&known_names).map(|(id, name)| (*id, name));
            prop_assert_eq!(&result, &match_name(&name, twice));
        }

        #[test]
        fn a_suffix_on_either_side_matches_by_suffix(
            name in "[A-Z][a-z]{3,8} [A-Z][b-df-h]{3,8}",
            suffix in prop_oneof![Just("Jr."), Just(", Sr."), Just("II"), Just("iii"), Just("IV"), Just("V"), Just("Junior")],
        ) {
            let with = format!("{name} {suffix}");
            prop_assert_eq!(matched(&name, &[(1, &with)]), Some((NameRule::Suffix, vec![1])));
            prop_assert_eq!(matched(&with, &[(1, &name)]), Some((NameRule::Suffix, vec![1])));
            prop_assert_eq!(matched(&with, &[(1, &name), (2, &with)]), Some((NameRule::Exact, vec![2])));
        }

        #[test]
        fn matching_is_symmetric(a in name(), b in name()) {
            prop_assert_eq!(
                matched(&a, &[(1, &b)]).map(|(rule, _)| rule),
                matched(&b, &[(1, &a)]).map(|(rule, _)| rule)
            );
        }
    }
}
