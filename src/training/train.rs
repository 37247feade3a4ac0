//! Trains a model on all seasons up to one, measures it, and writes its artifact.
//!
//! The measurement is of another model: one that was trained on the seasons before the last one, and forecasts the last one.
//! Invariant: an existing file is replaced only on request, and as a whole; nothing is written if anything fails before.
//! Not here: measuring several seasons (`backtest`).
use super::{
    TrainingProgress,
    evaluation::{Evaluation, blend, evaluate, is_measured, mean},
    examples::{Example, Examples, ensure_balanced, read_examples},
    fitting::{Forecaster, fit},
};
use crate::{app::App, precondition::refused};
use anyhow::{Context, Result};
use models::significant;
use processors::predictor::{Artifact, Backtest, Content, Predictor, Training};
use schemas::Season;
use serde::Serialize;
use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// What to train, and where to write it.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions<'a> {
    /// The last season of the training.
    pub through: Season,
    /// The file of the artifact; `None` writes nothing.
    pub file: Option<&'a Path>,
    /// Replace the file if it exists.
    pub overwrite: bool,
}

/// The errors of a model on the rows on which it was trained, as far as they are eligible.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InSample {
    pub n: u64,
    pub mae: f64,
    pub blend_mae: f64,
}

/// The errors of a model of the earlier seasons in the last season.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutOfSample {
    pub season: String,
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainReport {
    /// The file that was written.
    pub file: Option<String>,
    pub hash: String,
    /// The size of the artifact.
    pub bytes: usize,
    /// The number of features that the model uses.
    pub columns: usize,
    pub trees: usize,
    pub training: Training,
    /// `None` if no row is eligible.
    pub in_sample: Option<InSample>,
    /// `None` if the log has too few player-games of earlier seasons.
    pub out_of_sample: Option<OutOfSample>,
}

/// Trains a model and writes its artifact.
///
/// # Errors
/// [`runtime::RuntimeError::Precondition`] if the file exists, the audit does not balance or there is too little to train on; if the log
/// cannot be read or the file cannot be written.
pub fn train(
    app: &App,
    options: TrainOptions<'_>,
    on_progress: &mut dyn FnMut(TrainingProgress),
) -> Result<TrainReport> {
    if let Some(file) = options.file.filter(|file| !options.overwrite && file.exists()) {
        return Err(exists(file));
    }
    on_progress(TrainingProgress::Audit);
    ensure_balanced(app)?;
    on_progress(TrainingProgress::Reading);
    let examples = read_examples(app)?;
    examples.ensure_enough(options.through)?;
    let out_of_sample = measure_last_season(&examples, options.through, on_progress)?;
    let rows = examples.through(options.through);
    let mut content = fit(&rows, &format!("seasons through {}", options.through), on_progress)?;
    content.backtest = out_of_sample.as_ref().map(|evaluation| stored(options.through, evaluation));
    let in_sample = in_sample(&content, &rows)?;
    let artifact = Artifact::new(content)?;
    let text = artifact.text()?;
    if let Some(file) = options.file {
        write(file, &text, options.overwrite)?;
    }
    let content = artifact.content();
    Ok(TrainReport {
        file: options.file.map(|file| file.display().to_string()),
        hash: artifact.hash().to_owned(),
        bytes: text.len(),
        columns: content.model.columns.len(),
        trees: content.model.trees.len(),
        training: content.training.clone(),
        in_sample,
        out_of_sample: out_of_sample
            .map(|evaluation| OutOfSample { season: options.through.to_string(), evaluation }),
    })
}

/// Measures a model of the earlier seasons in a season; `None` if they have too few player-games.
fn measure_last_season(
    examples: &Examples,
    season: Season,
    on_progress: &mut dyn FnMut(TrainingProgress),
) -> Result<Option<Evaluation>> {
    let Ok(earlier) = examples.before(season) else { return Ok(None) };
    let content = fit(&earlier, &format!("seasons before {season}, to measure the model"), on_progress)?;
    Ok(evaluate(&Predictor::new(Some(Artifact::new(content)?)), &examples.of(season)))
}

fn stored(season: Season, evaluation: &Evaluation) -> Backtest {
    Backtest {
        season,
        n: evaluation.n,
        mae: significant(evaluation.mae),
        bias: significant(evaluation.bias),
        blend_mae: significant(evaluation.blend_mae),
    }
}

fn in_sample(content: &Content, rows: &[&Example]) -> Result<Option<InSample>> {
    let forecaster = Forecaster::new(&content.model)?;
    let (mut errors, mut blend_errors) = (Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| is_measured(row)) {
        let Some(blend) = blend(&row.features) else { continue };
        errors.push((forecaster.forecast(row)? - f64::from(row.points)).abs());
        blend_errors.push((blend - f64::from(row.points)).abs());
    }
    let n = errors.len() as u64;
    let means = mean(errors.into_iter()).zip(mean(blend_errors.into_iter()));
    Ok(means.map(|(mae, blend_mae)| InSample { n, mae, blend_mae }))
}

/// Writes a file as a whole: a reader sees the former file or the new one.
fn write(file: &Path, text: &str, overwrite: bool) -> Result<()> {
    let context = || format!("writing the model artifact {}", file.display());
    let new_path = PathBuf::from(format!("{}.new", file.display()));
    let written = file_modes::create_file(&new_path).and_then(|mut new_file| {
        new_file.write_all(text.as_bytes())?;
        new_file.sync_all()
    });
    if let Err(error) = written {
        // A file that was there before is not this training's to remove.
        if error.kind() != ErrorKind::AlreadyExists {
            std::fs::remove_file(&new_path).with_context(context)?;
        }
        let next = format!(
            "next: remove {} if no other training writes it, or choose another file",
            new_path.display()
        );
        return Err(anyhow::Error::new(error).context(format!("{}; {next}", context())));
    }
    if overwrite {
        return std::fs::rename(&new_path, file).with_context(context);
    }
    // Unlike a rename, a link never replaces a file that was created meanwhile.
    let linked = std::fs::hard_link(&new_path, file);
    std::fs::remove_file(&new_path).with_context(context)?;
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(file)),
        linked => linked.with_context(context),
    }
}

fn exists(file: &Path) -> anyhow::Error {
    let what = format!("writing {}", file.display());
    refused(what, "the file exists already", "choose another file, or add `--overwrite` to replace it").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_on_request_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.json");
        write(&file, "first", false).unwrap();
        let error = write(&file, "second", false).unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "first");
        write(&file, "second", true).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "second");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    #[test]
    fn the_incomplete_file_of_another_training_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("model.json"), folder.path().join("model.json.new"));
        std::fs::write(&other, "half").unwrap();
        let error = format!("{:#}", write(&file, "text", false).unwrap_err());
        assert!(error.contains("model.json.new"), "{error}");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "half");
        assert!(!file.exists());
    }
}
