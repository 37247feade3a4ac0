//! Rows of all tables in the order of their keys, as of one point in time.
//!
//! Invariant: all pages are read in one transaction, so concurrent writes do not appear in them.
//! Not here: comparing rows (`diff`).
use super::{content, ddl::rows_table, queries::WarehouseQueries};
use crate::{
    date_filter::DateRange,
    diff::RowSource,
    rows::{Cell, Row},
    tables::Table,
    warehouse::WarehouseError,
};
use read_only_sqlite::ChangeCheck;
use rusqlite::Transaction;

const PAGE_ROWS: usize = 4096;

/// State of a warehouse at the time of the first read.
pub struct Snapshot<'a> {
    transaction: Transaction<'a>,
    change_check: &'a ChangeCheck,
}

impl WarehouseQueries {
    pub fn snapshot(&self) -> Result<Snapshot<'_>, WarehouseError> {
        Ok(Snapshot { transaction: self.db.unchecked_transaction()?, change_check: &self.change_check })
    }
}

impl Snapshot<'_> {
    /// Reads the page of rows that follows the row `after`; the first page if `after` is `None`.
    fn page(
        &self,
        table: &Table,
        dates: DateRange,
        after: Option<&Row<'_>>,
    ) -> Result<Vec<Row<'static>>, WarehouseError> {
        let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
        let key = table.key.join(", ");
        let after_key = match after {
            Some(_) => format!("AND ({key}) > ({})", vec!["?"; table.key.len()].join(", ")),
            None => String::new(),
        };
        // The unary plus keeps SQLite from using the index on the date: with the primary key a page needs no sort.
        let mut statement = self.transaction.prepare_cached(&format!(
            "SELECT {} FROM {} WHERE deleted = 0 AND +game_date BETWEEN ? AND ? {after_key} ORDER BY {key} LIMIT {PAGE_ROWS}",
            names.join(", "),
            rows_table(table)
        ))?;
        let mut bound = vec![Cell::from(dates.from.to_string()), Cell::from(dates.to.to_string())];
        let key_columns = table.key.iter().filter_map(|name| names.iter().position(|column| column == name));
        bound.extend(after.into_iter().flat_map(|row| key_columns.clone().map(|column| row[column].clone())));
        let mut results = statement.query(rusqlite::params_from_iter(bound))?;
        let mut rows = Vec::new();
        while let Some(row) = results.next()? {
            let cells = (0..names.len()).map(|column| Ok(content::cell(row.get_ref(column)?)?.into_owned()));
            rows.push(cells.collect::<rusqlite::Result<_>>()?);
        }
        self.change_check.ensure_unchanged()?;
        Ok(rows)
    }
}

impl RowSource for Snapshot<'_> {
    fn rows<'a>(
        &'a self,
        table: &'a Table,
        dates: DateRange,
    ) -> Box<dyn Iterator<Item = Result<Row<'static>, WarehouseError>> + 'a> {
        let mut page = Vec::new().into_iter();
        let (mut last, mut is_full) = (None::<Row<'static>>, true);
        Box::new(std::iter::from_fn(move || {
            if page.len() == 0 && is_full {
                match self.page(table, dates, last.as_ref()) {
                    Ok(rows) => {
                        is_full = rows.len() == PAGE_ROWS;
                        page = rows.into_iter();
                    }
                    Err(error) => {
                        is_full = false;
                        return Some(Err(error));
                    }
                }
            }
            let row = page.next()?;
            if page.len() == 0 {
                last = Some(row.clone());
            }
            Some(Ok(row))
        }))
    }
}
