//! BigQuery as the warehouse: one MERGE per batch, sent as a job with a deterministic id.
//!
//! Reading order: `schema`, `ddl` and `sql` define tables and statements; `encode` converts records to rows; `writer` writes a batch, with
//! `job_runner` (sending and reusing jobs), `writer_lease` (one DML job at a time), `staging` (large batches), `bad_row_search` (rows that
//! BigQuery rejects) and `retry_policy` (retry delay or remediation of a failure); `big_query` connects these parts. README.md has
//! a table of all files, in which a file uses only files above it.
//!
//! Invariant: whichever requests are lost or repeated and whichever instances are killed, a batch and its batch record are written
//! atomically, an older record never overwrites a newer one, and at most one DML job on the records is in flight over all instances. A call
//! waits at most half a minute for a job or query, except when it reads whole tables; a longer operation returns `Retry`, and the next call
//! continues it.
//! Not here: planning batches, sleeping between calls; the sink task does both.
mod api_client;
mod auth;
mod bad_row_search;
mod big_query;
mod clock;
mod config;
mod ddl;
mod encode;
mod error;
mod job;
mod job_runner;
mod ownership;
mod pending_batch;
mod provisioning;
mod queries;
mod response_rows;
mod retry_policy;
pub mod schema;
mod shared_counters;
pub mod sql;
mod sql_text;
mod staging;
mod tls;
mod writer;
mod writer_lease;

pub use auth::Credentials;
pub use big_query::BigQuery;
pub use clock::{Clock, Monotonic};
pub use config::BigQueryConfig;
pub use ddl::{Definition, definitions};
pub use encode::{Encoded, encode};
pub use provisioning::SchemaDiff;
pub use schema::Names;
