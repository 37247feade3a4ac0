//! `PendingBatch`: a batch that is being written, and the parameters of its statement.
//!
//! Invariant: equal batches and plans give equal parameters, except for the job id and the number of the attempt.
//! Not here: the statement (`sql`), the rows (`encode`).
use super::{encode::Encoded, job::Parameter};
use crate::{plan::BatchPlan, window::Batch};

/// A batch that is being written.
pub struct PendingBatch<'a> {
    /// Prefix of the batch's job ids; the number of the attempt follows it.
    pub job_prefix: String,
    pub encoded: &'a Encoded,
    pub batch: &'a Batch,
    pub plan: &'a BatchPlan,
}
impl PendingBatch<'_> {
    /// Returns the parameters of [`merge_sql`](super::sql::merge_sql) except `rows`.
    pub fn parameters(&self, job_id: &str) -> Vec<Parameter> {
        let PendingBatch { encoded, batch, plan, .. } = self;
        let number = |n: usize| n.to_string();
        vec![
            ("batch", "STRING", plan.id.to_string()),
            ("log_id", "STRING", plan.writer.log.clone()),
            ("epoch", "INT64", plan.writer.epoch.to_string()),
            ("input_ranges", "STRING", serde_json::Value::from(plan.event().ranges).to_string()),
            ("records", "INT64", number(batch.read())),
            ("filtered", "INT64", number(batch.filtered)),
            ("superseded", "INT64", number(batch.superseded)),
            ("rejected", "INT64", number(batch.rejected)),
            ("close_reason", "STRING", plan.reason.name().to_owned()),
            ("job_id", "STRING", job_id.to_owned()),
            ("attempts", "INT64", attempts(job_id).to_string()),
            ("request_bytes", "INT64", number(encoded.request_bytes)),
            ("planned_at", "TIMESTAMP", plan.planned_at.to_string()),
        ]
    }
}

/// Returns the number of the attempt in a job id, starting at 1.
fn attempts(id: &str) -> u64 {
    let number = id.rsplit("_m").next().and_then(|number| number.parse::<u64>().ok());
    number.map_or(1, |number| number + 1)
}
