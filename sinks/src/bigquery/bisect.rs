//! Which rows of a batch cannot be read, when BigQuery says that one cannot.
//!
//! The rows are read in halves by statements that change nothing, so nothing of a batch is ever written in part, and no statement of
//! the table's own limits is spent. Each half has its name, so that a search goes on where it was.
//!
//! Invariant: the rows found are those that alone make the statement fail.
//! Not here: what becomes of them (the dead-letter topic).
use super::{
    BigQuery,
    encode::Encoded,
    sql::{self, Source},
    submit::{Failed, Kind, Sending, Stop},
};
use crate::{
    Position,
    warehouse::{BadRecord, WarehouseError},
};

/// Beyond so many bad rows, or one in a hundred, it is not the rows.
const FEW: usize = 10;

impl BigQuery {
    /// The rows that make the job of this stem fail as it did; none when every row alone can be read.
    pub(super) fn find_bad(
        &mut self,
        stem: &str,
        encoded: &Encoded,
        said: &Failed,
    ) -> Result<Vec<BadRecord>, Stop> {
        let most = FEW.max(encoded.rows.len() / 100);
        let stem = format!("{}_x", stem.trim_end_matches("_m"));
        let mut bad = Vec::new();
        let mut open: Vec<(String, &[(Position, String)])> = Vec::new();
        // Each part must fit into a parameter by itself.
        let mut rest = &encoded.rows[..];
        while !rest.is_empty() {
            let (mut bytes, mut many) = (0, 0);
            for (_, row) in rest {
                bytes += 2 * row.len();
                if many > 0 && bytes > self.settings.inline_bytes {
                    break;
                }
                many += 1;
            }
            open.push((format!("{}c", open.len()), &rest[..many]));
            rest = &rest[many..];
        }
        while let Some((path, rows)) = open.pop() {
            match self.probe(&format!("{stem}{path}_m"), rows) {
                Ok(()) => {}
                Err(Stop::Poison(failed)) => match rows {
                    [(at, _)] => bad.push(BadRecord { at: *at, reason: failed.refusal.message }),
                    rows => {
                        let (left, right) = rows.split_at(rows.len() / 2);
                        open.push((format!("{path}1"), right));
                        open.push((format!("{path}0"), left));
                    }
                },
                Err(other) => return Err(other),
            }
            if bad.len() > most {
                return Err(Stop::Out(WarehouseError::Config {
                    what: format!(
                        "more than {most} of {} rows cannot be read by BigQuery, so it is not the rows; the first: {}",
                        encoded.rows.len(),
                        said.refusal.message
                    ),
                    next: "compare the program's version with the dataset's: `fastbreak warehouse plan`; nothing was written"
                        .into(),
                }));
            }
        }
        Ok(bad)
    }
    fn probe(&mut self, stem: &str, rows: &[(Position, String)]) -> Result<(), Stop> {
        let list = Encoded { rows: rows.to_vec(), ..Encoded::default() }.list();
        let mut send = |sink: &mut BigQuery, id: &str| -> Sending {
            sink.insert(id, sql::probe(&Source::Parameter), &[("rows", "STRING", list.clone())])
        };
        self.run(stem, Kind::Aside, &mut send).map(drop)
    }
}
