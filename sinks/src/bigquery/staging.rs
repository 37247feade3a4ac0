//! What is too large for a parameter: loaded into a table of its own first, in a dataset of its own, and merged from there.
//!
//! Invariant: the table's name is the batch's, so a load that is repeated replaces the same rows. A table older than six hours belongs
//! to no batch that is being written, and is deleted; the dataset's own expiry does so after a day in any case. What does not have both
//! a name and a label as given here is somebody else's, and stays.
//! Not here: when a batch is too large (`write`).
use super::{
    BigQuery,
    encode::Encoded,
    error::{ApiError, ErrorClass},
    jobs::{JobKind, Reply, SendResult, Stop, job},
};
use crate::warehouse::WarehouseError;
use flate2::{Compression, write::GzEncoder};
use gcp_bigquery_client::model::{
    destination_table_properties::DestinationTableProperties, job_configuration_load::JobConfigurationLoad,
    table_field_schema::TableFieldSchema, table_reference::TableReference, table_schema::TableSchema,
};
use serde::Serialize;
use serde_json::Value;
use std::io::Write;

const PREFIX: &str = "stg_";
/// Of a table that the sink loaded. One, as the client keeps several in no order and an id is of one body.
const LABEL: (&str, &str) = ("fastbreak", "staging");
const STAGING_MAX_AGE_MS: i64 = 6 * 3_600_000;
const STAGING_CLEANUP_INTERVAL_MS: i64 = 3_600_000;

impl BigQuery {
    /// Loads the rows, unless they are there.
    pub(super) fn stage(&mut self, stem: &str, encoded: &Encoded) -> Result<(), Stop> {
        let table = table_of(stem);
        let load = format!("{}_l", stem.trim_end_matches("_m"));
        let into = table.clone();
        let mut send = |sink: &mut BigQuery, id: &str| -> SendResult {
            // Asked first: to find out by sending it again would be to send megabytes.
            match sink.get_job(id) {
                Ok(job) => return Ok(Reply::Existing(job)),
                Err(api_error) if api_error.is_not_found() => {}
                Err(api_error) => return Err(api_error),
            }
            let job = sink.load(id, &into);
            let data = lines(encoded).map_err(|error| ApiError::NotSent(error.to_string()))?;
            sink.runtime.block_on(sink.api_client.upload(&job, &data)).map(Reply::Inserted)
        };
        loop {
            let done = self.run(&load, JobKind::Unleased, &mut send)?;
            // A load of earlier may have expired, or been swept.
            match self.runtime.block_on(self.api_client.table(&self.names.staging(), &table)) {
                Ok(_) => return Ok(()),
                Err(api_error) if api_error.is_not_found() && done.is_reused => self.next_attempt(&load),
                Err(api_error) if api_error.is_not_found() => {
                    return Err(self.to_error(ErrorClass::Ambiguous, &api_error, &done.id).into());
                }
                Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, &done.id).into()),
            }
        }
    }
    /// The table is needed no more; answers whether it is gone by this. One that stays is the sweeper's.
    pub(super) fn unstage(&mut self, table: &str) -> bool {
        let path = format!("datasets/{}/tables/{table}", self.names.staging());
        self.runtime.block_on(self.api_client.delete(&path)).is_ok()
    }
    fn load(&self, id: &str, table: &str) -> gcp_bigquery_client::model::job::Job {
        let mut job = job(id, &self.names.project, &self.config.location, self.config.job_timeout);
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
    /// Deletes what batches left behind, at the start and once an hour.
    pub(super) fn delete_expired_staging(&mut self) -> Result<(), WarehouseError> {
        let now = self.clock.now_ms();
        if self.last_staging_cleanup_ms.is_some_and(|at| now - at < STAGING_CLEANUP_INTERVAL_MS) {
            return Ok(());
        }
        let old = match self.expired_staging_tables() {
            Ok(old) => old,
            Err(api_error) => return Err(self.to_error(api_error.class(), &api_error, "tables.list")),
        };
        for table in old {
            self.counters.get_mut().staging_tables_deleted += u64::from(self.unstage(&table));
        }
        self.last_staging_cleanup_ms = Some(now);
        Ok(())
    }
    /// The loaded tables that no batch needs any more.
    fn expired_staging_tables(&self) -> Result<Vec<String>, ApiError> {
        let (mut old, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.runtime.block_on(self.api_client.tables(&self.names.staging(), &next))?;
            let created_before = self.clock.unix_ms() - STAGING_MAX_AGE_MS;
            let listed = page["tables"].as_array().into_iter().flatten();
            old.extend(
                listed.filter(|item| is_own(item, created_before)).filter_map(name).map(str::to_owned),
            );
            match page["nextPageToken"].as_str() {
                Some(token) => next = token.to_owned(),
                None => return Ok(old),
            }
        }
    }
}

/// What a list of tables calls one.
fn name(item: &Value) -> Option<&str> {
    item["tableReference"]["tableId"].as_str()
}
/// Whether the sink loaded this table of a list before a moment.
fn is_own(item: &Value, created_before: i64) -> bool {
    let created = item["creationTime"].as_str().and_then(|at| at.parse::<i64>().ok());
    item["type"] == "TABLE"
        && item["labels"][LABEL.0] == LABEL.1
        && name(item).is_some_and(is_of_batch)
        && created.is_some_and(|created| created < created_before)
}
/// Whether this is what [`table_of`] makes: the batch and the body of its statement, in hex.
fn is_of_batch(table: &str) -> bool {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts = table.strip_prefix(PREFIX).and_then(|hashes| hashes.split_once('_'));
    parts.is_some_and(|(batch, body)| is_hex(batch, 32) && is_hex(body, 12))
}

/// The table of a batch's rows, whose job has this stem.
pub(super) fn table_of(stem: &str) -> String {
    format!("{PREFIX}{}", stem.trim_start_matches("fb_").trim_end_matches("_m"))
}

/// One row a line, a JSON object with the row as text: what is loaded is what a parameter would hold. Compressed, as BigQuery recognises
/// by its first bytes; the same rows are the same bytes.
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
