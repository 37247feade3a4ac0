//! Result sets: the tables in which stats.nba.com answers, headers apart from rows.
//!
//! Invariant: a column is found by its header, wherever it stands; a row of another width than the headers is bad.
//! Not here: what the columns mean.
use super::{Reject, cell::Cell, open};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{array, fmt};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, rename = "resultSets")]
    result_sets: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Set<'a> {
    headers: Vec<String>,
    #[serde(borrow, rename = "rowSet")]
    rows: Vec<&'a RawValue>,
}

/// The first table of an answer, read by `N` of its columns.
pub struct ResultSet<'a, const N: usize> {
    pub parameters: Option<&'a RawValue>,
    pub rows: Vec<&'a RawValue>,
    /// Per header, which of the wanted columns it is.
    wanted: Vec<Option<usize>>,
}

impl<'a, const N: usize> ResultSet<'a, N> {
    pub fn open(payload: &'a str, columns: &[&str; N]) -> Result<Self, Reject> {
        let answer: Answer = open(payload)?;
        let first = answer.result_sets.first().ok_or_else(|| Reject::bad_payload("resultSets is empty"))?;
        let set: Set = open(first.get())?;
        let mut wanted = vec![None; set.headers.len()];
        for (column, name) in columns.iter().enumerate() {
            let at = set.headers.iter().position(|header| header == name);
            let at = at.ok_or_else(|| Reject::bad_payload(format!("headers: found no {name}")))?;
            wanted[at] = Some(column);
        }
        Ok(ResultSet { parameters: answer.parameters, rows: set.rows, wanted })
    }

    /// The wanted cells of a row, in the order in which they were wanted.
    pub fn read(&self, row: &'a RawValue) -> Result<[Cell<'a>; N], String> {
        let mut json = serde_json::Deserializer::from_str(row.get());
        WantedCells::<N>(&self.wanted).deserialize(&mut json).map_err(|error| error.to_string())
    }
}

struct WantedCells<'w, const N: usize>(&'w [Option<usize>]);

impl<'de, const N: usize> DeserializeSeed<'de> for WantedCells<'_, N> {
    type Value = [Cell<'de>; N];
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}
impl<'de, const N: usize> Visitor<'de> for WantedCells<'_, N> {
    type Value = [Cell<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a list of {} cells", self.0.len())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut cells = array::from_fn(|_| Cell::Absent);
        for (width, wanted) in self.0.iter().enumerate() {
            let found = match wanted {
                Some(column) => row.next_element()?.map(|cell| cells[*column] = cell),
                None => row.next_element::<IgnoredAny>()?.map(drop),
            };
            found.ok_or_else(|| A::Error::invalid_length(width, &self))?;
        }
        match row.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::invalid_length(self.0.len() + 1, &self)),
            None => Ok(cells),
        }
    }
}
