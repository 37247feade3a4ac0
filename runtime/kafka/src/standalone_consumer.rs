//! A consumer that uses `assign()` only, joins no group and closes fast.
//!
//! Invariant: when it is dropped, its connections and threads are released, usually within two milliseconds.
//! Not here: consumers that are group members; those are leaked instead of closed (`member::join`), because closing one may block on a
//! rebalance.
use crate::{client_config::KafkaConfig, context::Context};
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use runtime::RuntimeError;
use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

/// The time for which a closing client is polled; after that it closes in the background.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// A consumer that is not a member of any group.
pub struct StandaloneConsumer(Arc<BaseConsumer<Context>>);

impl StandaloneConsumer {
    /// Creates the consumer; it connects in the background.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` with the setting that the client rejects.
    pub fn new(
        config: &KafkaConfig,
        client_config: &ClientConfig,
        context: Context,
    ) -> Result<StandaloneConsumer, RuntimeError> {
        Ok(StandaloneConsumer(Arc::new(config.create_client(client_config, context)?)))
    }
}

impl Deref for StandaloneConsumer {
    type Target = Arc<BaseConsumer<Context>>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for StandaloneConsumer {
    /// Closes the consumer and polls until it is closed. rdkafka's own drop closes it as well, but checks for completion only ten times
    /// a second.
    fn drop(&mut self) {
        let started = Instant::now();
        if self.0.close_queue().is_ok() {
            while !self.0.closed() && started.elapsed() < CLOSE_TIMEOUT {
                drop(self.0.poll(Duration::from_millis(1)));
            }
        }
    }
}
