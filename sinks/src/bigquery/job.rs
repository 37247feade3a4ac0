//! Jobs: their requests, their responses, and the results of sending them.
//!
//! Invariant: equal arguments give equal requests, byte by byte, so that a request can be repeated under its id.
//! Not here: sending a job (`job_runner`); the statement or data of a job (`sql`, `staging`).
use super::{
    call_end::CallEnd,
    config::BigQueryConfig,
    error::{ApiError, ErrorResponse},
};
use crate::warehouse::WarehouseError;
use gcp_bigquery_client::model::{
    job::Job, job_configuration::JobConfiguration, job_configuration_query::JobConfigurationQuery,
    job_reference::JobReference, query_parameter::QueryParameter, query_parameter_type::QueryParameterType,
    query_parameter_value::QueryParameterValue,
};
use serde_json::Value;
use std::time::Duration;

/// Time limit of one call that waits for a job.
pub const MAX_JOB_WAIT_MS: i64 = 30_000;

/// Name, type and value of a query parameter.
pub type Parameter = (&'static str, &'static str, String);

/// A job that is done and did not fail.
#[derive(Clone, Debug)]
pub struct FinishedJob {
    /// Number of changed rows, from the statistics of the job.
    pub affected: u64,
    /// True if a job with this id existed already and was reused.
    pub is_reused: bool,
    /// True if the reused job was sent by another instance, or before the current operation of this one.
    pub is_earlier: bool,
    pub id: String,
}

/// Reason why a job did not succeed.
pub enum Stop {
    /// The call ends: the job is still running, or an error requires the caller to repeat the call later or to stop.
    End(CallEnd),
    /// A row cannot be converted.
    BadRow(FailedJob),
    /// The request or the job is too large.
    Size(FailedJob),
    /// A table that the job reads does not exist.
    Missing(FailedJob),
}
/// A job that was rejected or failed.
pub struct FailedJob {
    pub response: ErrorResponse,
    /// Job id without the number of the attempt.
    pub job_prefix: String,
    /// True if another instance sent the job, possibly long ago, so that the cause of the failure may have been fixed since then.
    pub is_earlier: bool,
}
impl From<CallEnd> for Stop {
    fn from(end: CallEnd) -> Stop {
        Stop::End(end)
    }
}
impl From<WarehouseError> for Stop {
    fn from(error: WarehouseError) -> Stop {
        Stop::End(CallEnd::Error(error))
    }
}

/// Whether a job needs the writer lease, which allows only one DML job at a time (`writer_lease`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// The job runs DML on the table `sink_records`, so it needs the lease.
    Leased,
    /// The job changes nothing that other instances read, so it needs no lease.
    Unleased,
}

/// Result of sending a job.
pub type SendResult = Result<Reply, ApiError>;
pub enum Reply {
    /// The job was created.
    Inserted(Value),
    /// The job existed and was not sent again.
    Existing(Value),
}

/// Fields that the requests of all jobs have in common.
pub struct JobTemplate {
    project: String,
    location: String,
    /// Time after which BigQuery cancels a job.
    timeout: Duration,
}
impl JobTemplate {
    pub fn new(config: &BigQueryConfig) -> JobTemplate {
        JobTemplate {
            project: config.project.clone(),
            location: config.location.clone(),
            timeout: config.job_timeout,
        }
    }
    /// Returns a job with the configuration that all jobs share.
    pub fn job(&self, id: &str) -> Job {
        // The value of the label is the batch id in `fb_<batch>_…`, so that the jobs of a batch can be found. There is only one label,
        // because the client serializes several labels in random order, but equal ids need equal request bodies.
        let batch = id.split('_').nth(1).unwrap_or_default().to_owned();
        Job {
            job_reference: Some(JobReference {
                job_id: Some(id.to_owned()),
                location: Some(self.location.clone()),
                project_id: Some(self.project.clone()),
            }),
            configuration: Some(JobConfiguration {
                job_timeout_ms: Some(self.timeout.as_millis().to_string()),
                labels: Some([("fastbreak".to_owned(), batch)].into()),
                ..JobConfiguration::default()
            }),
            ..Job::default()
        }
    }
    /// Returns a job that runs a statement.
    pub fn query_job(&self, id: &str, query: String, parameters: &[Parameter]) -> Job {
        let parameter = |(name, of, value): &Parameter| QueryParameter {
            name: Some((*name).to_owned()),
            parameter_type: Some(QueryParameterType {
                r#type: (*of).to_owned(),
                ..QueryParameterType::default()
            }),
            parameter_value: Some(QueryParameterValue {
                value: Some(value.clone()),
                ..QueryParameterValue::default()
            }),
        };
        let mut job = self.job(id);
        if let Some(configuration) = &mut job.configuration {
            configuration.query = Some(JobConfigurationQuery {
                query,
                use_legacy_sql: Some(false),
                parameter_mode: Some("NAMED".into()),
                query_parameters: Some(parameters.iter().map(parameter).collect()),
                ..JobConfigurationQuery::default()
            });
        }
        job
    }
}

/// True if the job is done; it may have failed.
pub fn is_done(job: &Value) -> bool {
    job["status"]["state"] == "DONE"
}
/// Returns the error of a failed job. A job that is done may have failed; only `errorResult` shows it.
pub fn failure(job: &Value) -> Option<ErrorResponse> {
    let error = &job["status"]["errorResult"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (!error.is_null()).then(|| ErrorResponse {
        status: None,
        reason: text("reason"),
        message: text("message"),
    })
}
/// Returns the number of changed rows.
pub fn affected(job: &Value) -> u64 {
    job["statistics"]["query"]["numDmlAffectedRows"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}
