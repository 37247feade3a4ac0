//! The maps of the topology: the loaders and the predictor, as the engine runs them.
//!
//! Invariant: each is its crate's pure function and nothing more.
//! Not here: the functions themselves.
use processors::{
    loader::{self, Sighting},
    predictor::Predictor,
};
use runtime::engine::{Map, Rows, Step};
use schemas::{
    PlayerGameId,
    features::Features,
    prediction::Prediction,
    raw::{DeadLetter, RawEvent, RejectCode},
};

/// Decodes raw events.
pub struct Loader;
impl Map for Loader {
    type In = RawEvent;
    type Out = Sighting;
    fn version(&self) -> i64 {
        i64::from(loader::VERSION)
    }
    fn step(&self, raw: RawEvent) -> Step<Sighting> {
        let letter = |code, reason, value: Vec<u8>| DeadLetter {
            raw: Some(raw.id),
            fetched_at: Some(raw.fetched_at),
            value,
            replays: raw.replays,
            // The engine says where it was read and by whom.
            ..DeadLetter::new(code, reason)
        };
        match loader::load(&raw) {
            Ok(loaded) => Step {
                rows: Rows {
                    found: loaded.rows as i64,
                    emitted: loaded.rows_emitted() as i64,
                    bad: loaded.bad_rows.len() as i64,
                    out_of_scope: loaded.rows_out_of_scope as i64,
                    repeated: loaded.rows_repeated as i64,
                },
                dead: loaded
                    .bad_rows
                    .into_iter()
                    .map(|row| letter(RejectCode::BadRow, row.reason, row.value.into_bytes()))
                    .collect(),
                out: loaded.sightings,
                ..Step::default()
            },
            Err(reject) => Step {
                dead: vec![letter(reject.code, reject.reason, Vec::new())],
                rejected: true,
                ..Step::default()
            },
        }
    }
}

/// Predicts from features.
pub struct Predict(pub Predictor);
impl Map for Predict {
    type In = (PlayerGameId, Option<Features>);
    type Out = Prediction;
    fn version(&self) -> i64 {
        self.0.version()
    }
    fn step(&self, (id, features): Self::In) -> Step<Prediction> {
        match features {
            Some(features) => Step { out: vec![self.0.predict(&features)], ..Step::default() },
            None => Step { tombstones: vec![(0, id.to_string())], ..Step::default() },
        }
    }
}
