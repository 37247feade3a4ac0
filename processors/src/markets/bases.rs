//! The content of a row on both bases.
//!
//! Invariant: if neither the content nor the absence in retrospect is stated, the issued one counts in retrospect, too.
//! Not here: how the content is derived (`market_rows`, `availability_rows`).
use super::facts::Tables;
use crate::history::{Cutoff, Known};
use schemas::{EasternDate, GameId, Timestamp, features::Basis};

/// The content of a row as known on each basis.
pub struct KnownOnBases<T> {
    issued: Known<Option<T>>,
    retrospective: Known<Option<T>>,
}

/// The content of a row as its fields state it.
pub struct Bases<T> {
    pub issued: Option<T>,
    pub retrospective: Option<T>,
    pub issued_absent_since: Option<Timestamp>,
    pub retrospective_absent_since: Option<Timestamp>,
}

/// Derives content on both bases; `None` if the date has no rows.
pub fn on_both_bases<T>(
    tables: &Tables,
    (game, day): (GameId, EasternDate),
    content_by: impl Fn(Cutoff) -> Known<Option<T>>,
) -> Option<KnownOnBases<T>> {
    let tip_off = tables.date(game, day)?.tip_off;
    let on_basis = |basis| content_by(Cutoff::at_tip_off(tip_off, basis));
    Some(KnownOnBases { issued: on_basis(Basis::Issued), retrospective: on_basis(Basis::Retrospective) })
}

impl<T: PartialEq> KnownOnBases<T> {
    /// Returns the fields of the row; `None` if there never was content. `with_time` sets the time of content.
    pub fn into_rows(self, with_time: impl Fn(Timestamp, T) -> T) -> Option<Bases<T>> {
        let fields = |Known { content, known_at }: Known<Option<T>>| {
            let is_ended = content.is_none() && known_at > Timestamp::DISTANT_PAST;
            (content.map(|content| with_time(known_at, content)), is_ended.then_some(known_at))
        };
        let (issued, issued_absent_since) = fields(self.issued);
        let (retrospective, ended_at) = fields(self.retrospective);
        let retrospective_absent_since = match (&issued, &retrospective) {
            (Some(_), None) => Some(ended_at.unwrap_or(Timestamp::DISTANT_PAST)),
            _ => ended_at.filter(|_| ended_at != issued_absent_since),
        };
        let retrospective = retrospective.filter(|content| issued.as_ref() != Some(content));
        let is_empty = issued.is_none() && retrospective.is_none();
        let is_empty = is_empty && issued_absent_since.is_none() && retrospective_absent_since.is_none();
        (!is_empty).then_some(Bases {
            issued,
            retrospective,
            issued_absent_since,
            retrospective_absent_since,
        })
    }
}
