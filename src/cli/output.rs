//! Command results on standard output, as a table or as JSON; progress bars on standard error.
//!
//! Invariant: JSON holds everything that the table shows, under stable snake_case names.
//! Not here: the content of a result (one file per command), other text on standard error (`stderr`).
use super::control_characters::{escape, escape_json};
use anyhow::{Context, Result};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
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
        Output::Table => escape(table(value).trim_end()).into_owned() + "\n",
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
/// Formats rows under a header as a table.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    let preset =
        if std::io::stdout().is_terminal() { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING };
    table.load_style(preset);
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    for row in rows {
        // A line break within a cell would look like another row.
        table.add_row(row.map(|cell| escape(&cell).replace('\n', "\\n")));
    }
    table.trim_fmt()
}
/// Creates a progress bar for `length` bytes on standard error; it is hidden if standard error is not a terminal.
pub fn bar(length: u64, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), draw_target()).with_message(message);
    let style = ProgressStyle::with_template("{msg:>12} {bar:40} {percent:>3} %  {bytes_per_sec}  {eta}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
/// Creates a status line on standard error that each update overwrites; it is hidden if standard error is not a terminal.
pub fn spinner() -> ProgressBar {
    // The default style is that of a bar, which does not show the message.
    ProgressBar::with_draw_target(None, draw_target()).with_style(ProgressStyle::default_spinner())
}
fn draw_target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
/// Formats a number with a fixed count of decimals, or a dash for `None`.
pub fn format_number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}
