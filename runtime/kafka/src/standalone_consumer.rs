//! A consumer that reads without joining its group, and is closed within a millisecond or two.
//!
//! Invariant: dropped, it has let go of its connections and threads; who shares it holds it no longer than it lives.
//! Not here: consumers that are members; those are left to themselves (`member::rejoin`), since closing one would give partitions back.
use super::{client::Context, client_config::KafkaConfig};
use crate::log::RuntimeError;
use rdkafka::{ClientConfig, consumer::BaseConsumer};
use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a client is watched as it closes; it closes by itself after that, too.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// A consumer beside all groups.
pub struct StandaloneConsumer(Arc<BaseConsumer<Context>>);

impl StandaloneConsumer {
    /// # Errors
    /// A halt that names the setting that the client does not take.
    pub fn new(
        settings: &KafkaConfig,
        config: &ClientConfig,
        context: Context,
    ) -> Result<StandaloneConsumer, RuntimeError> {
        Ok(StandaloneConsumer(Arc::new(settings.make(config, context)?)))
    }
}

impl Deref for StandaloneConsumer {
    type Target = Arc<BaseConsumer<Context>>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for StandaloneConsumer {
    /// The consumer's own drop closes it, too, but looks only once in a tenth of a second whether that is done.
    fn drop(&mut self) {
        let since = Instant::now();
        if self.0.close_queue().is_ok() {
            while !self.0.closed() && since.elapsed() < CLOSE_TIMEOUT {
                drop(self.0.poll(Duration::from_millis(1)));
            }
        }
    }
}
