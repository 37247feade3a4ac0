//! Makes an artifact of examples.
//!
//! Invariant: the same examples give the same artifact, on any machine and any number of threads.
//! Not here: the algorithms (crate `models`), reading the examples (`examples`).
use super::{
    TrainingProgress,
    examples::{Example, count_by_basis, hash},
    spread::fit_spread,
};
use anyhow::{Context, Result, anyhow};
use models::{Model, Parameters, Table};
use processors::predictor::{Backtest, Content, Kind, Training, feature_schema_hash};
use schemas::{
    Season,
    features::{FEATURES, Features},
};
use std::{collections::BTreeSet, num::NonZeroUsize};

/// Trains a model on examples, of which there must be at least one.
///
/// # Errors
/// If a feature is no number, or no feature says anything.
pub fn fit(
    examples: &[&Example],
    purpose: &str,
    on_progress: &mut dyn FnMut(TrainingProgress),
) -> Result<Content> {
    let mut table = Table::new(&FEATURES)?;
    for example in examples {
        let Features { player, game, .. } = example.features;
        table
            .push(&example.values(), f64::from(example.points))
            .with_context(|| format!("the features of player {player} in game {game}"))?;
    }
    let parameters = Parameters::default();
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut grown = 0;
    let mut progress = |grown| {
        let purpose = purpose.to_owned();
        on_progress(TrainingProgress::Trees { purpose, grown, of: parameters.trees.trees });
    };
    progress(0);
    let fit = models::fit(&table, &parameters, threads, &mut || {
        grown += 1;
        progress(grown);
    })?;
    let forecaster = Forecaster::new(&fit.model)?;
    let pairs = examples.iter().map(|example| Ok((forecaster.forecast(example)?, f64::from(example.points))));
    let spread = fit_spread(&pairs.collect::<Result<Vec<_>>>()?);
    let (issued, retrospective) = count_by_basis(examples);
    let seasons: BTreeSet<Season> = examples.iter().map(|example| example.season()).collect();
    let dates = || examples.iter().map(|example| example.features.date);
    let (from, to) = dates().min().zip(dates().max()).context("there are no examples")?;
    let training = Training {
        from,
        to,
        seasons: seasons.into_iter().collect(),
        rows: examples.len() as u64,
        issued,
        retrospective,
        rows_hash: hash(examples),
        dropped: fit.dropped,
    };
    Ok(Content {
        kind: Kind::LinearAndTrees,
        feature_schema: feature_schema_hash(),
        model: fit.model,
        spread,
        training,
        parameters,
        backtest: None::<Backtest>,
    })
}

/// A model with its columns resolved to features, which forecasts also the examples on which it was trained.
pub struct Forecaster<'a> {
    model: &'a Model,
    columns: Vec<usize>,
}
impl<'a> Forecaster<'a> {
    pub fn new(model: &'a Model) -> Result<Forecaster<'a>> {
        let feature = |name: &str| {
            let found = FEATURES.iter().position(|feature| *feature == name);
            found.with_context(|| format!("'{name}' is not a feature"))
        };
        let columns = model.columns.iter().map(|column| feature(&column.name)).collect::<Result<_>>()?;
        Ok(Forecaster { model, columns })
    }
    /// Returns the forecast of an example on which the model was trained, in points.
    pub fn forecast(&self, example: &Example) -> Result<f64> {
        let values: Vec<_> =
            self.columns.iter().map(|feature| example.features.get(*feature).value()).collect();
        let missing = |column| anyhow!("an example of the training has no value of column {column}");
        self.model.forecast(&values).map_err(missing)
    }
}
