//! Questions: who writes, which batches are there, what the tables hold.
//!
//! Invariant: nothing is changed, so a question may be asked again at any time.
//! Not here: the statements (`sql`).
use super::{
    BigQuery,
    error::{Class, Refusal, Trouble},
    schema::rung_columns,
    sql,
    submit::{WATCH_MS, failure},
};
use crate::{
    change::Input,
    plan::BatchId,
    rows::{Cell, Row},
    sqlite::{Reader, RowCopy},
    tables::{Column, Kind, PREDICTIONS, TABLES, Table},
    tally::{Tallies, Tally},
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
/// How long the rows of a whole table may take to come.
const READ_MS: i64 = 20 * 60_000;

/// How often a call is repeated before the caller hears of it.
const TRIES: u32 = 4;
const fn is_passing(class: Class) -> bool {
    matches!(class, Class::Transient | Class::Ambiguous | Class::Throttle)
}

impl BigQuery {
    /// Calls `each` with the cells of every row of the answer.
    pub(super) fn ask(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
        each: &mut dyn FnMut(&[Value]) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        self.ask_for(WATCH_MS, query, parameters, each)
    }
    /// The same; how long it is waited for.
    fn ask_for(
        &self,
        wait_ms: i64,
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
        let of = blake3::hash(request.to_string().as_bytes());
        let mut answer = match self.open_question(of) {
            Some(job) => self.page(&job, None)?,
            None => self.patiently(|| self.runtime.block_on(self.http.query(&request)))?,
        };
        let job = answer["jobReference"]["jobId"].as_str().unwrap_or_default().to_owned();
        let since = self.clock.now_ms();
        loop {
            self.look_for_failure(&answer, &job)?;
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
                let now = self.clock.now_ms();
                if now - since > wait_ms {
                    let what = format!("question {job} is still being answered");
                    self.asked.replace(Some((of, job, now)));
                    return Err(Trouble::Open(what));
                }
                self.clock.sleep(Duration::from_millis(250));
            }
            answer = self.page(&job, next.as_deref())?;
        }
    }
    fn page(&self, job: &str, from: Option<&str>) -> Result<Value, Trouble> {
        self.patiently(|| self.runtime.block_on(self.http.page(job, from, PAGE)))
    }
    /// The job of a question that was asked just now, in these words, and not answered. One of earlier would answer of earlier.
    fn open_question(&self, of: blake3::Hash) -> Option<String> {
        let now = self.clock.now_ms();
        let (_, job, at) = self.asked.borrow_mut().take_if(|(open, ..)| *open == of)?;
        (now - at < 2 * WATCH_MS).then_some(job)
    }
    /// Errors of an answer may be warnings; whether the job failed, it says itself.
    fn look_for_failure(&self, answer: &Value, job: &str) -> Result<(), Trouble> {
        if answer["errors"].as_array().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let job = self.patiently(|| self.runtime.block_on(self.http.job(job)))?;
        failure(&job).map_or(Ok(()), |refusal| Err(Trouble::Refused(refusal)))
    }

    /// Asks once more what changes nothing, a few times: a long answer is not lost to one page of it.
    fn patiently(&self, call: impl Fn() -> Result<Value, Trouble>) -> Result<Value, Trouble> {
        let (since, mut pause) = (self.clock.now_ms(), Duration::from_millis(250));
        for _ in 0..TRIES {
            match call() {
                Err(trouble) if is_passing(trouble.class()) && self.clock.now_ms() - since < WATCH_MS => {
                    self.clock.sleep(pause);
                }
                other => return other,
            }
            pause *= 2;
        }
        call()
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

    /// What the live rows of each game rest on.
    pub(super) fn read_tallies(&self) -> Result<Tallies, Trouble> {
        let mut tallies = Tallies::new();
        self.ask(&sql::tallies(&self.names), &[], &mut |row| {
            let [input, game, rows, offsets] = row else {
                return Err("the tallies have other columns".into());
            };
            let name = input.as_str().unwrap_or_default();
            let input = Input::ALL.into_iter().find(|input| sql::input_name(*input) == name);
            let input = input.ok_or_else(|| format!("'{name}' is no input of the sink"))?;
            let game =
                game.as_str().unwrap_or_default().parse().map_err(|error| format!("a game: {error}"))?;
            tallies.insert((input, game), Tally { rows: integer(rows)? as u64, offsets: integer(offsets)? });
            Ok(())
        })?;
        Ok(tallies)
    }

    /// Calls `each` with the live rows of a table, in the order of its key.
    pub(super) fn live(
        &self,
        table: &'static Table,
        each: &mut dyn FnMut(Row<'_>) -> Result<(), String>,
    ) -> Result<(), Trouble> {
        let is_predictions = table.name == PREDICTIONS.name;
        let own =
            if is_predictions { table.columns.len() - rung_columns().len() } else { table.columns.len() };
        self.ask_for(READ_MS, &sql::content_of(&self.names, table), &[], &mut |row| {
            let shared = row.iter().zip(&table.columns[..own]).map(|(value, column)| cell(value, column));
            let shared: Row<'_> = shared.collect::<Result<_, _>>()?;
            if !is_predictions {
                return each(shared);
            }
            let rungs = row.get(own).and_then(Value::as_array).into_iter().flatten();
            let mut rungs = rungs.map(rung).collect::<Result<Vec<_>, _>>()?;
            rungs.sort_by(|(one, _), (other, _)| one.cmp(other));
            rungs.into_iter().try_for_each(|(_, rung)| each(shared.iter().cloned().chain(rung).collect()))
        })
    }
    /// The content of a table, in the bytes of the local warehouse's.
    pub(super) fn hash(&self, table: &'static Table) -> Result<ContentHash, Trouble> {
        let (mut hasher, mut bytes, mut rows) = (blake3::Hasher::new(), Vec::new(), 0);
        self.live(table, &mut |row| {
            rows += 1;
            row.iter().for_each(|cell| cell.encode(&mut bytes));
            hasher.update(&bytes);
            bytes.clear();
            Ok(())
        })?;
        Ok(ContentHash { table: table.name, rows, hash: hasher.finalize().to_hex().to_string() })
    }
    /// Its live rows as they are now, to be asked what a local warehouse is asked.
    pub fn copied(&self) -> Result<Reader, WarehouseError> {
        let copy = RowCopy::begin()?;
        let mut failed = None;
        for table in &TABLES {
            let read = self.live(table, &mut |row| {
                copy.put(table, row).map_err(|error| {
                    let what = error.to_string();
                    failed = Some(error);
                    what
                })
            });
            match failed.take() {
                Some(error) => return Err(error),
                None => read.map_err(|trouble| self.unanswered(&trouble))?,
            }
        }
        copy.end()
    }
}

/// A prediction of the array: its key, and its cells.
fn rung(value: &Value) -> Result<((String, i64), Row<'static>), String> {
    let (mut key, mut row) = ((String::new(), 0), Row::new());
    for (value, column) in cells(&value["v"]).iter().zip(rung_columns()) {
        match column.name {
            "system" => key.0 = value.as_str().unwrap_or_default().to_owned(),
            "rung" => key.1 = integer(value)?,
            _ => {}
        }
        row.push(cell(value, column)?.into_owned());
    }
    Ok((key, row))
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
