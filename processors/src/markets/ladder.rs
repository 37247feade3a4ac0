//! The ladders of one name in one book, as one request returned them: selects the newest and the opening one at a cutoff.
//!
//! Invariant: a ladder whose book updated it at or after tip-off is never selected. On the issued basis, a ladder that was fetched at or
//! after tip-off is not selected either. On the retrospective basis, a later fetch never replaces the ladder of an update that was known
//! before.
//! Not here: the combination of several books, requests and events (`quotes`).
use super::{
    main_line,
    odds::{Event, Ladder, OddsMember, OddsValue},
    update_index::{BookUpdates, UpdateRun},
};
use crate::history::{AsOf, Change, Cutoff, Member, ObservationId, RequestHistory};
use schemas::{RawId, Timestamp, features::Basis, observation::QuoteLine};
use std::borrow::Cow;

/// A ladder of one update, and when its lines became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderQuote<'a> {
    pub updated_at: Timestamp,
    /// True if the ladder of this update was known before the cutoff.
    pub is_known: bool,
    /// The observation of this update that lists the ladder. If several do, the last one that was known before the cutoff, or else the first
    /// one.
    pub listed_in: ObservationId,
    pub lines: Cow<'a, [QuoteLine]>,
    /// The fetch time of the first observation since which the ladder has had these lines without interruption.
    pub known_at: Timestamp,
}

/// Selects observations relative to the cutoff.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetched {
    Before,
    After,
    Any,
}

/// The observations of one ladder.
pub struct LadderHistory<'a> {
    request: RequestHistory<'a, OddsMember, OddsValue>,
    member: &'a OddsMember,
    ladders: &'a [Change<OddsValue>],
    updates: &'a BookUpdates,
    cutoff: Cutoff,
}

impl<'a> LadderHistory<'a> {
    /// Returns the histories of one ladder in an event, one per request.
    pub fn of(event: &'a Event, member: &'a OddsMember, cutoff: Cutoff) -> impl Iterator<Item = Self> {
        let book = OddsMember::of_book(member.date, &member.book);
        event.history.requests().filter_map(move |request| {
            let updates = event.index().updates(request.name(), &book)?;
            let ladders = request.changes(member);
            (!ladders.is_empty()).then_some(LadderHistory { request, member, ladders, updates, cutoff })
        })
    }
    /// Returns the ladder with the newest update before the cutoff that any usable observation lists.
    pub fn newest(&self) -> Option<LadderQuote<'a>> {
        self.newest_of(self.usable())
    }
    /// True if an observation from the cutoff on lists the ladder with an update before the cutoff, and may be used.
    pub fn is_listed_later(&self) -> bool {
        self.usable() == Fetched::Any && self.newest_of(Fetched::After).is_some()
    }
    /// Returns the ladder with the oldest update that has a main line.
    ///
    /// The first observation with a main line has the oldest update, except for those that show an older update than one before them.
    pub fn opening(&self) -> Option<LadderQuote<'a>> {
        let until = self.as_of(self.usable()).until;
        let mut opening: Option<LadderQuote<'a>> = None;
        for (index, change) in self.ladders.iter().enumerate() {
            if change.from.fetched_at > until {
                break;
            }
            let next = self.ladders.get(index + 1).map(|next| next.from);
            let first = self.request.known_from(Some(change.from), next, self.as_of(self.usable()));
            let (Some(first), true) = (first.map(|known| known.first), change.value.is_some()) else {
                continue;
            };
            let Some(run) = self.updates.run_of(first) else { continue };
            if !self.cutoff.is_past(run.updated_at) {
                break;
            }
            opening = self.with_main_line(run);
            if opening.is_some() {
                break;
            }
        }
        for run in &self.updates.older {
            let is_older = opening.as_ref().is_none_or(|opening| run.updated_at < opening.updated_at);
            if is_older && run.from.fetched_at <= until && self.cutoff.is_past(run.updated_at) {
                opening = self.with_main_line(run).or(opening);
            }
        }
        opening
    }
    fn with_main_line(&self, run: &UpdateRun) -> Option<LadderQuote<'a>> {
        self.quote(run, self.usable()).filter(|quote| main_line::for_ladder(&quote.lines).is_some())
    }
    fn usable(&self) -> Fetched {
        match self.cutoff.basis() {
            Basis::Issued => Fetched::Before,
            Basis::Retrospective => Fetched::Any,
        }
    }
    const fn as_of(&self, fetched: Fetched) -> AsOf {
        match fetched {
            Fetched::Before => self.cutoff.known(),
            Fetched::After | Fetched::Any => self.cutoff.usable(),
        }
    }
    /// Returns the first possible observation from the cutoff on.
    fn first_after(&self) -> ObservationId {
        let fetched_at = self.cutoff.known().until;
        ObservationId { fetched_at: Timestamp(fetched_at.0 + 1), raw: RawId(i64::MIN) }
    }
    fn newest_of(&self, fetched: Fetched) -> Option<LadderQuote<'a>> {
        let until = self.as_of(fetched).until;
        let is_selected =
            |run: &UpdateRun| run.from.fetched_at <= until && self.cutoff.is_past(run.updated_at);
        let ascending = &self.updates.ascending;
        let mut count = ascending.partition_point(is_selected);
        let mut newest = None;
        while let Some(run) = ascending[..count].last() {
            if fetched == Fetched::After && run.until.is_some_and(|until| until <= self.first_after()) {
                break;
            }
            newest = self.quote(run, fetched);
            if newest.is_some() {
                break;
            }
            // Continue with the last run that begins while an earlier observation lists the ladder.
            let begun = self.ladders.partition_point(|change| change.from <= run.from);
            count = match self.ladders[..begun].last() {
                None => break,
                Some(change) if change.value.is_some() => count - 1,
                Some(absent) => (count - 1).min(ascending.partition_point(|run| run.from < absent.from)),
            };
        }
        for run in self.updates.older.iter().filter(|run| is_selected(run)) {
            if newest.as_ref().is_none_or(|newest| newest.updated_at < run.updated_at) {
                newest = self.quote(run, fetched).or(newest);
            }
        }
        newest
    }
    /// Returns the ladder of one update.
    fn quote(&self, run: &UpdateRun, fetched: Fetched) -> Option<LadderQuote<'a>> {
        let before = || self.last_listed(run);
        let after = || self.first_listed_after(run);
        let (index, listed_in, is_known) = match fetched {
            Fetched::Before => before()?,
            Fetched::After => after()?,
            Fetched::Any => before().or_else(after)?,
        };
        let as_of = self.as_of(if is_known { Fetched::Before } else { fetched });
        let from = self.ladders[index].from;
        let since = self.request.known_from(Some(from), self.until(index), as_of);
        Some(LadderQuote {
            updated_at: run.updated_at,
            is_known,
            listed_in,
            lines: self.lines(index, as_of),
            known_at: since.map_or(listed_in, |known| known.first).fetched_at,
        })
    }
    fn until(&self, index: usize) -> Option<ObservationId> {
        self.ladders.get(index + 1).map(|next| next.from)
    }
    /// Returns the range of the changes of the ladder that are in effect in a run.
    fn changes_in(&self, run: &UpdateRun) -> std::ops::Range<usize> {
        let begun = self.ladders.partition_point(|change| change.from <= run.from);
        let end = run
            .until
            .map_or(self.ladders.len(), |until| self.ladders.partition_point(|change| change.from < until));
        begun.saturating_sub(1)..end
    }
    /// Returns the first and the last known observation of a run in which one change of the ladder is in effect.
    fn listed_in(&self, run: &UpdateRun, index: usize, fetched: Fetched) -> Option<[ObservationId; 2]> {
        let change = &self.ladders[index];
        change.value.as_ref()?;
        let mut from = change.from.max(run.from);
        if fetched == Fetched::After {
            from = from.max(self.first_after());
        }
        let until = self.until(index).into_iter().chain(run.until).min();
        let known = self.request.known_from(Some(from), until, self.as_of(fetched))?;
        Some([known.first, known.last])
    }
    /// Returns the last known observation of a run before the cutoff that lists the ladder, with the index of its change. Of several
    /// observations at one instant, the one with the greatest ladder is returned.
    fn last_listed(&self, run: &UpdateRun) -> Option<(usize, ObservationId, bool)> {
        let mut last: Option<(usize, ObservationId)> = None;
        for index in self.changes_in(run).rev() {
            let Some([_, listed]) = self.listed_in(run, index, Fetched::Before) else { continue };
            match last {
                None => last = Some((index, listed)),
                Some((_, newer)) if listed.fetched_at < newer.fetched_at => break,
                Some((greatest, _)) if self.ladders[index].value > self.ladders[greatest].value => {
                    last = Some((index, listed));
                }
                Some(_) => {}
            }
        }
        last.map(|(index, listed)| (index, listed, true))
    }
    /// Returns the first observation of a run from the cutoff on that lists the ladder.
    fn first_listed_after(&self, run: &UpdateRun) -> Option<(usize, ObservationId, bool)> {
        let mut listed = self.changes_in(run).filter_map(|index| {
            let [first, _] = self.listed_in(run, index, Fetched::After)?;
            Some((index, first, false))
        });
        listed.next()
    }
    /// Returns the lines of a ladder. If it is incomplete, the lines of the ladders before it are added, back to the last complete one: a
    /// line that an incomplete ladder lacks may still be offered. An observation that shows that the book withdrew the player ends this.
    fn lines(&self, index: usize, as_of: AsOf) -> Cow<'a, [QuoteLine]> {
        let ladder_at = |index: usize| self.ladders[index].value.as_ref().and_then(OddsValue::ladder);
        let Some(Ladder { lines, complete }) = ladder_at(index) else { return Cow::Borrowed(&[]) };
        if *complete {
            return Cow::Borrowed(lines);
        }
        let mut united = lines.clone();
        for earlier in (0..index).rev() {
            let (from, until) = (self.ladders[earlier].from, self.ladders[earlier + 1].from);
            let Some(ladder) = ladder_at(earlier) else {
                if self.request.has_complete(&self.member.sublist(), from, until, as_of) {
                    break;
                }
                continue;
            };
            if self.request.known_from(Some(from), Some(until), as_of).is_none() {
                continue;
            }
            for line in &ladder.lines {
                if let Err(position) = united.binary_search_by_key(&line.line, |united| united.line) {
                    united.insert(position, *line);
                }
            }
            if ladder.complete {
                break;
            }
        }
        Cow::Owned(united)
    }
}
