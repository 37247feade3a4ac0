//! Whose turn it is to change the records: one statement at a time, over all instances.
//!
//! A table of no rows carries the id of the last job in a label. Whoever wants to send one sees that job done, and puts its own id there
//! on condition that nobody did so meanwhile. It costs no statement of the table's own limits.
//!
//! Invariant: a job of an instance that lives is sent only while no other of its kind runs. One that was announced and never sent
//! is waited for so long that its sender is surely gone.
//! Not here: what happens if two are sent all the same: the second changes nothing that is not newer.
use super::{BigQuery, jobs::is_done, schema::WRITER};
use crate::warehouse::WarehouseError;
use serde_json::json;
use std::time::Duration;

const LABEL: &str = "job";
/// How long an announced job may take to be seen.
const ABANDONED_AFTER_MS: i64 = 60_000;
/// How long one call waits for its turn.
const MAX_LEASE_WAIT_MS: i64 = 30_000;

impl BigQuery {
    /// Returns when it is this job's turn.
    pub(super) fn acquire_lease(&mut self, id: &str) -> Result<(), WarehouseError> {
        let (since, mut pause) = (self.clock.now_ms(), Duration::from_millis(250));
        loop {
            let dataset = self.names.dataset.clone();
            let table = match self.runtime.block_on(self.api_client.table(&dataset, WRITER)) {
                Ok(table) => table,
                Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, id)),
            };
            let holder = table["labels"][LABEL].as_str().unwrap_or_default().to_owned();
            if holder == id {
                return Ok(());
            }
            let is_holder_done = self.is_holder_done(&holder, id)?;
            match is_holder_done.then(|| self.labels.take(self.clock.now_ms())) {
                None => {}
                // So many changes of the label are taken in a time, and no more. Whose turn it is may change meanwhile.
                Some(Err(wait_ms)) => pause = Duration::from_millis(wait_ms as u64),
                Some(Ok(())) => {
                    let etag = table["etag"].as_str().unwrap_or_default();
                    let body = json!({"labels": {LABEL: id}});
                    match self.runtime.block_on(self.api_client.patch(&dataset, WRITER, etag, &body)) {
                        Ok(_) => return Ok(()),
                        // Another came first, or nobody knows: the label says which.
                        Err(api_error) if api_error.is_status(412) => {}
                        Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, id)),
                    }
                }
            }
            let waited = self.clock.now_ms() - since;
            if waited > MAX_LEASE_WAIT_MS {
                return Err(WarehouseError::pending(format!("job {holder} of another writer is in flight")));
            }
            self.clock.sleep(pause);
            self.counters.get_mut().waited_ms += pause.as_millis() as u64;
            pause = (pause * 2).min(Duration::from_secs(4));
        }
    }
    /// Whether the job of the label changes nothing any more.
    fn is_holder_done(&mut self, holder: &str, id: &str) -> Result<bool, WarehouseError> {
        if holder.is_empty() || self.last_done.as_deref() == Some(holder) {
            return Ok(true);
        }
        match self.get_job(holder) {
            Ok(job) => {
                self.missing_holder = None;
                Ok(is_done(&job))
            }
            Err(api_error) if api_error.is_not_found() => {
                let now = self.clock.now_ms();
                match &self.missing_holder {
                    Some((job, since)) if job == holder => Ok(now - since > ABANDONED_AFTER_MS),
                    _ => {
                        self.missing_holder = Some((holder.to_owned(), now));
                        Ok(false)
                    }
                }
            }
            Err(api_error) => Err(self.to_error(api_error.class(), &api_error, id)),
        }
    }
}
