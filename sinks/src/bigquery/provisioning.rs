//! What a dataset lacks, and making it.
//!
//! Invariant: nothing is dropped or narrowed. A column of another type is the operator's: the statements to run are said.
//! Not here: the definitions (`ddl`).
use super::{
    BigQuery,
    ddl::{self, Definition},
    error::ErrorClass,
    schema::{RECORDS, Type, fields},
};
use crate::warehouse::WarehouseError;
use serde_json::{Value, json};

/// What a dataset lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaDiff {
    /// Datasets to be made.
    pub datasets: Vec<String>,
    /// Definitions of what is not there, in this order.
    pub missing: Vec<String>,
    /// Columns that a table lacks, views that say something else: to be run after those.
    pub changes: Vec<String>,
    /// What no statement of ours mends.
    pub conflicts: Vec<String>,
}
impl SchemaDiff {
    pub fn is_empty(&self) -> bool {
        self.datasets.is_empty() && self.conflicts.is_empty() && self.statements().next().is_none()
    }
    /// Everything to be run, in this order.
    pub fn statements(&self) -> impl Iterator<Item = &String> {
        self.missing.iter().chain(&self.changes)
    }
}

impl BigQuery {
    /// Every definition, as `warehouse ddl` prints it.
    pub fn ddl(&self) -> Vec<Definition> {
        ddl::definitions(&self.names)
    }
    /// Compares what is there with what should be.
    pub fn plan(&self) -> Result<SchemaDiff, WarehouseError> {
        let mut diff = SchemaDiff::default();
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            match self.found(&format!("datasets/{dataset}"))? {
                Some(found) => self.check_location(&dataset, &found)?,
                None => diff.datasets.push(dataset),
            }
        }
        for definition in self.ddl() {
            let path = format!("datasets/{}/tables/{}", self.names.dataset, definition.name);
            let found = match diff.datasets.contains(&self.names.dataset) {
                true => None,
                false => self.found(&path)?,
            };
            match found {
                None => diff.missing.push(definition.statement),
                Some(found) if definition.is_view => {
                    let (_, select) = definition.statement.split_once("\nAS ").unwrap_or_default();
                    // An emulator that does not say what a view asks has the one that was made.
                    let query = found["view"]["query"].as_str();
                    let is_same =
                        query.is_none_or(|query| without_whitespace(query) == without_whitespace(select));
                    if !is_same {
                        diff.changes.push(definition.statement);
                    }
                }
                Some(found) if definition.name == RECORDS => self.diff_columns(&found, &mut diff),
                Some(_) => {}
            }
        }
        Ok(diff)
    }
    /// Where the dataset is not, nothing of it is found: every question would be about something that is not there.
    fn check_location(&self, dataset: &str, found: &Value) -> Result<(), WarehouseError> {
        let wanted = &self.config.location;
        // An emulator that does not say where a dataset is has it here.
        let Some(location) = found["location"].as_str().filter(|at| !at.eq_ignore_ascii_case(wanted)) else {
            return Ok(());
        };
        Err(WarehouseError::Config {
            what: format!("dataset {dataset} is in {location}, and bigquery-location says {wanted}"),
            next: match dataset == self.names.dataset {
                true => format!("set bigquery-location to {location}"),
                false => format!(
                    "delete dataset {dataset}, nothing of it is needed: `fastbreak run` makes it again where it should be"
                ),
            },
        })
    }
    fn diff_columns(&self, found: &Value, diff: &mut SchemaDiff) {
        let there = found["schema"]["fields"].as_array().cloned().unwrap_or_default();
        for field in fields() {
            let Some(column) = there.iter().find(|column| column["name"] == field.name) else {
                diff.changes.push(ddl::add_column(&self.names, &field));
                continue;
            };
            let of = column["type"].as_str().unwrap_or_default();
            let is_list = column["mode"] == "REPEATED";
            if !field.of.api().contains(&of) || is_list != (field.of == Type::LineLadder) {
                diff.conflicts.push(format!(
                    "column {} of {} is {of}{}, and should be {}",
                    field.name,
                    self.names.table(RECORDS),
                    if is_list { ", repeated" } else { "" },
                    field.of.sql()
                ));
            }
        }
    }
    /// Makes what is lacking; how many things that were.
    pub fn apply(&mut self) -> Result<usize, WarehouseError> {
        let diff = self.plan()?;
        if let Some(first) = diff.conflicts.first() {
            return Err(WarehouseError::Config {
                what: diff.conflicts.join("; "),
                next: format!(
                    "rename the table and start over, `fastbreak run` fills a new one from the log: ALTER TABLE {} RENAME TO {RECORDS}_old ({first})",
                    self.names.table(RECORDS)
                ),
            });
        }
        self.make(&diff.datasets, diff.statements())?;
        Ok(diff.datasets.len() + diff.statements().count())
    }
    fn make<'a>(
        &self,
        datasets: &[String],
        statements: impl Iterator<Item = &'a String>,
    ) -> Result<(), WarehouseError> {
        for dataset in datasets {
            let mut body = json!({"datasetReference": {"projectId": self.names.project, "datasetId": dataset}, "location": self.config.location});
            if *dataset == self.names.staging() {
                body["defaultTableExpirationMs"] = "86400000".into();
            }
            let created = self.runtime.block_on(self.api_client.post("datasets", &body));
            if let Err(api_error) = created
                && api_error.class() != ErrorClass::JobExists
            {
                return Err(self.query_error(&api_error));
            }
        }
        for statement in statements {
            self.query(statement, &[], &mut |_| Ok(())).map_err(|api_error| self.query_error(&api_error))?;
        }
        Ok(())
    }
    /// Deletes the datasets and everything in them.
    pub fn discard(self) -> Result<(), WarehouseError> {
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            let path = format!("datasets/{dataset}?deleteContents=true");
            let deleted = self.runtime.block_on(self.api_client.delete(&path));
            if let Err(api_error) = deleted
                && !api_error.is_not_found()
            {
                return Err(self.query_error(&api_error));
            }
        }
        Ok(())
    }
    /// Makes what is not there, as the local warehouse makes its file; stops where something is there and is not as it should be.
    pub(super) fn prepare(&self) -> Result<(), WarehouseError> {
        let diff = self.plan()?;
        self.make(&diff.datasets, diff.missing.iter())?;
        // A view that says something else misleads nobody who writes.
        let columns = diff.changes.iter().filter(|statement| statement.starts_with("ALTER "));
        let wrong: Vec<&String> = diff.conflicts.iter().chain(columns).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let wrong: Vec<&str> = wrong.into_iter().map(String::as_str).collect();
        Err(WarehouseError::Config {
            what: format!("the dataset is not as this program writes it:\n{}", wrong.join("\n")),
            next: "`fastbreak warehouse plan` shows the statements, `fastbreak warehouse apply` runs them"
                .into(),
        })
    }
    /// What is at this path of the project.
    fn found(&self, path: &str) -> Result<Option<Value>, WarehouseError> {
        match self.runtime.block_on(self.api_client.at(path)) {
            Ok(found) => Ok(Some(found)),
            Err(api_error) if api_error.is_not_found() => Ok(None),
            Err(api_error) => Err(self.query_error(&api_error)),
        }
    }
}

/// A query without what does not matter in it.
fn without_whitespace(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}
