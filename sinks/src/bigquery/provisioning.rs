//! `Provisioning`: compares a dataset with the definitions of its tables and views, and creates missing tables, columns and views.
//!
//! Invariant: no table or column is dropped (except by `discard`) or narrowed. If a column has a different type, the operator must act; the
//! error states which statement to run.
//! Not here: the definitions (`ddl`).
use super::{
    api_client::ApiClient,
    call_end::CallEnd,
    config::BigQueryConfig,
    ddl::{self, Definition},
    error::ErrorClass,
    queries::Queries,
    retry_policy::RetryPolicy,
    schema::{KEY_PART, Names, RECORDS, Type, fields},
    sql,
};
use crate::warehouse::WarehouseError;
use serde_json::{Value, json};
use std::sync::Arc;

/// Difference between a dataset and its definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaDiff {
    /// Datasets to create.
    pub datasets: Vec<String>,
    /// Statements that create missing tables and views, in the order in which they must run.
    pub missing: Vec<String>,
    /// Statements that add missing columns, to run after `missing`.
    pub missing_columns: Vec<String>,
    /// Statements that replace changed views, to run after `missing_columns`.
    pub changed_views: Vec<String>,
    /// Differences that no statement of this program resolves.
    pub conflicts: Vec<String>,
}
impl SchemaDiff {
    pub fn is_empty(&self) -> bool {
        self.datasets.is_empty() && self.conflicts.is_empty() && self.statements().next().is_none()
    }
    /// Returns all statements, in the order in which they must run.
    pub fn statements(&self) -> impl Iterator<Item = &String> {
        self.missing.iter().chain(&self.missing_columns).chain(&self.changed_views)
    }
}

/// The datasets, tables and views of a warehouse.
pub struct Provisioning {
    api: Arc<ApiClient>,
    queries: Arc<Queries>,
    retry_policy: Arc<RetryPolicy>,
    names: Names,
    location: String,
    /// True if the configuration has an endpoint, which is usually that of an emulator.
    has_endpoint: bool,
    /// True after [`prepare_once`](Self::prepare_once) was successful.
    is_prepared: bool,
    /// Number of datasets and statements at the first call of an `apply` that is still running.
    apply_count: Option<usize>,
}
impl Provisioning {
    pub fn new(
        config: &BigQueryConfig,
        api: Arc<ApiClient>,
        queries: Arc<Queries>,
        retry_policy: Arc<RetryPolicy>,
    ) -> Provisioning {
        Provisioning {
            api,
            queries,
            retry_policy,
            names: config.names(),
            location: config.location.clone(),
            has_endpoint: config.endpoint.is_some(),
            is_prepared: false,
            apply_count: None,
        }
    }
    /// Returns the definitions of all tables and views, which `warehouse ddl` prints.
    pub fn ddl(&self) -> Vec<Definition> {
        ddl::definitions(&self.names)
    }
    /// Compares the dataset with the definitions of its tables and views.
    pub fn plan(&self) -> Result<SchemaDiff, WarehouseError> {
        let mut diff = SchemaDiff::default();
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            match self.resource(&format!("datasets/{dataset}"))? {
                Some(found) => self.check_location(&dataset, &found)?,
                None => diff.datasets.push(dataset),
            }
        }
        for definition in self.ddl() {
            let path = format!("datasets/{}/tables/{}", self.names.dataset, definition.name);
            let is_new = diff.datasets.contains(&self.names.dataset);
            let found = if is_new { None } else { self.resource(&path)? };
            match found {
                None => diff.missing.push(definition.statement),
                Some(found) if definition.is_sql_view => {
                    let (_, select) = definition.statement.split_once("\nAS ").unwrap_or_default();
                    // An emulator may not return the query of a view; the view then counts as unchanged.
                    let query = found["view"]["query"].as_str();
                    let is_same =
                        query.is_none_or(|query| without_whitespace(query) == without_whitespace(select));
                    if !is_same {
                        diff.changed_views.push(definition.statement);
                    }
                }
                Some(found) if definition.name == RECORDS => self.diff_columns(&found, &mut diff),
                Some(_) => {}
            }
        }
        Ok(diff)
    }
    /// Checks the location of a dataset, because a query in a different location does not find the dataset.
    fn check_location(&self, dataset: &str, found: &Value) -> Result<(), WarehouseError> {
        let wanted = &self.location;
        // An emulator may not return the location; it then counts as correct.
        let Some(location) = found["location"].as_str().filter(|found| !found.eq_ignore_ascii_case(wanted))
        else {
            return Ok(());
        };
        Err(WarehouseError::Config {
            what: format!("dataset {dataset} is in {location}, but bigquery-location is {wanted}"),
            next: if dataset == self.names.dataset {
                format!("set bigquery-location to {location}")
            } else {
                format!(
                    "delete dataset {dataset}, its content is temporary: `fastbreak run` creates it again in the configured location"
                )
            },
        })
    }
    fn diff_columns(&self, found: &Value, diff: &mut SchemaDiff) {
        let columns = found["schema"]["fields"].as_array().cloned().unwrap_or_default();
        for field in fields() {
            let Some(column) = columns.iter().find(|column| column["name"] == field.name) else {
                if field.name == KEY_PART {
                    // The rows of an earlier version have another key. The sink writes all rows again and then deletes these. The column is
                    // added last, so that after a stop between the two statements, both are missing.
                    diff.missing_columns.push(sql::begin_rebuild_sql(&self.names));
                }
                diff.missing_columns.push(ddl::add_column(&self.names, &field));
                continue;
            };
            let column_type = column["type"].as_str().unwrap_or_default();
            let is_repeated = column["mode"] == "REPEATED";
            if !self.is_same_type(field.field_type, column_type)
                || is_repeated != (field.field_type == Type::LineLadder)
            {
                diff.conflicts.push(format!(
                    "column {} of {} is {column_type}{}, but must be {}",
                    field.name,
                    self.names.table(RECORDS),
                    if is_repeated { ", repeated" } else { "" },
                    field.field_type.sql()
                ));
            }
        }
    }
    /// True if the reported type is the expected one. An emulator may store JSON as text and report it as STRING.
    fn is_same_type(&self, field_type: Type, reported: &str) -> bool {
        let is_emulated_json = field_type == Type::Json && reported == "STRING" && self.has_endpoint;
        field_type.api().contains(&reported) || is_emulated_json
    }
    /// Creates missing datasets, tables, columns and views, replaces changed views, and returns the number of created datasets and
    /// executed statements.
    ///
    /// # Errors
    /// `Config` if a column has a different type than in its definition.
    pub fn apply(&mut self) -> Result<usize, CallEnd> {
        let diff = self.plan()?;
        if let Some(first) = diff.conflicts.first() {
            return Err(WarehouseError::Config {
                what: diff.conflicts.join("; "),
                next: format!(
                    "rename the table (ALTER TABLE {} RENAME TO {RECORDS}_old), then start `fastbreak run`: it creates a new table and fills it from the log. First conflict: {first}",
                    self.names.table(RECORDS)
                ),
            }
            .into());
        }
        // After a pending call, the difference has only the rest.
        let count = *self.apply_count.get_or_insert(diff.datasets.len() + diff.statements().count());
        self.create(&diff.datasets, diff.statements())?;
        self.apply_count = None;
        Ok(count)
    }
    fn create<'a>(
        &self,
        datasets: &[String],
        statements: impl Iterator<Item = &'a String>,
    ) -> Result<(), CallEnd> {
        for dataset in datasets {
            let mut body = json!({"datasetReference": {"projectId": self.names.project, "datasetId": dataset}, "location": self.location});
            if *dataset == self.names.staging() {
                body["defaultTableExpirationMs"] = "86400000".into();
            }
            let created = self.api.post("datasets", &body);
            if let Err(api_error) = created
                && api_error.class() != ErrorClass::JobExists
            {
                return Err(self.retry_policy.query_error(&api_error).into());
            }
        }
        for statement in statements {
            self.queries
                .query(statement, &[], &mut |_| Ok(()))
                .map_err(|end| self.retry_policy.query_end(end))?;
        }
        Ok(())
    }
    /// Deletes both datasets with their content.
    pub fn discard(&self) -> Result<(), WarehouseError> {
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            let path = format!("datasets/{dataset}?deleteContents=true");
            let deleted = self.api.delete(&path);
            if let Err(api_error) = deleted
                && !api_error.is_not_found()
            {
                return Err(self.retry_policy.query_error(&api_error));
            }
        }
        Ok(())
    }
    /// Creates missing datasets, tables and views and then calls `also`, unless both were successful before.
    ///
    /// # Errors
    /// `Config` if an existing table lacks a column or has a column of a different type; the errors of `also`.
    pub fn prepare_once(&mut self, also: impl FnOnce() -> Result<(), WarehouseError>) -> Result<(), CallEnd> {
        if !self.is_prepared {
            self.prepare()?;
            also()?;
            self.is_prepared = true;
        }
        Ok(())
    }
    /// Creates missing datasets, tables and views.
    fn prepare(&self) -> Result<(), CallEnd> {
        let diff = self.plan()?;
        self.create(&diff.datasets, diff.missing.iter())?;
        // A changed view is no error, since it does not affect writing.
        let differences: Vec<&String> = diff.conflicts.iter().chain(&diff.missing_columns).collect();
        if differences.is_empty() {
            return Ok(());
        }
        let differences: Vec<&str> = differences.into_iter().map(String::as_str).collect();
        Err(WarehouseError::Config {
            what: format!(
                "the columns of the dataset differ from those that this program writes:\n{}",
                differences.join("\n")
            ),
            next: "`fastbreak warehouse plan` shows the statements, `fastbreak warehouse apply` runs them"
                .into(),
        }
        .into())
    }
    /// Returns the resource at this path of the project, if it exists.
    fn resource(&self, path: &str) -> Result<Option<Value>, WarehouseError> {
        match self.api.get(path) {
            Ok(found) => Ok(Some(found)),
            Err(api_error) if api_error.is_not_found() => Ok(None),
            Err(api_error) => Err(self.retry_policy.query_error(&api_error)),
        }
    }
}

/// Returns a query in which every run of whitespace is replaced by one space.
fn without_whitespace(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}
