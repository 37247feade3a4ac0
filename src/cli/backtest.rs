//! `backtest`: the errors of models of earlier seasons, one row per season; a progress bar.
//!
//! Invariant: a figure that cannot be computed is shown as a dash.
//! Not here: the measurement (`training::backtest`).
use super::{
    outcome::CommandOutcome,
    output::{self, Output},
    train::with_bar,
};
use crate::{
    app::App,
    training::{self, BacktestReport, Difference, SeasonBacktest},
};
use anyhow::Result;
use clap::Args;
use schemas::Season;

pub const EXAMPLES: &str = "Examples:
  fastbreak backtest --from 2022-23 --to 2024-25
  fastbreak backtest --from 2024-25 --to 2024-25 --output json";

#[derive(Args)]
pub struct BacktestArguments {
    /// First season to forecast, with a model of all earlier seasons in the log
    #[arg(long, value_name = "SEASON")]
    from: Season,
    /// Last season to forecast
    #[arg(long, value_name = "SEASON")]
    to: Season,
}

/// Runs `backtest`.
pub fn backtest(app: &App, arguments: &BacktestArguments, output: Output) -> Result<CommandOutcome> {
    let range = (arguments.from, arguments.to);
    let report = with_bar(|on_progress| training::backtest(app, range, on_progress))?;
    output::print(output, &report, text)?;
    Ok(CommandOutcome::Done)
}

fn text(report: &BacktestReport) -> String {
    let lines: Vec<[String; 7]> = report.seasons.iter().filter_map(line_row).collect();
    let seasons =
        ["season", "trained on", "n", "MAE", "bias", "80 % interval", "naive blend", "less than blend"];
    let table = output::table(seasons, report.seasons.iter().map(season_row));
    if lines.is_empty() {
        return format!("{table}\n\nno player-game has a market line");
    }
    let header =
        ["season", "with a line", "MAE", "MAE of the line", "less than line", "log-loss", "always 0.5"];
    format!("{table}\n\n{}", output::table(header, lines))
}

fn season_row(season: &SeasonBacktest) -> [String; 8] {
    let evaluation = &season.evaluation;
    [
        season.season.clone(),
        season.trained_rows.to_string(),
        evaluation.n.to_string(),
        number(evaluation.mae),
        number(evaluation.bias),
        format!("{:.1} %", 100.0 * evaluation.coverage_80),
        number(evaluation.blend_mae),
        gain(&evaluation.to_blend),
    ]
}

fn line_row(season: &SeasonBacktest) -> Option<[String; 7]> {
    let lines = season.evaluation.lines.as_ref()?;
    Some([
        season.season.clone(),
        lines.n.to_string(),
        number(lines.mae),
        number(lines.line_mae),
        gain(&lines.to_line),
        output::format_number(lines.log_loss, 4),
        output::format_number(Some(std::f64::consts::LN_2), 4),
    ])
}

fn number(value: f64) -> String {
    output::format_number(Some(value), 3)
}

/// Formats by how much the error of the model is smaller, with the standard error.
fn gain(difference: &Difference) -> String {
    format!("{} ± {}", number(-difference.mean), output::format_number(difference.standard_error, 3))
}
