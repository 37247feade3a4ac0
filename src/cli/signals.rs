//! Signal handling of `run` and `replay run`, on a thread that also serves the console, and of commands that wait until they are stopped.
//!
//! Invariant: the first SIGINT, SIGTERM or SIGHUP stops the processors after their next commit, or ends the waiting; the second one ends the
//! process at once with exit code 130. A SIGHUP that is ignored when the process starts (`nohup`) stays ignored.
//! Not here: the shutdown itself (`runtime::supervisor`), the HTTP service (`http_server`).
use super::stderr::eprint_line;
use crate::{
    http_server::{self, ConsoleServer},
    service_notification,
};
use anyhow::Result;
use runtime::subscription::RunContext;
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a process that SIGINT ends.
const INTERRUPTED_EXIT_CODE: i32 = 130;

/// Starts the thread that handles signals and serves the console, if there is one. Signals have their effect from the return on.
///
/// # Errors
/// If the signal handlers cannot be installed, or the thread cannot be started.
pub fn listen(console: Option<ConsoleServer>, run_context: Arc<RunContext>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _context = runtime.enter();
        StopSignals::install()?
    };
    let work = move || runtime.block_on(handle_signals(signals, console, run_context));
    std::thread::Builder::new().name("signals".into()).spawn(work)?;
    Ok(())
}

/// Returns a flag that the first signal sets, for a command that waits until then.
///
/// # Errors
/// If the signal handlers cannot be installed, or the thread that waits for signals cannot be started.
pub fn stop_flag() -> Result<Arc<AtomicBool>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        StopSignals::install()?
    };
    let flag = Arc::new(AtomicBool::new(false));
    let set_flag = flag.clone();
    let wait = async move {
        signals.next().await;
        set_flag.store(true, Ordering::Relaxed);
        signals.next().await;
        std::process::exit(INTERRUPTED_EXIT_CODE);
    };
    std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(wait))?;
    Ok(flag)
}

async fn handle_signals(
    mut signals: StopSignals,
    console: Option<ConsoleServer>,
    run_context: Arc<RunContext>,
) {
    if let Some(console) = console {
        tokio::spawn(http_server::serve(console));
    }
    signals.next().await;
    eprint_line("stopping after the next commit; a second signal exits at once");
    if let Err(error) = service_notification::stopping() {
        tracing::warn!(%error, "the service manager does not know that the process stops; it stops all the same");
    }
    run_context.stop();
    signals.next().await;
    std::process::exit(INTERRUPTED_EXIT_CODE);
}

/// The signals that stop a run.
struct StopSignals(Vec<Signal>);
impl StopSignals {
    fn install() -> std::io::Result<StopSignals> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !is_hangup_ignored() {
            kinds.push(SignalKind::hangup());
        }
        Ok(StopSignals(kinds.into_iter().map(signal).collect::<Result<_, _>>()?))
    }
    /// Waits for the next of these signals.
    async fn next(&mut self) {
        poll_fn(|context| {
            let is_received = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_received { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// True if the process was started with SIGHUP ignored, as by `nohup`. Only Linux shows it; elsewhere false.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
