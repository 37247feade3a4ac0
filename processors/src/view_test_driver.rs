//! Drives a materialized view in memory, for the tests of its logic.
//!
//! Invariant: only invalidated rows are derived again, and after each input the published rows must equal those that a batch over the same
//! input derives.
//! Not here: the log, commits, restores (crate `runtime`).
use crate::materialized_view::{Effects, MaterializedView, ParkedItem, StateChange};
use schemas::{
    GameId, RawId, Team, Timestamp,
    fixture::{DateEnd, GameDate, StandingRevision, VoidReason},
    game::Game,
    observation::{GameStatus, Provenance},
    raw::FetchOutcome,
};
use std::{collections::BTreeMap, fmt::Debug};

/// Returns the provenance of an observation of the request "r", whose raw id is its fetch time.
pub fn provenance(fetched_at: Timestamp) -> Provenance {
    Provenance {
        fetched_at,
        version: 1,
        raw: RawId(fetched_at.0),
        request: "r".into(),
        outcome: FetchOutcome::Complete,
        retraction: None,
    }
}

/// Returns the row of a game that has always been known, and has not started.
pub fn scheduled_game(game: GameId, home: Team, away: Team, tip_off: Timestamp) -> Game {
    let date = tip_off.eastern_date();
    Game {
        game,
        home,
        away,
        date,
        tip_off,
        tip_estimated: false,
        called_off: false,
        known_at: Timestamp::DISTANT_PAST,
        status: GameStatus::Scheduled,
        home_points: None,
        away_points: None,
        home_players: 0,
        away_players: 0,
        home_box_points: 0,
        away_box_points: 0,
        dates: vec![scheduled_date(home, away, tip_off)],
    }
}

/// Returns a date of a game that has always been known, and stands.
pub fn scheduled_date(home: Team, away: Team, tip_off: Timestamp) -> GameDate {
    GameDate {
        date: tip_off.eastern_date(),
        home,
        away,
        tip_off,
        tip_estimated: false,
        known_at: Timestamp::DISTANT_PAST,
        stood_at_cutoff: true,
        end: None,
        standing: vec![StandingRevision { known_at: Timestamp::DISTANT_PAST, stands: true }],
    }
}
/// Returns a date that no longer stands from an instant on.
pub fn ended_date(date: GameDate, at: Timestamp, reason: VoidReason) -> GameDate {
    let mut standing = date.standing.clone();
    standing.push(StandingRevision { known_at: at, stands: false });
    let end = Some(DateEnd { at, reason, teams: None });
    GameDate { stood_at_cutoff: at >= date.tip_off, end, standing, ..date }
}

/// Runs one view in a test: holds the tables of each key and the published rows.
pub struct ViewTestDriver<V: MaterializedView> {
    view: V,
    tables_by_key: BTreeMap<V::Key, V::Tables>,
    published: BTreeMap<V::OutputKey, V::Out>,
    /// The newest retained record of each view key and id, as JSON.
    changelog: BTreeMap<(V::Key, String), String>,
    /// The inputs that replaced rows of input tables.
    rows: Vec<V::In>,
}
impl<V: MaterializedView> ViewTestDriver<V>
where
    V::Out: Debug,
    V::OutputKey: Debug,
    V::In: Clone,
{
    pub fn new(view: V) -> Self {
        ViewTestDriver {
            view,
            tables_by_key: BTreeMap::new(),
            published: BTreeMap::new(),
            changelog: BTreeMap::new(),
            rows: Vec::new(),
        }
    }
    /// Applies one input, derives the invalidated rows, and compares all rows with those of a batch over the same input.
    pub fn put(&mut self, input: V::In) -> StateChange {
        let key = self.view.key(&input).unwrap();
        let tables = self.tables_by_key.entry(key.clone()).or_default();
        let (mut invalidated, mut retained) = (Vec::new(), Vec::new());
        let mut effects = Effects {
            invalidate: &mut |output_key| invalidated.push(output_key),
            retain: &mut |id, record| retained.push((id, serde_json::to_string(&record).unwrap())),
        };
        let state_change = self.view.apply(tables, input.clone(), &mut effects);
        self.changelog.extend(retained.into_iter().map(|(id, record)| ((key.clone(), id), record)));
        if state_change == StateChange::RowReplaced {
            self.rows.push(input);
        }
        self.check_restored();
        for output_key in invalidated {
            let tables = &self.tables_by_key[&self.view.key_of(&output_key)];
            match self.view.derive(tables, &output_key) {
                Some(row) => _ = self.published.insert(output_key, row),
                None => _ = self.published.remove(&output_key),
            }
        }
        let mut batch = BTreeMap::new();
        for tables in self.tables_by_key.values() {
            self.view.all_keys(tables, &mut |output_key| {
                if let Some(row) = self.view.derive(tables, &output_key) {
                    batch.insert(output_key, row);
                }
            });
        }
        let (published, batch) = (format!("{:#?}", self.published), format!("{batch:#?}"));
        assert_eq!(
            published, batch,
            "the incrementally derived rows differ from those of a batch over the same input"
        );
        state_change
    }
    /// Checks that the tables restored from the changelog and the rows of the input tables equal the running ones.
    fn check_restored(&self) {
        let mut restored: BTreeMap<V::Key, V::Tables> = BTreeMap::new();
        for ((key, _), record) in self.changelog.iter().rev() {
            let record = serde_json::from_str(record).unwrap();
            self.view.restore(restored.entry(key.clone()).or_default(), record);
        }
        for row in &self.rows {
            let tables = restored.entry(self.view.key(row).unwrap()).or_default();
            let mut effects = Effects { invalidate: &mut |_| {}, retain: &mut |_, _| {} };
            self.view.apply(tables, row.clone(), &mut effects);
        }
        for (key, running) in &self.tables_by_key {
            let restored = restored.remove(key).unwrap_or_default();
            assert_eq!(format!("{restored:#?}"), format!("{running:#?}"), "the restored tables differ");
        }
    }
    pub fn row(&self, output_key: &V::OutputKey) -> Option<&V::Out> {
        self.published.get(output_key)
    }
    pub fn tables(&self, key: &V::Key) -> &V::Tables {
        &self.tables_by_key[key]
    }
    /// Returns all published rows.
    pub fn rows(&self) -> &BTreeMap<V::OutputKey, V::Out> {
        &self.published
    }
    /// Returns the number of records in the changelog.
    pub fn changelog_len(&self) -> usize {
        self.changelog.len()
    }
    pub fn parked(&self) -> Vec<ParkedItem> {
        let mut items = Vec::new();
        for tables in self.tables_by_key.values() {
            self.view
                .all_keys(tables, &mut |output_key| items.extend(self.view.parked(tables, &output_key).1));
        }
        items
    }
}
