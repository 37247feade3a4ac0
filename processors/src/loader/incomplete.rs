//! Incomplete lists: which lists of a payload a bad row makes incomplete.
//!
//! Invariant: a bad row makes the lists incomplete to which it can belong, by the parts of a list's identity that it states legibly, and no
//! others. A row that states no part can belong to every list of its payload.
//! Not here: lists within the odds of a game, whose rows are nested in them (`oddsapi_event_odds`).
use super::cell::Cell;
use schemas::{ids::GameId, team::Team, units::EasternDate};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::BTreeSet};

/// The identity of a list, or the parts of it that a bad row states. A part is `None` if the feed has no such part, or if the row does not
/// state it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListName {
    /// The odds source's own id of the game.
    pub event: Option<String>,
    pub game: Option<GameId>,
    /// The teams that play in the game. A bad row may state only one of them.
    pub game_teams: BTreeSet<Team>,
    pub date: Option<EasternDate>,
    /// The team whose list it is.
    pub team: Option<Team>,
}
impl ListName {
    /// Returns the name without a team that does not belong to its game: either of the two is wrong, and it is unknown which one.
    pub fn without_contradiction(mut self) -> ListName {
        let is_foreign = |team: &Team| self.game_teams.len() > 1 && !self.game_teams.contains(team);
        if self.team.as_ref().is_some_and(is_foreign) {
            self.team = None;
        }
        self
    }
    pub fn is_empty(&self) -> bool {
        *self == ListName::default()
    }
    /// True if no part of this name differs from what a bad row states.
    fn may_be_that_of(&self, stated: &ListName) -> bool {
        fn is_compatible<T: PartialEq>(one: &Option<T>, other: &Option<T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        is_compatible(&self.event, &stated.event)
            && is_compatible(&self.game, &stated.game)
            && (self.game_teams.is_empty() || self.game_teams.is_superset(&stated.game_teams))
            && is_compatible(&self.date, &stated.date)
            && is_compatible(&self.team, &stated.team)
    }
}

/// The lists to which the bad rows of a payload can belong.
#[derive(Debug, Default)]
pub struct IncompleteLists {
    /// What the bad rows state.
    stated: BTreeSet<ListName>,
}
impl IncompleteLists {
    /// Adds what a bad row states about its list.
    pub fn add(&mut self, stated: ListName) {
        self.stated.insert(stated.without_contradiction());
    }
    /// True if a bad row can belong to this list.
    pub fn contains(&self, list: &ListName) -> bool {
        self.stated.iter().any(|stated| list.may_be_that_of(stated))
    }
    /// True if a bad row can belong to every list.
    pub fn contains_all(&self) -> bool {
        self.stated.first().is_some_and(ListName::is_empty)
    }
}

/// A bad row that is a JSON object, read without regard to its faults.
pub struct BadObject(Value);
impl BadObject {
    pub fn new(row: &RawValue) -> BadObject {
        BadObject(serde_json::from_str(row.get()).unwrap_or_default())
    }
    /// Returns the cell at a JSON pointer, for example `/team/abbreviation`.
    pub fn cell(&self, pointer: &str) -> Cell<'_> {
        match self.0.pointer(pointer) {
            None => Cell::Absent,
            Some(Value::Null) => Cell::Null,
            Some(Value::Bool(value)) => Cell::Bool(*value),
            Some(Value::String(text)) => Cell::Text(Cow::Borrowed(text)),
            Some(Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Cell::Integer(integer),
                (None, Some(fraction)) => Cell::Fraction(fraction),
                (None, None) => Cell::Nested,
            },
            Some(Value::Array(_) | Value::Object(_)) => Cell::Nested,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(matchup: &str, date: &str, team: &str) -> ListName {
        let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ListName {
            game_teams: matchup.split_terminator('-').map(|team| team.parse().unwrap()).collect(),
            date: part(date).map(|text| text.parse().unwrap()),
            team: part(team).map(|text| text.parse().unwrap()),
            ..ListName::default()
        }
    }
    fn incomplete(stated: ListName) -> Vec<bool> {
        let mut lists = IncompleteLists::default();
        lists.add(stated);
        [("BOS-NYK", "BOS"), ("BOS-NYK", "NYK"), ("BOS-LAL", "BOS"), ("BOS-LAL", "LAL")]
            .map(|(matchup, team)| lists.contains(&list(matchup, "2024-01-17", team)))
            .to_vec()
    }

    #[test]
    fn a_bad_row_makes_exactly_those_lists_incomplete_that_it_can_belong_to() {
        for (stated, expected) in [
            (list("BOS-NYK", "2024-01-17", "BOS"), [true, false, false, false]),
            (list("BOS-NYK", "", ""), [true, true, false, false]),
            (list("", "", "BOS"), [true, false, true, false]),
            (list("", "2024-01-17", ""), [true; 4]),
            (list("", "2024-01-18", "BOS"), [false; 4]),
            (list("", "", ""), [true; 4]),
            (list("BOS-NYK", "", "LAL"), [true, true, false, false]),
            (list("LAL", "", ""), [false, false, true, true]),
            (list("LAL", "", "BOS"), [false, false, true, false]),
            (list("NYK", "2024-01-17", ""), [true, true, false, false]),
        ] {
            assert_eq!(incomplete(stated.clone()), expected, "{stated:?}");
        }
    }
    #[test]
    fn only_a_row_that_states_nothing_belongs_to_every_list() {
        let mut lists = IncompleteLists::default();
        lists.add(list("", "", "BOS"));
        assert!(!lists.contains_all());
        lists.add(ListName::default());
        assert!(lists.contains_all());
    }
}
