//! The two versions of a prediction: the input version and the model version.
//!
//! Invariant: equal features have equal input versions on any machine; a change of any field changes the input version. A change of a
//! constant or of the artifact changes the model version by itself; a change of code changes it only if `CODE_VERSION` is raised.
//! Not here: the versions of schemas.
use super::{
    artifact::Artifact, ensemble, forecast, learned, lines, moving_average, similarity, zone_matchup,
};
use schemas::features::{Comparable, Feature, Features};

/// The version of the predictor's code. Raise it in every change that computes different values from the same constants.
const CODE_VERSION: u32 = 1;

/// Returns the version of the code, the constants and the artifact: the first 64 bits of a BLAKE3 hash of the `Debug` text of the constants
/// and the hash of the artifact. A renamed field or type of the constants therefore changes the version.
pub(super) fn model_version(artifact: Option<&Artifact>) -> i64 {
    let constants = (
        (forecast::BOUNDS, lines::LINE_OFFSETS, lines::LOWEST_LINE),
        (moving_average::RULES, zone_matchup::RULES, similarity::RULES, ensemble::RULES),
        learned::THRESHOLD,
    );
    let text = format!("{CODE_VERSION} {constants:?} {:?}", artifact.map(Artifact::hash));
    first_64_bits(text.as_bytes())
}

/// Returns the version of the input: the first 64 bits of the BLAKE3 hash of all fields except `voided`, in a fixed order. Integers and the
/// bit patterns of floats are little-endian; sequences and texts are preceded by their length.
pub(super) fn input_version(features: &Features) -> i64 {
    let Features {
        player,
        game,
        name,
        home,
        away,
        team,
        date,
        tip_off,
        basis,
        known_at,
        eligibility,
        appearances,
        vector,
        rest_days,
        main_line,
        quality_flags,
        comparables,
        // The prediction of a void row stays as issued.
        voided: _,
    } = features;
    let mut fields = Fields(Vec::with_capacity(512 + 20 * comparables.len()));
    fields.put(player.0.to_le_bytes());
    fields.put(game.0.to_le_bytes());
    fields.length(name.len());
    fields.0.extend_from_slice(name.as_bytes());
    fields.put([*home as u8, *away as u8, team.map_or(u8::MAX, |team| team as u8)]);
    fields.put(date.0.to_le_bytes());
    fields.put(tip_off.0.to_le_bytes());
    fields.put(known_at.0.to_le_bytes());
    fields.put([*basis as u8, *eligibility as u8]);
    fields.put(appearances.to_le_bytes());
    fields.length(vector.len());
    for feature in vector {
        match feature {
            Feature::Value(value) => {
                fields.put([0]);
                fields.put(value.to_bits().to_le_bytes());
            }
            Feature::Missing(reason) => fields.put([1, *reason as u8]),
        }
    }
    fields.option(*rest_days);
    fields.option(main_line.map(|line| line.0));
    fields.length(quality_flags.len());
    fields.0.extend(quality_flags.iter().map(|quality_flag| *quality_flag as u8));
    fields.length(comparables.len());
    for Comparable { game, points, tier, rest_days, is_home, streak } in comparables {
        fields.put(game.0.to_le_bytes());
        fields.put(points.to_le_bytes());
        fields.put(rest_days.to_le_bytes());
        fields.put([*tier as u8, u8::from(*is_home), *streak as u8]);
    }
    first_64_bits(&fields.0)
}

struct Fields(Vec<u8>);
impl Fields {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend_from_slice(&bytes);
    }
    fn length(&mut self, length: usize) {
        self.put((length as u64).to_le_bytes());
    }
    fn option(&mut self, value: Option<i32>) {
        self.put([u8::from(value.is_some())]);
        self.put(value.unwrap_or_default().to_le_bytes());
    }
}

fn first_64_bits(bytes: &[u8]) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    i64::from_be_bytes(first)
}
