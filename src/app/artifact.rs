//! The model artifact of `learned_v1`, read from the configured path.
//!
//! Invariant: a configured artifact that cannot be read or parsed is an error; the predictor never runs without a configured artifact.
//! Not here: the format of a model artifact and the checks of its content (`processors::predictor`).
use processors::predictor::{Artifact, Predictor};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// The configured model artifact cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "{operation} the model artifact {}: {reason}\nnext: correct the value of `learned-model`, or unset it (then `fastbreak run` and `fastbreak train --out FILE` make another one); `fastbreak config show --origin` shows where it is set",
    path.display()
)]
pub struct LearnedModelError {
    operation: &'static str,
    path: PathBuf,
    reason: String,
}

/// Creates the predictor, with the model artifact if the configuration key `learned-model` is set to its path.
///
/// # Errors
/// If the artifact cannot be read or parsed.
pub fn load_predictor(path: Option<&Path>) -> Result<Predictor, LearnedModelError> {
    let Some(path) = path else { return Ok(Predictor::new(None)) };
    let error = |operation, reason| LearnedModelError { operation, path: path.to_owned(), reason };
    let text = read(path).map_err(|cause| error("reading", cause.to_string()))?;
    let artifact = Artifact::parse(&text).map_err(|cause| error("parsing", cause.to_string()))?;
    Ok(Predictor::new(Some(artifact)))
}

/// Reads the text of a file, but not much more of it than an artifact may have.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(Artifact::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
