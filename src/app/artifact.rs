//! The model artifact of `learned_v1`, read from the configured path.
//!
//! Invariant: a configured artifact that cannot be read or parsed is an error; the predictor never runs without a configured artifact.
//! Not here: the format of a model artifact and the checks of its content (`processors::predictor`).
use anyhow::{Context, Result};
use processors::predictor::{Artifact, Predictor};
use std::path::Path;

/// Creates the predictor, with the model artifact if the configuration key `learned-model` is set to its path.
///
/// # Errors
/// If the artifact cannot be read or parsed.
pub fn load_predictor(path: Option<&Path>) -> Result<Predictor> {
    let Some(path) = path else { return Ok(Predictor::new(None)) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the model artifact {}", path.display()))?;
    let artifact =
        Artifact::parse(&text).with_context(|| format!("parsing the model artifact {}", path.display()))?;
    Ok(Predictor::new(Some(artifact)))
}
