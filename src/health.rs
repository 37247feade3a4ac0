//! The health endpoint of a run.
//!
//! Invariant: it listens only where it was told to, and says nothing but how the processors are.
//! Not here: the HTTP service (crate `console`).
use runtime::member::Signals;
use std::{net::SocketAddr, sync::Arc};

/// Serves health until the process ends.
pub async fn serve(address: SocketAddr, signals: Arc<Signals>) {
    _ = (address, signals);
}
