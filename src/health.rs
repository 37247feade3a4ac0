//! The health endpoint of a run.
//!
//! Live: the process answers. Ready: every processor has restored its memory and looked for work at least once.
//! Invariant: it listens only where it was told to, and says nothing but how the processors are.
//! Not here: the HTTP service (crate `console`).
use anyhow::{Context, Result};
use console::{Check, Health, Probe};
use runtime::member::Signals;
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

/// Takes the address before anything runs.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    console::bind(address)
        .with_context(|| format!("the health endpoint on {address}: choose another with `health`"))
}

/// What the endpoint looks at.
pub fn probe(signals: Arc<Signals>, processors: Vec<&'static str>) -> Probe {
    Arc::new(move || {
        let check = |name: &&'static str| {
            let state = signals.board.state(name);
            let detail = match state {
                None => "restoring",
                Some(true) => "caught up",
                Some(false) => "working",
            };
            Check { name: (*name).to_owned(), ok: state.is_some(), detail: detail.to_owned() }
        };
        let checks: Vec<Check> = processors.iter().map(check).collect();
        Health { live: !signals.is_stopping(), ready: checks.iter().all(|check| check.ok), checks }
    })
}

/// Serves until the process stops.
pub async fn serve(listener: TcpListener, probe: Probe) {
    if let Err(error) = console::serve(listener, probe, std::future::pending()).await {
        tracing::error!(%error, "the health endpoint ended; the processors go on");
    }
}
