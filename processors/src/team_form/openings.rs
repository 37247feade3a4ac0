//! The dates for which a team has forms: when each date became open.
//!
//! A date becomes open with the first fact about the team that becomes known at or after the tip-off of the date two before it. Of the dates
//! before it, only those count that stood at their cutoff, because no later fact changes which these are. So new facts open dates, not a
//! clock: a schedule for the entire season does not produce forms for all its games at once, and a game whose result is missing does not
//! block later games. The first two dates are always open.
//!
//! Invariant: no fact that becomes known after a date became open changes when it did, unless a fact is retracted.
//! Not here: the forms (`team_form`), dates that are open because the game was played on them.
use schemas::{EasternDate, GameId, Matchup, Timestamp, game::TeamGame, membership::TeamMember};
use std::collections::BTreeMap;

/// One date of one game with one pair of teams.
pub type DateKey = (GameId, Matchup, EasternDate);
/// The first of all dates, as the start of a range of dates with equal tip-off.
const FIRST_DATE: DateKey = (GameId(0), Matchup::FIRST, EasternDate::MIN);

/// The number of dates before a date, counted back from it, whose tip-off decides when it becomes open.
const DATES_AHEAD: usize = 2;

/// What one input row contributes: dates, and instants at which facts became known.
#[derive(Debug, Default)]
pub struct Facts {
    /// The dates that may have a form, each with its tip-off, and whether it stood at its cutoff.
    dates: Vec<((Timestamp, DateKey), bool)>,
    /// In ascending order.
    known: Vec<Timestamp>,
}
impl Facts {
    pub fn of_game(row: &TeamGame) -> Facts {
        let dates = row.dates.iter().filter(|date| date.has_rows());
        let key = |date| (row.game, row.matchup, date);
        Facts {
            dates: dates.map(|date| ((date.tip_off, key(date.date)), date.stood_at_cutoff)).collect(),
            known: row.revisions.iter().map(|revision| revision.known_at).collect(),
        }
    }
    pub fn of_member(row: &TeamMember) -> Facts {
        let known = row.history.revisions.iter().map(|revision| revision.known_at);
        Facts { dates: Vec::new(), known: known.collect() }
    }
}

/// The dates of a team, and the instants at which facts about it became known.
#[derive(Debug, Default)]
pub struct Openings {
    /// Whether each date stood at its cutoff, in order of tip-off.
    dates: BTreeMap<(Timestamp, DateKey), bool>,
    /// The number of facts that became known at each instant.
    known: BTreeMap<Timestamp, usize>,
}
impl Openings {
    /// Replaces what a row contributes. Returns the dates that may have become open, or not open any more, or open at another instant.
    pub fn replace(&mut self, old: &Facts, new: &Facts) -> Vec<DateKey> {
        let same = old.known.iter().zip(&new.known).take_while(|(old, new)| old == new).count();
        let mut affected: Vec<DateKey> = Vec::new();
        self.affected(old, same, &mut affected);
        for (key, _) in &old.dates {
            self.dates.remove(key);
        }
        self.dates.extend(new.dates.iter().copied());
        for instant in &old.known[same..] {
            if let Some(count) = self.known.get_mut(instant) {
                *count -= 1;
                if *count == 0 {
                    self.known.remove(instant);
                }
            }
        }
        for instant in &new.known[same..] {
            *self.known.entry(*instant).or_insert(0) += 1;
        }
        self.affected(new, same, &mut affected);
        affected
    }
    /// Adds the dates of a row, those after each of them, and those that a fact of the row may have opened. The first `same` facts are
    /// neither new nor removed.
    fn affected(&self, facts: &Facts, same: usize, affected: &mut Vec<DateKey>) {
        for (key @ (tip_off, date), _) in &facts.dates {
            affected.push(*date);
            self.extend_until(self.dates.range(key..).skip_while(|(at, _)| *at == key), *tip_off, affected);
        }
        for instant in &facts.known[same..] {
            let before = self.known.range(..instant).next_back();
            let since = before.map_or(Timestamp::DISTANT_PAST, |(before, _)| Timestamp(before.0 + 1));
            self.extend_until(self.dates.range((since, FIRST_DATE)..), *instant, affected);
        }
    }
    /// Adds the dates up to an instant, and the dates after it of which fewer than `DATES_AHEAD` dates after the instant come before them.
    fn extend_until<'a>(
        &self,
        dates: impl Iterator<Item = (&'a (Timestamp, DateKey), &'a bool)>,
        instant: Timestamp,
        affected: &mut Vec<DateKey>,
    ) {
        let mut later = 0;
        for ((tip_off, date), stood_at_cutoff) in dates {
            if later == DATES_AHEAD {
                return;
            }
            affected.push(*date);
            if *tip_off > instant && *stood_at_cutoff {
                later += 1;
            }
        }
    }
    /// Returns when a date became open; `None` if it is not open.
    pub fn opened_at(&self, tip_off: Timestamp, date: DateKey) -> Option<Timestamp> {
        let before =
            self.dates.range(..(tip_off, date)).rev().filter(|(_, stood_at_cutoff)| **stood_at_cutoff);
        match before.map(|((tip_off, _), _)| *tip_off).nth(DATES_AHEAD - 1) {
            Some(since) => self.known.range(since..).next().map(|(instant, _)| *instant),
            None => Some(Timestamp::DISTANT_PAST),
        }
    }
    /// Returns the dates with a tip-off at or after an instant, in order of tip-off.
    pub fn dates_since(&self, instant: Timestamp) -> impl Iterator<Item = DateKey> {
        self.dates.range((instant, FIRST_DATE)..).map(|((_, date), _)| *date)
    }
    /// Returns all dates, in order of tip-off.
    pub fn dates(&self) -> impl Iterator<Item = DateKey> {
        self.dates.keys().map(|(_, date)| *date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(index: usize) -> DateKey {
        (GameId(22_400_100 + index as u32), Matchup::FIRST, EasternDate(0))
    }
    proptest! {
        #[test]
        fn the_first_fact_after_the_date_two_before_opens_a_date_and_no_later_fact_changes_when(
            dates in prop::collection::vec((0i64..20, any::<bool>()), 1..8),
            known in prop::collection::btree_set(0i64..20, 0..6),
            later in 0i64..20,
        ) {
            let date = |(index, (tip_off, stood_at_cutoff)): (usize, &(i64, bool))| ((Timestamp(*tip_off), key(index)), *stood_at_cutoff);
            let dates: Vec<_> = dates.iter().enumerate().map(date).collect();
            let known: Vec<Timestamp> = known.into_iter().map(Timestamp).collect();
            let mut openings = Openings::default();
            openings.replace(&Facts::default(), &Facts { dates: dates.clone(), known: known.clone() });
            let opened = |openings: &Openings| -> Vec<Option<Timestamp>> {
                dates.iter().map(|((tip_off, date), _)| openings.opened_at(*tip_off, *date)).collect()
            };
            let before = opened(&openings);
            for ((date, _), opened_at) in dates.iter().zip(&before) {
                let mut earlier: Vec<_> = dates.iter().filter(|(other, stood_at_cutoff)| *stood_at_cutoff && other < date).collect();
                earlier.sort();
                let expected = match earlier.iter().rev().nth(DATES_AHEAD - 1) {
                    Some(((since, _), _)) => known.iter().find(|known| *known >= since).copied(),
                    None => Some(Timestamp::DISTANT_PAST),
                };
                prop_assert_eq!(*opened_at, expected);
            }
            openings.replace(&Facts::default(), &Facts { dates: Vec::new(), known: vec![Timestamp(later)] });
            for (before, after) in before.iter().zip(opened(&openings)) {
                if before.is_some_and(|before| before <= Timestamp(later)) {
                    prop_assert_eq!(*before, after);
                }
            }
        }
    }
}
