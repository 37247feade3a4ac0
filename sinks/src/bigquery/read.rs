//! Questions: who writes, which batches are there, what the tables hold.
//!
//! Invariant: nothing is changed, so a question may be asked again at any time.
//! Not here: the statements (`sql`).
use super::{
    BigQuery,
    error::{Class, Refusal, Trouble},
    schema::rung_columns,
    sql,
    submit::failure,
};
use crate::{
    change::Input,
    plan::BatchId,
    rows::Cell,
    tables::{Column, Kind, PREDICTIONS, Table},
    warehouse::{ContentHash, Standing, WarehouseError, Written},
};
use schemas::PlayerGameId;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

/// Rows of one answer: a page is 10 MB at most, and a row of predictions some 3 kB.
const PAGE: usize = 2_500;
const CREDENTIALS: &str = "check the credentials (bigquery-credentials, GOOGLE_APPLICATION_CREDENTIALS) and that they may read the dataset and run jobs";
/// Polls of a question before it is given up.
const POLLS: usize = 120;

impl BigQuery {
    /// Calls `each` with the cells of every row of the answer.
    pub(super) fn ask(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        let parameter = |(name, value): &(&str, &str)| json!({"name": name, "parameterType": {"type": "STRING"}, "parameterValue": {"value": value}});
        let request = json!({
            "query": query, "useLegacySql": false, "location": self.settings.location, "timeoutMs": 10_000, "maxResults": PAGE,
            "useQueryCache": false, "parameterMode": "NAMED", "queryParameters": parameters.iter().map(parameter).collect::<Vec<_>>(),
            "labels": {"sink": "fastbreak"},
        });
        let mut answer = self.runtime.block_on(self.http.query(&request))?;
        let job = answer["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
        let mut polls = 0;
        loop {
            if let Some(error) = answer["errors"].as_array().and_then(|errors| errors.first()) {
                let error = json!({"status": {"errorResult": error}});
                return Err(failure(&error).map_or(Trouble::Unheard("no answer".into()), Trouble::Refused));
            }
            let mut next = None;
            if answer["jobComplete"] == true {
                for row in answer["rows"].as_array().into_iter().flatten() {
                    let cells: Vec<Value> = cells(row);
                    each(&cells).map_err(|reason| {
                        Trouble::Refused(Refusal { status: None, reason: "notFound".into(), message: reason })
                    })?;
                }
                next = answer["pageToken"].as_str().map(str::to_owned);
                if next.is_none() {
                    return Ok(());
                }
            } else {
                polls += 1;
                if polls > POLLS {
                    return Err(Trouble::Unheard(format!("question {job} is not answered")));
                }
                self.clock.sleep(Duration::from_millis(250));
            }
            answer = self.runtime.block_on(self.http.page(&job, next.as_deref(), PAGE))?;
        }
    }

    /// Without counting: a question is no write.
    pub(super) fn unanswered(trouble: &Trouble) -> WarehouseError {
        let what = trouble.to_string();
        match trouble.class() {
            Class::Config => WarehouseError::Config {
                what,
                next: "`fastbreak warehouse plan` shows what the dataset lacks, `fastbreak warehouse apply` makes it".into(),
            },
            Class::Fatal => WarehouseError::Config { what, next: CREDENTIALS.into() },
            Class::Auth => WarehouseError::Retry {
                what: format!("{what}; {CREDENTIALS}"),
                after: Duration::from_secs(5),
                alert: true,
            },
            _ => WarehouseError::Retry { what, after: Duration::from_secs(5), alert: false },
        }
    }

    pub(super) fn read_standing(&self) -> Result<Option<Standing>, Trouble> {
        let mut found = None;
        self.ask(&sql::standing(&self.names), &[], &mut |row| {
            let [log, epoch, adopting] = row else { return Err("the standing has other columns".into()) };
            found = Some(Standing {
                log: log.as_str().map(str::to_owned),
                epoch: integer(epoch)?,
                adopting: adopting == "true",
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// What the ledger says of a batch.
    pub(super) fn recorded(&self, id: &BatchId) -> Result<Option<Written>, Trouble> {
        let mut found = None;
        self.ask(&sql::ledger(&self.names), &[("batch", id.as_str())], &mut |row| {
            let count = |n: usize| integer(row.get(n).unwrap_or(&Value::Null)).map(|count| count as u64);
            found = Some(Written {
                records: count(0)?,
                applied: count(1)?,
                unchanged: count(2)?,
                stale: count(3)?,
                superseded: count(4)?,
                rejected: count(5)?,
                rows: count(6)?,
                repeated: false,
            });
            Ok(())
        })?;
        Ok(found)
    }

    /// Which of these records' keys have a row.
    pub(super) fn read_held(
        &self,
        keys: &[(Input, PlayerGameId)],
    ) -> Result<HashSet<(Input, PlayerGameId)>, Trouble> {
        let text = |(input, id): &(Input, PlayerGameId)| {
            format!("{}/{}/{}", sql::input_name(*input), id.game, id.player.0)
        };
        let asked: HashMap<String, (Input, PlayerGameId)> =
            keys.iter().map(|key| (text(key), *key)).collect();
        let list = Value::from(asked.keys().cloned().collect::<Vec<_>>()).to_string();
        let mut held = HashSet::new();
        self.ask(&sql::held(&self.names), &[("keys", &list)], &mut |row| {
            let key = row.first().and_then(Value::as_str).and_then(|key| asked.get(key));
            held.insert(*key.ok_or("a key that was not asked for")?);
            Ok(())
        })?;
        Ok(held)
    }

    /// The content of a table, in the bytes of the local warehouse's.
    pub(super) fn hash(&self, table: &'static Table) -> Result<ContentHash, Trouble> {
        let (mut hasher, mut bytes, mut rows) = (blake3::Hasher::new(), Vec::new(), 0);
        let is_predictions = table.name == PREDICTIONS.name;
        let own =
            if is_predictions { table.columns.len() - rung_columns().len() } else { table.columns.len() };
        self.ask(&sql::content_of(&self.names, table), &[], &mut |row| {
            let mut shared = Vec::new();
            for (value, column) in row.iter().zip(&table.columns[..own]) {
                cell(value, column)?.encode(&mut shared);
            }
            if !is_predictions {
                rows += 1;
                bytes.extend_from_slice(&shared);
            } else {
                let mut rungs =
                    row.get(own).and_then(Value::as_array).into_iter().flatten().map(rung).collect::<Result<
                        Vec<_>,
                        _,
                    >>(
                    )?;
                rungs.sort();
                for (_, _, rung) in &rungs {
                    rows += 1;
                    bytes.extend_from_slice(&shared);
                    bytes.extend_from_slice(rung);
                }
            }
            hasher.update(&bytes);
            bytes.clear();
            Ok(())
        })?;
        Ok(ContentHash { table: table.name, rows, hash: hasher.finalize().to_hex().to_string() })
    }
}

/// A prediction of the array: its key, and its cells as bytes.
fn rung(value: &Value) -> Result<(String, i64, Vec<u8>), String> {
    let (values, mut bytes) = (cells(&value["v"]), Vec::new());
    let (mut system, mut number) = (String::new(), 0);
    for (value, column) in values.iter().zip(rung_columns()) {
        match column.name {
            "system" => system = value.as_str().unwrap_or_default().to_owned(),
            "rung" => number = integer(value)?,
            _ => {}
        }
        cell(value, column)?.encode(&mut bytes);
    }
    Ok((system, number, bytes))
}

/// The values of a row, `{"f": [{"v": …}]}`.
fn cells(row: &Value) -> Vec<Value> {
    row["f"].as_array().into_iter().flatten().map(|cell| cell["v"].clone()).collect()
}
fn integer(value: &Value) -> Result<i64, String> {
    let text = value.as_str().ok_or_else(|| format!("{value} is no whole number"))?;
    text.parse().map_err(|_| format!("'{text}' is no whole number"))
}
fn cell<'a>(value: &'a Value, column: &Column) -> Result<Cell<'a>, String> {
    let Some(text) = value.as_str() else { return Ok(Cell::Null) };
    Ok(match column.kind {
        Kind::Integer => Cell::Integer(integer(value)?),
        Kind::Real => Cell::Real(text.parse().map_err(|_| format!("'{text}' is no number"))?),
        Kind::Text => Cell::from(text),
    })
}
