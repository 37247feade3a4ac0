//! The rules by which a team recognises a name among the players it knows.
//!
//! Invariant: what is recognised is somebody: one player, or several that no rule tells apart. The answer does not depend on
//! the order in which players are known, nor on how many spellings of one player are.
//! Not here: who is known when (the view), what several teams' answers mean together (`decide`).
use super::normal::Name;
use schemas::{identity::NameRule, ids::PlayerId};

const BY_STRENGTH: [NameRule; 4] = [NameRule::Exact, NameRule::Suffix, NameRule::Order, NameRule::Prefix];

/// Whom of `known` the asked name may mean: the first rule with exactly one match answers with it; if there is none, the
/// strongest rule with any match answers with all of them, sorted. `None` when no rule matches anybody.
pub fn recognise<'a>(
    asked: &Name,
    known: impl Iterator<Item = (PlayerId, &'a Name)> + Clone,
) -> Option<(NameRule, Vec<PlayerId>)> {
    let mut several = None;
    for rule in BY_STRENGTH {
        let mut players = Vec::new();
        for (player, name) in known.clone() {
            if matches(rule, asked, name) && !players.contains(&player) {
                players.push(player);
            }
        }
        match players.len() {
            0 => {}
            1 => return Some((rule, players)),
            _ if several.is_none() => {
                players.sort_unstable();
                several = Some((rule, players));
            }
            _ => {}
        }
    }
    several
}

/// Whether two names are the same by one rule. A name of nothing is no name.
fn matches(rule: NameRule, a: &Name, b: &Name) -> bool {
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
        // A link compares no names.
        NameRule::Link => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(asked: &str, known: &[(u32, &str)]) -> Option<(NameRule, Vec<u32>)> {
        let known: Vec<_> = known.iter().map(|(id, name)| (PlayerId(*id), Name::new(name))).collect();
        recognise(&Name::new(asked), known.iter().map(|(id, name)| (*id, name)))
            .map(|(rule, players)| (rule, players.into_iter().map(|p| p.0).collect()))
    }

    #[test]
    fn each_rule_recognises_what_the_stronger_ones_do_not() {
        let known = [(1, "Kentavious Caldwell-Pope"), (2, "Jimmy Butler III"), (3, "P.J. Washington")];
        for (asked, rule, player) in [
            ("Kentavious Caldwell Pope", NameRule::Exact, 1),
            ("Jimmy Butler", NameRule::Suffix, 2),
            ("P. J. Washington Jr.", NameRule::Suffix, 3),
            ("Caldwell Pope Kentavious", NameRule::Order, 1),
            ("Washington PJ", NameRule::Order, 3),
            ("K. Caldwell-Pope", NameRule::Prefix, 1),
            ("Jim Butler", NameRule::Prefix, 2),
        ] {
            assert_eq!(ask(asked, &known), Some((rule, vec![player])), "{asked}");
        }
        for asked in ["", "Jr.", "Butler", "James Butler", "Team", "Under", "(Jimmy Butler)"] {
            assert_eq!(ask(asked, &known), None, "{asked}");
        }
    }

    #[test]
    fn two_players_of_one_surname_are_told_apart_or_both_named() {
        let thunder =
            [(1_631_114, "Jalen Williams"), (1_631_119, "Jaylin Williams"), (7, "Kenrich Williams")];
        assert_eq!(ask("Jalen Williams", &thunder), Some((NameRule::Exact, vec![1_631_114])));
        assert_eq!(ask("Jaylin Williams", &thunder), Some((NameRule::Exact, vec![1_631_119])));
        assert_eq!(ask("Jay Williams", &thunder), Some((NameRule::Prefix, vec![1_631_119])));
        assert_eq!(ask("J. Williams", &thunder), Some((NameRule::Prefix, vec![1_631_114, 1_631_119])));
        assert_eq!(ask("Jaylen Williams", &thunder), None);

        let clippers = [(2, "Marcus Morris Sr."), (1, "Markieff Morris")];
        assert_eq!(ask("Marcus Morris", &clippers), Some((NameRule::Suffix, vec![2])));
        assert_eq!(ask("M. Morris", &clippers), Some((NameRule::Prefix, vec![1, 2])));
    }

    #[test]
    fn two_players_of_one_name_are_both_named_unless_the_suffix_is_written() {
        let both = [(9, "Marcus Morris"), (2, "Marcus Morris Sr.")];
        assert_eq!(ask("Marcus Morris Sr", &both), Some((NameRule::Exact, vec![2])));
        assert_eq!(ask("Marcus Morris", &both), Some((NameRule::Exact, vec![9])));
        assert_eq!(ask("Marcus Morris Jr.", &both), Some((NameRule::Suffix, vec![2, 9])));
        let same = [(9, "Marcus Morris"), (2, "Marcus  Morris")];
        assert_eq!(ask("marcus morris", &same), Some((NameRule::Exact, vec![2, 9])));
        let father_and_son = [(1, "Tim Hardaway Sr."), (2, "Tim Hardaway Jr.")];
        assert_eq!(ask("Tim Hardaway", &father_and_son), Some((NameRule::Suffix, vec![1, 2])));
    }

    #[test]
    fn two_spellings_of_one_player_are_one_player() {
        let known = [(5, "Nic Claxton"), (5, "Nicolas Claxton"), (6, "Nick Claxton Smith")];
        assert_eq!(ask("N. Claxton", &known), Some((NameRule::Prefix, vec![5])));
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
        fn what_is_recognised_is_somebody_sorted_and_whatever_the_order(
            asked in name(),
            known in proptest::collection::vec((0_u32..4, name()), 0..8),
        ) {
            let asked = Name::new(&asked);
            let known: Vec<_> = known.iter().map(|(id, name)| (PlayerId(*id), Name::new(name))).collect();
            let answer = recognise(&asked, known.iter().map(|(id, name)| (*id, name)));
            if let Some((_, players)) = &answer {
                prop_assert!(!players.is_empty() && players.is_sorted_by(|a, b| a < b), "{players:?}");
            }
            prop_assert_eq!(&answer, &recognise(&asked, known.iter().rev().map(|(id, name)| (*id, name))));
            let twice = known.iter().chain(&known).map(|(id, name)| (*id, name));
            prop_assert_eq!(&answer, &recognise(&asked, twice));
        }

        #[test]
        fn a_suffix_on_either_side_matches_by_suffix(
            name in "[A-Z][a-z]{3,8} [A-Z][b-df-h]{3,8}",
            suffix in prop_oneof![Just("Jr."), Just(", Sr."), Just("II"), Just("iii"), Just("IV"), Just("V"), Just("Junior")],
        ) {
            let with = format!("{name} {suffix}");
            prop_assert_eq!(ask(&name, &[(1, &with)]), Some((NameRule::Suffix, vec![1])));
            prop_assert_eq!(ask(&with, &[(1, &name)]), Some((NameRule::Suffix, vec![1])));
            prop_assert_eq!(ask(&with, &[(1, &name), (2, &with)]), Some((NameRule::Exact, vec![2])));
        }

        #[test]
        fn matching_is_symmetric(a in name(), b in name()) {
            prop_assert_eq!(
                ask(&a, &[(1, &b)]).map(|(rule, _)| rule),
                ask(&b, &[(1, &a)]).map(|(rule, _)| rule)
            );
        }
    }
}
