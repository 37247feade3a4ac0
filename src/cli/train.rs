//! `train`: what was trained and how large its errors are; a progress bar.
//!
//! Invariant: the text says which figures are in-sample and which are not, and that nothing was written if that is so.
//! Not here: training (`training`), several seasons (`backtest`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output, RunBar},
};
use crate::{
    app::App,
    read_progress::ReadEstimate,
    training::{self, TrainOptions, TrainReport, TrainingProgress},
};
use anyhow::Result;
use clap::Args;
use schemas::Season;
use std::path::PathBuf;

pub const EXAMPLES: &str = "Examples:
  fastbreak train --through 2023-24                  shows the errors, writes nothing
  fastbreak train --through 2023-24 --out model.json   for the key `learned-model`
  fastbreak train --through 2023-24 --out model.json --overwrite";

#[derive(Args)]
pub struct TrainArguments {
    /// Last season of the training, such as 2023-24; the model then predicts later games
    #[arg(long, value_name = "SEASON")]
    through: Season,
    /// File to write the model artifact to; without it, nothing is written
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    overwrite: bool,
}

/// Runs `train`.
pub fn train(app: &App, arguments: &TrainArguments, output: Output) -> Result<CommandOutcome> {
    let TrainArguments { through, out, overwrite } = arguments;
    let options = TrainOptions { through: *through, file: out.as_deref(), overwrite: *overwrite };
    let report = with_bar(|on_progress| training::train(app, options, on_progress))?;
    output::print(output, &report, text)?;
    Ok(CommandOutcome::Done)
}

/// Shows a bar while `work` runs.
pub fn with_bar<T>(work: impl FnOnce(&mut dyn FnMut(TrainingProgress)) -> Result<T>) -> Result<T> {
    let bar = RunBar::new();
    let result = work(&mut |progress| {
        let (percent, message) = match progress {
            TrainingProgress::Audit => (0.0, "audit".to_owned()),
            TrainingProgress::Reading => (0.0, "reading features and results".to_owned()),
            TrainingProgress::Trees { purpose, grown, of } => {
                (100.0 * f64::from(grown) / f64::from(of.max(1)), format!("training on {purpose}"))
            }
        };
        bar.show(&ReadEstimate { percent, records_per_second: None, eta_seconds: None }, &message);
    });
    bar.clear();
    result
}

fn text(report: &TrainReport) -> String {
    let training = &report.training;
    let seasons: Vec<String> = training.seasons.iter().map(ToString::to_string).collect();
    let dropped: Vec<&str> = training.dropped.iter().map(|dropped| dropped.column.as_str()).collect();
    let dropped = if dropped.is_empty() { "none".to_owned() } else { dropped.join(", ") };
    let facts = [
        ("seasons", seasons.join(", ")),
        ("dates", format!("{} to {}", training.from, training.to)),
        (
            "rows",
            format!(
                "{} ({} issued, {} retrospective)",
                training.rows, training.issued, training.retrospective
            ),
        ),
        ("model", format!("{} features, {} trees, {} bytes", report.columns, report.trees, report.bytes)),
        ("features not used", dropped),
        ("hash", report.hash.clone()),
    ];
    let facts = output::table(["trained", ""], facts.map(|(name, value)| [name.to_owned(), value]));
    let file = match &report.file {
        Some(file) => format!("wrote {file}\nnext: set `learned-model` to this path, then `fastbreak run`"),
        None => "nothing was written; `--out FILE` writes the model artifact".to_owned(),
    };
    format!("{facts}\n\n{}\n\n{file}", errors(report))
}

fn errors(report: &TrainReport) -> String {
    let row = |name: String, n: u64, mae: f64, blend: f64| {
        [name, n.to_string(), output::format_number(Some(mae), 3), output::format_number(Some(blend), 3)]
    };
    let in_sample = report
        .in_sample
        .iter()
        .map(|figures| row("in-sample".into(), figures.n, figures.mae, figures.blend_mae));
    let out_of_sample = report.out_of_sample.iter().map(|figures| {
        let evaluation = &figures.evaluation;
        let name = format!("{}, of a model of earlier seasons", figures.season);
        row(name, evaluation.n, evaluation.mae, evaluation.blend_mae)
    });
    let table = output::table(["errors", "n", "MAE", "naive blend"], in_sample.chain(out_of_sample));
    match report.out_of_sample {
        Some(_) => table,
        None => format!("{table}\nthe log has too few games of earlier seasons to measure the model"),
    }
}
