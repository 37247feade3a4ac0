//! Signal handling of `run` and `replay run`, on a thread that also serves the console.
//!
//! Invariant: the first SIGINT or SIGTERM stops the processors after their next commit; the second one ends the process at once with exit
//! code 130.
//! Not here: the shutdown itself (`runtime::supervisor`), the HTTP service (`http_server`).
use super::stderr::eprint_line;
use crate::http_server::{self, ConsoleServer};
use anyhow::Result;
use runtime::subscription::RunContext;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that SIGINT ends.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// Starts the thread that handles signals and serves the console, if there is one.
///
/// # Errors
/// If the thread cannot be started.
pub fn listen(console: Option<ConsoleServer>, run_context: Arc<RunContext>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || runtime.block_on(handle_signals(console, run_context));
    std::thread::Builder::new().name("signals".into()).spawn(work)?;
    Ok(())
}

async fn handle_signals(console: Option<ConsoleServer>, run_context: Arc<RunContext>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return tracing::error!(
            "signal handlers cannot be installed: a signal ends the process at once; the next start resumes from the last commit"
        );
    };
    if let Some(console) = console {
        tokio::spawn(http_server::serve(console));
    }
    next_signal(&mut interrupt, &mut terminate).await;
    eprint_line("stopping after the next commit; a second signal exits at once");
    run_context.stop();
    next_signal(&mut interrupt, &mut terminate).await;
    std::process::exit(INTERRUPTED_EXIT_CODE);
}

async fn next_signal(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
