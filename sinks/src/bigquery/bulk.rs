//! What is too large for a parameter: loaded into a table of its own first, in a dataset of its own, and merged from there.
//!
//! Invariant: the table's name is the batch's, so a load that is repeated replaces the same rows. A table older than six hours belongs
//! to no batch that is being written, and is deleted; the dataset's own expiry does so after a day in any case.
//! Not here: when a batch is too large (`write`).
use super::{
    BigQuery,
    encode::Encoded,
    error::{Class, of_client},
    submit::{Kind, Sending, Stop, job},
};
use crate::warehouse::WarehouseError;
use flate2::{Compression, write::GzEncoder};
use gcp_bigquery_client::{
    model::{
        job_configuration_load::JobConfigurationLoad, table_field_schema::TableFieldSchema,
        table_reference::TableReference, table_schema::TableSchema,
    },
    table::ListOptions,
};
use serde::Serialize;
use std::io::Write;

const PREFIX: &str = "stg_";
const OLD_MS: i64 = 6 * 3_600_000;
const SWEEP_MS: i64 = 3_600_000;

impl BigQuery {
    /// Loads the rows, unless they are there.
    pub(super) fn stage(&mut self, stem: &str, encoded: &Encoded) -> Result<(), Stop> {
        let table = table_of(stem);
        let load = format!("{}_l", stem.trim_end_matches("_m"));
        let data = lines(encoded).map_err(|error| WarehouseError::Fatal {
            what: format!("compressing the batch's rows: {error}"),
            next: "start `fastbreak run` again: nothing was sent".into(),
        })?;
        self.counters.staged += 1;
        let into = table.clone();
        let mut send = |sink: &mut BigQuery, id: &str| -> Sending {
            let job = sink.load(id, &into);
            sink.counters.bytes += data.len() as u64;
            sink.runtime.block_on(sink.http.upload(&job, &data))
        };
        loop {
            let done = self.run(&load, Kind::Aside, &mut send)?;
            // A load of earlier may have expired, or been swept.
            match self.runtime.block_on(self.http.table(&self.names.staging(), &table)) {
                Ok(_) => return Ok(()),
                Err(trouble) if trouble.is_not_found() && done.is_adopted => self.step(&load),
                Err(trouble) if trouble.is_not_found() => {
                    return Err(self.later(Class::Ambiguous, &trouble, &done.id).into());
                }
                Err(trouble) => return Err(self.later(trouble.class(), &trouble, &done.id).into()),
            }
        }
    }
    /// The table is needed no more. One that stays is the sweeper's.
    pub(super) fn unstage(&mut self, table: &str) {
        let (project, dataset) = (self.names.project.clone(), self.names.staging());
        self.runtime.block_on(self.client.table().delete_if_exists(&project, &dataset, table));
    }
    fn load(&self, id: &str, table: &str) -> gcp_bigquery_client::model::job::Job {
        let mut job = job(id, &self.names.project, &self.settings.location, self.settings.job_timeout);
        let load = JobConfigurationLoad {
            destination_table: Some(TableReference::new(&self.names.project, &self.names.staging(), table)),
            source_format: Some("NEWLINE_DELIMITED_JSON".into()),
            write_disposition: Some("WRITE_TRUNCATE".into()),
            max_bad_records: Some(0),
            schema: Some(TableSchema::new(vec![TableFieldSchema::string("r")])),
            ..JobConfigurationLoad::default()
        };
        if let Some(configuration) = &mut job.configuration {
            configuration.load = Some(load);
        }
        job
    }
    /// Deletes what batches left behind, at the start and once an hour.
    pub(super) fn sweep(&mut self) -> Result<(), WarehouseError> {
        let now = self.clock.now_ms();
        if self.swept_at.is_some_and(|at| now - at < SWEEP_MS) {
            return Ok(());
        }
        let (project, dataset) = (self.names.project.clone(), self.names.staging());
        let (mut token, mut old) = (None, Vec::new());
        loop {
            let options = ListOptions::default().max_results(1000);
            let options = match token.take() {
                Some(token) => options.page_token(token),
                None => options,
            };
            let page = self.runtime.block_on(self.client.table().list(&project, &dataset, options));
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    let trouble = of_client(&error);
                    return Err(self.later(trouble.class(), &trouble, "tables.list"));
                }
            };
            let today = self.clock.unix_ms();
            for item in page.tables.unwrap_or_default() {
                let made = item.creation_time.and_then(|at| at.parse::<i64>().ok());
                let is_old = made.is_some_and(|made| today - made > OLD_MS);
                if item.table_reference.table_id.starts_with(PREFIX) && is_old {
                    old.push(item.table_reference.table_id);
                }
            }
            token = page.next_page_token;
            if token.is_none() {
                break;
            }
        }
        for table in old {
            if self.runtime.block_on(self.client.table().delete_if_exists(&project, &dataset, &table)) {
                self.counters.swept += 1;
            }
        }
        self.swept_at = Some(now);
        Ok(())
    }
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
