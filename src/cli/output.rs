//! Command results on standard output, as a table or as JSON; progress bars on standard error.
//!
//! Invariant: JSON holds everything that the table shows, under stable snake_case names.
//! Not here: the content of a result (one file per command), other text on standard error (`stderr`).
use super::{
    color::color,
    control_characters::{escape, escape_json},
};
use crate::read_progress::ReadEstimate;
use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Format of a command's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// Prints a result: `value` as JSON, or the text that `table` returns.
pub fn print<T: Serialize>(output: Output, value: &T, table: impl FnOnce(&T) -> String) -> Result<()> {
    write(&match output {
        Output::Json => escape_json(&serde_json::to_string_pretty(value)?).into_owned() + "\n",
        Output::Table => color(escape(table(value).trim_end())).into_owned() + "\n",
    })
}
/// Formats a value as JSON in one line.
pub fn json_line<T: Serialize>(value: &T) -> Result<String> {
    Ok(escape_json(&serde_json::to_string(value)?).into_owned())
}
/// Writes text to standard output as it is.
///
/// # Errors
/// If standard output cannot be written, for example because its disk is full.
pub fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("the command is complete, but its result cannot be written to standard output")
}
/// Width of the space between two columns, in characters.
const COLUMN_GAP: u16 = 2;
/// Text is not wrapped into a column with fewer characters than this.
const MIN_WRAPPED_WIDTH: u16 = 16;

/// Formats rows under a header as a table. On a terminal it is at most as wide as the terminal: the text of the column with the longest text is wrapped.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for row in rows {
        // A line break within a cell would look like another row.
        table.add_row(row.map(|cell| escape(&cell).replace('\n', "\\n")));
    }
    if std::io::stdout().is_terminal() {
        let line = LineStyle::new('─', '─', '─', '─');
        table.load_style(presets::NOTHING.header_separator(line));
        wrap_text_column(&mut table);
    }
    table.trim_fmt()
}
/// Wraps the text of the column with the longest text so that a table is as wide as the terminal, unless too little is left for this column.
fn wrap_text_column(table: &mut Table) {
    table.column_iter_mut().for_each(|column| _ = column.set_padding((0, 1)));
    let widths = table.column_max_content_widths();
    let Some((longest, width)) = widths.iter().enumerate().max_by_key(|(_, width)| **width) else { return };
    let others: u16 = widths.iter().map(|width| width + COLUMN_GAP).sum::<u16>() - width;
    let left = table.width().unwrap_or(u16::MAX).saturating_sub(others);
    if (MIN_WRAPPED_WIDTH..*width).contains(&left) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        let other_columns = table.column_iter_mut().enumerate().filter(|(index, _)| *index != longest);
        other_columns.for_each(|(_, column)| _ = column.set_constraint(ColumnConstraint::ContentWidth));
    }
}
/// Creates a progress bar for `length` bytes on standard error; it is hidden if standard error is not a terminal.
pub fn bar(length: u64, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), draw_target()).with_message(message);
    let style = ProgressStyle::with_template("{msg:>12} {bar:40} {percent:>3} %  {bytes_per_sec}  {eta}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
/// The percentage of a run in the length of its bar: a bar has whole steps only.
const STEPS_OF_PERCENT: f64 = 10.0;
/// A bar with a message on standard error that each update overwrites; it is hidden if standard error is not a terminal.
pub struct RunBar(ProgressBar);
impl RunBar {
    pub fn new() -> RunBar {
        let length = (100.0 * STEPS_OF_PERCENT) as u64;
        let bar = ProgressBar::with_draw_target(Some(length), draw_target());
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}");
        RunBar(style.map(|style| bar.clone().with_style(style)).unwrap_or(bar))
    }
    pub fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }
    /// Shows how far a run is, how long the rest will take, and a message.
    pub fn show(&self, estimate: &ReadEstimate, message: &str) {
        self.0.set_position((estimate.percent * STEPS_OF_PERCENT) as u64);
        self.0.set_message(format!("{}{message}", remaining(estimate)));
    }
    /// Removes the bar.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
/// Returns the text for the remaining time, for example `1 min 5 s left  `; empty if it is not known.
fn remaining(estimate: &ReadEstimate) -> String {
    let Some(seconds) = estimate.eta_seconds else { return String::new() };
    match (seconds as u64 / 60, seconds as u64 % 60) {
        (0, seconds) => format!("{seconds} s left  "),
        (minutes, seconds) => format!("{minutes} min {seconds} s left  "),
    }
}
fn draw_target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
/// Formats a number with a fixed count of decimals, or a dash for `None`.
pub fn format_number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}
