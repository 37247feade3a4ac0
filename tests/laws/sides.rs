//! Law of sides: on no date is a player predicted for two teams, whatever lists, trades and schedules state.
//!
//! That issued rows stand under trades is tested by `issued`, whose histories contain them; that they do not depend on schedules of reads and
//! on restarts, by `streams`, which checks this law, too.
//! Invariant: void rows do not count: their game, date or team no longer stands.
//! Not here: the order of the evidence (tests of `processors::feature_builder`).
use crate::{
    batch::batch,
    harness::{Content, content},
    histories::season_with_faults,
    issued::rows,
    seeds,
};
use schemas::{
    EasternDate, PlayerId, Team,
    features::{Eligibility, Features},
    wire,
};
use std::collections::{BTreeMap, BTreeSet};

/// Checks that no player is predicted for two teams on one date; returns the number of rows of players who were candidates for a prediction
/// for another team.
pub fn check_sides(content: &Content) -> usize {
    let mut teams: BTreeMap<(PlayerId, EasternDate), BTreeSet<Team>> = BTreeMap::new();
    let mut others = 0;
    for (_, bytes) in content.iter().filter(|((topic, _), _)| *topic == topics::FEATURES.info.name) {
        let row: Features = wire::decode(bytes).unwrap();
        others += usize::from(row.eligibility == Eligibility::OtherTeam);
        if row.eligibility == Eligibility::Eligible && row.voided.is_none() {
            teams.entry((row.player, row.date)).or_default().extend(row.team);
        }
    }
    for (id, teams) in teams {
        assert!(teams.len() < 2, "{id:?} is predicted for {teams:?}");
    }
    others
}

#[test]
fn nobody_is_predicted_for_two_teams_on_one_date() {
    let (mut others, mut candidates) = (0, 0);
    for seed in seeds(16, 4) {
        let content = content(&mut batch(&season_with_faults(seed.0)));
        others += check_sides(&content);
        candidates += rows(&content).len();
    }
    eprintln!("{others} of {candidates} candidates belong to another team on the date");
}
