//! The predictor of the topology, adapted to the engine: it computes predictions from features.
//!
//! Invariant: the adapter calls one pure function of crate `processors` and decides nothing itself.
//! Not here: computing of predictions (`processors::predictor`).
use processors::predictor::Predictor;
use runtime::engine::{ProcessorOutput, StatelessProcessor};
use schemas::{PlayerGameDateId, Timestamp, features::Features, prediction::Prediction};

/// The predictor: computes predictions from features.
pub struct Predict(pub Predictor);
impl StatelessProcessor for Predict {
    type In = (PlayerGameDateId, Option<Features>);
    type Out = Prediction;
    fn version(&self) -> i64 {
        self.0.version()
    }
    fn process(&self, (id, features): Self::In, _: Option<Timestamp>) -> ProcessorOutput<Prediction> {
        match features {
            Some(features) => {
                ProcessorOutput { events: vec![self.0.predict(&features)], ..ProcessorOutput::default() }
            }
            None => ProcessorOutput { tombstones: vec![(0, id.to_string())], ..ProcessorOutput::default() },
        }
    }
}
