//! Decides to which player a name refers, from the match that each team of the scope has for the name. The scope is the set of teams among
//! whose players the name is looked up.
//!
//! Invariant: an operator's link outranks every rule, and every rule outranks a compiled-in link. If the source lists the player for a team,
//! the match of this team decides; the others count only if it has none. Among the teams that count, a stronger rule outranks a weaker one,
//! whichever teams they matched in; if the strongest rule matches several players, none is chosen.
//! Not here: whether all teams have a match yet, and the choice of revisions (`name_lookup`).
use schemas::{
    Timestamp,
    identity::{NameRevision, NameRule},
    ids::PlayerId,
};

/// The result of a name lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The strongest rule that matches any player matches only this one.
    Player(PlayerId, NameRule),
    /// An operator's link states that the name refers to nobody.
    Nobody,
    /// The strongest rule that matches any player matches these players, sorted.
    Ambiguous(Vec<PlayerId>),
    /// The name matches no player of any team and has no link.
    Unknown,
}

/// A resolution, and when it became known: when the last of the revisions became known that it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub resolution: Resolution,
    pub known_at: Timestamp,
}

impl Decision {
    /// Returns the player to whom the name refers, and since when this is known; `None` if it is ambiguous or unknown, or refers to nobody.
    pub fn player(&self) -> Option<(PlayerId, Timestamp)> {
        match self.resolution {
            Resolution::Player(player, _) => Some((player, self.known_at)),
            Resolution::Nobody | Resolution::Ambiguous(_) | Resolution::Unknown => None,
        }
    }
}

/// Decides by one revision per team: that of the team for which the source lists the player, if it names one, and those of the other teams
/// of the scope.
pub fn decide(listed_for: Option<&NameRevision>, others: &[&NameRevision]) -> Decision {
    let all = || listed_for.into_iter().chain(others.iter().copied());
    if let Some(own) = listed_for
        && let Some(resolution) = by_operator(std::iter::once(own)).or_else(|| by_rules(std::iter::once(own)))
    {
        return Decision { resolution, known_at: own.known_at };
    }
    // An operator's link that is not in the match of the team for which the player is listed is limited to another team.
    let linked = if listed_for.is_none() { by_operator(others.iter().copied()) } else { None };
    let resolution = linked.or_else(|| by_rules(others.iter().copied())).unwrap_or_else(|| by_links(all()));
    let known_at = all().map(|revision| revision.known_at).max().unwrap_or(Timestamp::DISTANT_PAST);
    Decision { resolution, known_at }
}

/// Decides by the operator's links: those limited to their team, if there are any, otherwise the others. A link to a player outranks a link
/// of another team to nobody. `None` if there is no link.
fn by_operator<'a>(revisions: impl Iterator<Item = &'a NameRevision> + Clone) -> Option<Resolution> {
    let links = revisions.filter_map(|revision| revision.operator_link.as_ref());
    let has_limited = links.clone().any(|link| link.is_of_team);
    let mut links = links.filter(|link| link.is_of_team == has_limited).peekable();
    links.peek()?;
    Some(match resolution(NameRule::Link, links.filter_map(|link| link.player.as_ref())) {
        Resolution::Unknown => Resolution::Nobody,
        linked => linked,
    })
}

/// Decides by the strongest rule that matched in any of the teams; `None` if none matched.
fn by_rules<'a>(revisions: impl Iterator<Item = &'a NameRevision> + Clone) -> Option<Resolution> {
    let matched = |revision: &'a NameRevision| revision.rule.filter(|_| !revision.players.is_empty());
    let strongest = revisions.clone().filter_map(matched).min()?;
    let by_strongest = revisions.filter(|revision| revision.rule == Some(strongest));
    Some(resolution(strongest, by_strongest.flat_map(|revision| &revision.players)))
}

fn by_links<'a>(revisions: impl Iterator<Item = &'a NameRevision>) -> Resolution {
    resolution(NameRule::Link, revisions.filter_map(|revision| revision.link.as_ref()))
}

fn resolution<'a>(rule: NameRule, players: impl Iterator<Item = &'a PlayerId>) -> Resolution {
    let mut players: Vec<PlayerId> = players.copied().collect();
    players.sort_unstable();
    players.dedup();
    match *players {
        [] => Resolution::Unknown,
        [player] => Resolution::Player(player, rule),
        _ => Resolution::Ambiguous(players),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::identity::OperatorLink;

    fn revision(rule: Option<NameRule>, players: &[u32], link: Option<u32>) -> NameRevision {
        let players = players.iter().copied().map(PlayerId).collect();
        NameRevision { known_at: Timestamp(0), rule, players, link: link.map(PlayerId), operator_link: None }
    }
    /// Adds an operator's link to a player, or to nobody.
    fn linked(to: NameRevision, player: Option<u32>, is_of_team: bool) -> NameRevision {
        NameRevision { operator_link: Some(OperatorLink { player: player.map(PlayerId), is_of_team }), ..to }
    }
    fn decide<'a>(revisions: impl Iterator<Item = &'a NameRevision>) -> Resolution {
        super::decide(None, &revisions.collect::<Vec<_>>()).resolution
    }
    fn decide_listed_for(own: &NameRevision, others: &[&NameRevision]) -> Resolution {
        super::decide(Some(own), others).resolution
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
    fn a_compiled_in_link_decides_only_if_no_team_matches() {
        let none = revision(None, &[], None);
        let linked = revision(None, &[], Some(9));
        let matched = revision(Some(NameRule::Prefix), &[3], Some(9));
        assert_eq!(decide([&none, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &linked].into_iter()), player(9, NameRule::Link));
        assert_eq!(decide([&linked, &matched].into_iter()), player(3, NameRule::Prefix));
        assert_eq!(decide([&none].into_iter()), Resolution::Unknown);
        assert_eq!(decide(std::iter::empty()), Resolution::Unknown);
    }

    #[test]
    fn the_team_for_which_the_player_is_listed_decides_and_the_other_only_if_it_knows_nobody() {
        let none = revision(None, &[], None);
        let exact = revision(Some(NameRule::Exact), &[1], None);
        let prefix = revision(Some(NameRule::Prefix), &[2], None);
        let several = revision(Some(NameRule::Prefix), &[3, 4], None);
        assert_eq!(decide_listed_for(&prefix, &[&exact]), player(2, NameRule::Prefix));
        assert_eq!(
            decide_listed_for(&several, &[&exact]),
            Resolution::Ambiguous(vec![PlayerId(3), PlayerId(4)])
        );
        assert_eq!(decide_listed_for(&none, &[&exact]), player(1, NameRule::Exact));
        let linked = revision(None, &[], Some(9));
        assert_eq!(decide_listed_for(&linked, &[&exact]), player(1, NameRule::Exact));
        assert_eq!(decide_listed_for(&linked, &[&linked]), player(9, NameRule::Link));
    }

    #[test]
    fn an_operators_link_outranks_every_rule_and_that_of_the_team_outranks_the_others() {
        let exact = revision(Some(NameRule::Exact), &[1], None);
        let [general, of_team, nobody] = [(Some(7), false), (Some(8), true), (None, true)]
            .map(|(player, of)| linked(exact.clone(), player, of));
        assert_eq!(decide([&general, &general].into_iter()), player(7, NameRule::Link));
        assert_eq!(decide([&general, &of_team].into_iter()), player(8, NameRule::Link));
        assert_eq!(decide([&general, &nobody].into_iter()), Resolution::Nobody);
        assert_eq!(decide([&of_team, &nobody].into_iter()), player(8, NameRule::Link));
        assert_eq!(decide([&exact, &of_team].into_iter()), player(8, NameRule::Link));
        let other = linked(exact.clone(), Some(9), true);
        assert_eq!(
            decide([&other, &of_team].into_iter()),
            Resolution::Ambiguous(vec![PlayerId(8), PlayerId(9)])
        );
    }

    #[test]
    fn a_link_that_is_limited_to_a_team_does_not_apply_to_a_name_listed_for_the_other_team() {
        let none = revision(None, &[], None);
        let exact = revision(Some(NameRule::Exact), &[1], None);
        let of_team = linked(exact.clone(), Some(8), true);
        assert_eq!(decide_listed_for(&of_team, &[&exact]), player(8, NameRule::Link));
        assert_eq!(decide_listed_for(&exact, &[&of_team]), player(1, NameRule::Exact));
        assert_eq!(decide_listed_for(&none, &[&of_team]), player(1, NameRule::Exact));
        assert_eq!(decide_listed_for(&linked(exact, None, false), &[&of_team]), Resolution::Nobody);
    }

    #[test]
    fn a_resolution_is_known_since_the_last_revision_that_it_depends_on() {
        let at =
            |known_at, rule| NameRevision { known_at: Timestamp(known_at), ..revision(rule, &[1], None) };
        let (early, late) = (at(1, Some(NameRule::Exact)), at(2, Some(NameRule::Exact)));
        assert_eq!(super::decide(Some(&early), &[&late]).known_at, Timestamp(1));
        assert_eq!(super::decide(None, &[&early, &late]).known_at, Timestamp(2));
        let none = NameRevision { known_at: Timestamp(3), ..revision(None, &[], None) };
        assert_eq!(super::decide(Some(&none), &[&early]).known_at, Timestamp(3));
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
