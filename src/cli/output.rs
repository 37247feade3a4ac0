//! Output: results as tables or JSON on standard output, prose on standard error.
//!
//! Invariant: JSON holds everything that the table shows, under stable names.
//! Not here: what is shown.
use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// Prints a result: the value as JSON, or what `table` makes of it.
pub fn print<T: Serialize>(output: Output, value: &T, table: impl FnOnce(&T) -> String) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        }
        Output::Table => writeln!(out, "{}", table(value).trim_end())?,
    }
    Ok(())
}
/// A line of prose.
pub fn eprint_line(text: &str) {
    // Nobody is left to be told when standard error is closed.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}
/// A table of rows under a header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    let preset =
        if std::io::stdout().is_terminal() { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING };
    table.load_style(preset);
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    rows.into_iter().for_each(|row| _ = table.add_row(row));
    table.trim_fmt()
}
/// A bar on standard error; nothing when that is no terminal.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(length), target).with_message(what);
    let style = ProgressStyle::with_template("{msg:>12} {bar:40} {percent:>3} %  {bytes_per_sec}  {eta}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
/// A line on standard error that is rewritten; nothing when that is no terminal.
pub fn spinner() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    ProgressBar::with_draw_target(None, target)
}
/// An error with its causes, each once.
pub fn error_chain(error: &anyhow::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
/// A number with a fixed count of decimals, or a dash.
pub fn format_number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}
