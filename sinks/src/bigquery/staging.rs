//! `Staging`: loads a batch that is too large for a query parameter into a table of the staging dataset, from which the MERGE reads it.
//!
//! Invariant: the name of a staging table is derived from the batch, so a repeated load replaces the same rows. A staging table older than
//! six hours belongs to no batch that is being written, and is deleted; at the latest, the dataset's default table expiration deletes it
//! after a day. This module deletes only tables that have both the name pattern and the label defined here.
//! Not here: deciding that a batch is too large (`writer`).
use super::{
    api_client::ApiClient,
    clock::Clock,
    config::BigQueryConfig,
    encode::Encoded,
    error::{ApiError, ErrorClass},
    job::{JobKind, Reply, SendResult, Stop, failure},
    job_runner::JobRunner,
    retry_policy::RetryPolicy,
    schema::Names,
    shared_counters::SharedCounters,
};
use crate::warehouse::WarehouseError;
use flate2::{Compression, write::GzEncoder};
use gcp_bigquery_client::model::{
    destination_table_properties::DestinationTableProperties, job::Job,
    job_configuration_load::JobConfigurationLoad, table_field_schema::TableFieldSchema,
    table_reference::TableReference, table_schema::TableSchema,
};
use serde::Serialize;
use serde_json::Value;
use std::{io::Write, sync::Arc};

const PREFIX: &str = "stg_";
/// Label of a staging table. There is only one, because the client serializes several labels in random order, but equal job ids need equal
/// request bodies.
const LABEL: (&str, &str) = ("fastbreak", "staging");
const STAGING_MAX_AGE_MS: i64 = 6 * 3_600_000;
const STAGING_CLEANUP_INTERVAL_MS: i64 = 3_600_000;

/// Loads and deletes the staging tables of a warehouse.
pub struct Staging {
    api: Arc<ApiClient>,
    clock: Arc<dyn Clock>,
    names: Names,
    counters: SharedCounters,
    retry_policy: Arc<RetryPolicy>,
    /// Time in milliseconds at which expired staging tables were last deleted.
    last_staging_cleanup_ms: Option<i64>,
}
impl Staging {
    pub fn new(
        config: &BigQueryConfig,
        api: Arc<ApiClient>,
        retry_policy: Arc<RetryPolicy>,
        counters: SharedCounters,
    ) -> Staging {
        Staging {
            api,
            clock: config.clock.clone(),
            names: config.names(),
            counters,
            retry_policy,
            last_staging_cleanup_ms: None,
        }
    }
    /// Returns the name of the batch's staging table. Loads the rows into it first, unless the merge job exists already and has not failed:
    /// such a job reads the rows of an earlier load.
    pub fn prepare_table(
        &self,
        runner: &mut JobRunner,
        job_prefix: &str,
        encoded: &Encoded,
    ) -> Result<String, Stop> {
        let table = table_of(job_prefix);
        let staging_table = format!("`{}.{}.{table}`", self.names.project, self.names.staging());
        let id = runner.current_id(job_prefix);
        match runner.get_job(&id) {
            Ok(job) if failure(&job).is_none() => return Ok(staging_table),
            Ok(_) => {}
            Err(api_error) if api_error.is_not_found() => {}
            Err(api_error) => {
                return Err(self.retry_policy.to_error(api_error.class(), &api_error, &id).into());
            }
        }
        self.load_staging_table(runner, job_prefix, encoded)?;
        Ok(staging_table)
    }
    /// Loads the rows into the staging table unless they are loaded already.
    fn load_staging_table(
        &self,
        runner: &mut JobRunner,
        job_prefix: &str,
        encoded: &Encoded,
    ) -> Result<(), Stop> {
        let table = table_of(job_prefix);
        let load = format!("{}_l", job_prefix.trim_end_matches("_m"));
        let into = table.clone();
        let mut send = |runner: &mut JobRunner, id: &str| -> SendResult {
            // The job is looked up first, because sending it again would upload megabytes.
            match runner.get_job(id) {
                Ok(job) => return Ok(Reply::Existing(job)),
                Err(api_error) if api_error.is_not_found() => {}
                Err(api_error) => return Err(api_error),
            }
            let job = self.load(runner.new_job(id), &into);
            let data = lines(encoded).map_err(|error| ApiError::NotSent(error.to_string()))?;
            self.api.upload(&job, &data).map(Reply::Inserted)
        };
        loop {
            let done = runner.run(&load, JobKind::Unleased, &mut send)?;
            // The table of an earlier load may have expired or been deleted.
            match self.api.table(&self.names.staging(), &table) {
                Ok(_) => return Ok(()),
                Err(api_error) if api_error.is_not_found() && done.is_reused => runner.next_attempt(&load),
                Err(api_error) if api_error.is_not_found() => {
                    return Err(self
                        .retry_policy
                        .to_error(ErrorClass::Ambiguous, &api_error, &done.id)
                        .into());
                }
                Err(api_error) => {
                    return Err(self.retry_policy.to_error(api_error.class(), &api_error, &done.id).into());
                }
            }
        }
    }
    /// Deletes a staging table, and returns true on success. If the deletion fails, the table is deleted after it has expired.
    pub fn unstage(&self, table: &str) -> bool {
        let path = format!("datasets/{}/tables/{table}", self.names.staging());
        self.api.delete(&path).is_ok()
    }
    /// Configures a job so that it loads its data into a staging table.
    fn load(&self, mut job: Job, table: &str) -> Job {
        let load = JobConfigurationLoad {
            destination_table: Some(TableReference::new(&self.names.project, &self.names.staging(), table)),
            source_format: Some("NEWLINE_DELIMITED_JSON".into()),
            write_disposition: Some("WRITE_TRUNCATE".into()),
            max_bad_records: Some(0),
            schema: Some(TableSchema::new(vec![TableFieldSchema::string("r")])),
            destination_table_properties: Some(DestinationTableProperties {
                labels: Some([(LABEL.0.to_owned(), LABEL.1.to_owned())].into()),
                ..DestinationTableProperties::default()
            }),
            ..JobConfigurationLoad::default()
        };
        if let Some(configuration) = &mut job.configuration {
            configuration.load = Some(load);
        }
        job
    }
    /// Deletes expired staging tables in the first call, and later at most once an hour.
    pub fn delete_expired_staging(&mut self) -> Result<(), WarehouseError> {
        let now = self.clock.now_ms();
        if self
            .last_staging_cleanup_ms
            .is_some_and(|cleaned_ms| now - cleaned_ms < STAGING_CLEANUP_INTERVAL_MS)
        {
            return Ok(());
        }
        let expired = match self.expired_staging_tables() {
            Ok(expired) => expired,
            Err(api_error) => {
                return Err(self.retry_policy.to_error(api_error.class(), &api_error, "tables.list"));
            }
        };
        for table in expired {
            let is_deleted = self.unstage(&table);
            self.counters.update(|counters| counters.staging_tables_deleted += u64::from(is_deleted));
        }
        self.last_staging_cleanup_ms = Some(now);
        Ok(())
    }
    /// Returns the names of the staging tables that no batch needs any more.
    fn expired_staging_tables(&self) -> Result<Vec<String>, ApiError> {
        let (mut expired, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.api.tables(&self.names.staging(), &next)?;
            let created_before = self.clock.unix_ms() - STAGING_MAX_AGE_MS;
            let listed = page["tables"].as_array().into_iter().flatten();
            expired.extend(
                listed.filter(|item| is_own(item, created_before)).filter_map(name).map(str::to_owned),
            );
            match page["nextPageToken"].as_str() {
                Some(token) => next = token.to_owned(),
                None => return Ok(expired),
            }
        }
    }
}

/// Returns the table name in an entry of a table list.
fn name(item: &Value) -> Option<&str> {
    item["tableReference"]["tableId"].as_str()
}
/// True if this entry of a table list is a staging table created before this time.
fn is_own(item: &Value, created_before: i64) -> bool {
    let created = item["creationTime"].as_str().and_then(|text| text.parse::<i64>().ok());
    item["type"] == "TABLE"
        && item["labels"][LABEL.0] == LABEL.1
        && name(item).is_some_and(is_staging_name)
        && created.is_some_and(|created| created < created_before)
}
/// True if the name has the pattern of [`table_of`]: a prefix, the batch id, and a hash of the request, both in hexadecimal.
fn is_staging_name(table: &str) -> bool {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts = table.strip_prefix(PREFIX).and_then(|hashes| hashes.split_once('_'));
    parts.is_some_and(|(batch, body)| is_hex(batch, 32) && is_hex(body, 12))
}

/// Returns the name of a batch's staging table, which is derived from the prefix of its job ids.
pub fn table_of(job_prefix: &str) -> String {
    format!("{PREFIX}{}", job_prefix.trim_start_matches("fb_").trim_end_matches("_m"))
}

/// Returns one line per row: a JSON object that contains the row as text, so that loaded rows equal the rows of a parameter. The lines are
/// compressed with gzip, which BigQuery detects by the first bytes; equal rows give equal bytes.
fn lines(encoded: &Encoded) -> std::io::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Line<'a> {
        r: &'a str,
    }
    let mut data = GzEncoder::new(Vec::with_capacity(encoded.request_bytes / 4), Compression::fast());
    for (_, row) in &encoded.rows {
        serde_json::to_writer(&mut data, &Line { r: row })?;
        data.write_all(b"\n")?;
    }
    data.finish()
}
