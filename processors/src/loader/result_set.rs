//! Result sets: the tables of stats.nba.com, whose headers are separate from the rows.
//!
//! Invariant: a column is found by its header, whatever the order of the columns; a row that does not have one cell per header is bad.
//! Not here: the meaning of the columns.
use super::{
    cell::Cell,
    json::{parse_payload, reason},
    loaded::Reject,
};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{array, fmt};

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, rename = "resultSets")]
    result_sets: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow, default)]
    name: Cell<'a>,
    headers: Vec<String>,
    #[serde(borrow, rename = "rowSet")]
    rows: Vec<&'a RawValue>,
}

/// A table of a response, reduced to `N` of its columns.
pub struct ResultSet<'a, const N: usize> {
    pub parameters: Option<&'a RawValue>,
    pub rows: Vec<&'a RawValue>,
    /// For each header, its index among the selected columns; `None` if it is not selected.
    selected: Vec<Option<usize>>,
}

impl<'a, const N: usize> ResultSet<'a, N> {
    /// Parses a response and finds the columns by their headers. The cells of an optional column that the table lacks are absent.
    pub fn parse(payload: &'a str, columns: &[&str; N], optional: &[&str]) -> Result<Self, Reject> {
        let response: Response = parse_payload(payload)?;
        let first = response
            .result_sets
            .first()
            .ok_or_else(|| Reject::bad_payload("resultSets: found an empty list, expected a table"))?;
        ResultSet::select(parse_payload(first.get())?, response.parameters, columns, optional)
    }

    /// Parses a response and finds the table with this name and its columns.
    pub fn named(payload: &'a str, name: &str, columns: &[&str; N]) -> Result<Self, Reject> {
        let response: Response = parse_payload(payload)?;
        for set in response.result_sets {
            let set: Set = parse_payload(set.get())?;
            if matches!(&set.name, Cell::Text(found) if found == name) {
                return ResultSet::select(set, response.parameters, columns, &[]);
            }
        }
        let reason = format!("resultSets: found no {name}, expected a table with this name");
        Err(Reject::bad_payload(reason))
    }

    fn select(
        set: Set<'a>,
        parameters: Option<&'a RawValue>,
        columns: &[&str; N],
        optional: &[&str],
    ) -> Result<Self, Reject> {
        let mut selected = vec![None; set.headers.len()];
        for (column, name) in columns.iter().enumerate() {
            match set.headers.iter().position(|header| header == name) {
                Some(index) => selected[index] = Some(column),
                None if optional.contains(name) => {}
                None => {
                    let reason = format!("headers: found no {name}, expected a column with this header");
                    return Err(Reject::bad_payload(reason));
                }
            }
        }
        Ok(ResultSet { parameters, rows: set.rows, selected })
    }

    /// Parses the selected cells of a row, in the order of the selected columns.
    pub fn parse_row(&self, row: &'a RawValue) -> Result<[Cell<'a>; N], String> {
        let mut json = serde_json::Deserializer::from_str(row.get());
        SelectedCells::<N>(&self.selected)
            .deserialize(&mut json)
            .map_err(|error| reason(".", &error.to_string()))
    }
}

struct SelectedCells<'s, const N: usize>(&'s [Option<usize>]);

impl<'de, const N: usize> DeserializeSeed<'de> for SelectedCells<'_, N> {
    type Value = [Cell<'de>; N];
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}
impl<'de, const N: usize> Visitor<'de> for SelectedCells<'_, N> {
    type Value = [Cell<'de>; N];

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a list of {} cells", self.0.len())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut cells = array::from_fn(|_| Cell::Absent);
        for (width, selected) in self.0.iter().enumerate() {
            let present = match selected {
                Some(column) => row.next_element()?.map(|cell| cells[*column] = cell),
                None => row.next_element::<IgnoredAny>()?.map(drop),
            };
            present.ok_or_else(|| A::Error::invalid_length(width, &self))?;
        }
        match row.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::invalid_length(self.0.len() + 1, &self)),
            None => Ok(cells),
        }
    }
}
