//! What a dataset lacks, and making it.
//!
//! Invariant: nothing is dropped or narrowed. A column of another type is the operator's: the statements to run are said.
//! Not here: the definitions (`ddl`).
use super::{
    BigQuery,
    ddl::{self, Definition},
    error::Class,
    schema::{RECORDS, Type, fields},
};
use crate::warehouse::WarehouseError;
use serde_json::{Value, json};

/// What a dataset lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lack {
    /// Datasets to be made.
    pub datasets: Vec<String>,
    /// Definitions of what is not there, in this order.
    pub missing: Vec<String>,
    /// Columns that a table lacks, views that say something else: to be run after those.
    pub changes: Vec<String>,
    /// What no statement of ours mends.
    pub conflicts: Vec<String>,
}
impl Lack {
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
    pub fn plan(&self) -> Result<Lack, WarehouseError> {
        let mut lack = Lack::default();
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            match self.found(&format!("datasets/{dataset}"))? {
                Some(found) => self.is_here(&dataset, &found)?,
                None => lack.datasets.push(dataset),
            }
        }
        for definition in self.ddl() {
            let path = format!("datasets/{}/tables/{}", self.names.dataset, definition.name);
            let found = match lack.datasets.contains(&self.names.dataset) {
                true => None,
                false => self.found(&path)?,
            };
            match found {
                None => lack.missing.push(definition.statement),
                Some(found) if definition.is_view => {
                    let (_, select) = definition.statement.split_once("\nAS ").unwrap_or_default();
                    // An emulator that does not say what a view asks has the one that was made.
                    let query = found["view"]["query"].as_str();
                    let is_same = query.is_none_or(|query| squeezed(query) == squeezed(select));
                    if !is_same {
                        lack.changes.push(definition.statement);
                    }
                }
                Some(found) if definition.name == RECORDS => self.compare(&found, &mut lack),
                Some(_) => {}
            }
        }
        Ok(lack)
    }
    /// Where the dataset is not, nothing of it is found: every question would be about something that is not there.
    fn is_here(&self, dataset: &str, found: &Value) -> Result<(), WarehouseError> {
        let wanted = &self.settings.location;
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
    fn compare(&self, found: &Value, lack: &mut Lack) {
        let there = found["schema"]["fields"].as_array().cloned().unwrap_or_default();
        for field in fields() {
            let Some(column) = there.iter().find(|column| column["name"] == field.name) else {
                lack.changes.push(ddl::add_column(&self.names, &field));
                continue;
            };
            let of = column["type"].as_str().unwrap_or_default();
            let is_list = column["mode"] == "REPEATED";
            if !field.of.api().contains(&of) || is_list != (field.of == Type::Rungs) {
                lack.conflicts.push(format!(
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
        let lack = self.plan()?;
        if let Some(first) = lack.conflicts.first() {
            return Err(WarehouseError::Config {
                what: lack.conflicts.join("; "),
                next: format!(
                    "rename the table and start over, `fastbreak run` fills a new one from the log: ALTER TABLE {} RENAME TO {RECORDS}_old ({first})",
                    self.names.table(RECORDS)
                ),
            });
        }
        self.make(&lack.datasets, lack.statements())?;
        Ok(lack.datasets.len() + lack.statements().count())
    }
    fn make<'a>(
        &self,
        datasets: &[String],
        statements: impl Iterator<Item = &'a String>,
    ) -> Result<(), WarehouseError> {
        for dataset in datasets {
            let mut body = json!({"datasetReference": {"projectId": self.names.project, "datasetId": dataset}, "location": self.settings.location});
            if *dataset == self.names.staging() {
                body["defaultTableExpirationMs"] = "86400000".into();
            }
            let made = self.runtime.block_on(self.http.post("datasets", &body));
            if let Err(trouble) = made
                && trouble.class() != Class::Duplicate
            {
                return Err(self.unanswered(&trouble));
            }
        }
        for statement in statements {
            self.ask(statement, &[], &mut |_| Ok(())).map_err(|trouble| self.unanswered(&trouble))?;
        }
        Ok(())
    }
    /// Deletes the datasets and everything in them.
    pub fn discard(self) -> Result<(), WarehouseError> {
        for dataset in [self.names.dataset.clone(), self.names.staging()] {
            let path = format!("datasets/{dataset}?deleteContents=true");
            let deleted = self.runtime.block_on(self.http.delete(&path));
            if let Err(trouble) = deleted
                && !trouble.is_not_found()
            {
                return Err(self.unanswered(&trouble));
            }
        }
        Ok(())
    }
    /// Makes what is not there, as the local warehouse makes its file; stops where something is there and is not as it should be.
    pub(super) fn prepare(&self) -> Result<(), WarehouseError> {
        let lack = self.plan()?;
        self.make(&lack.datasets, lack.missing.iter())?;
        // A view that says something else misleads nobody who writes.
        let columns = lack.changes.iter().filter(|statement| statement.starts_with("ALTER "));
        let wrong: Vec<&String> = lack.conflicts.iter().chain(columns).collect();
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
        match self.runtime.block_on(self.http.at(path)) {
            Ok(found) => Ok(Some(found)),
            Err(trouble) if trouble.is_not_found() => Ok(None),
            Err(trouble) => Err(self.unanswered(&trouble)),
        }
    }
}

/// A query without what does not matter in it.
fn squeezed(query: &str) -> String {
    query.split_whitespace().collect::<Vec<_>>().join(" ")
}
