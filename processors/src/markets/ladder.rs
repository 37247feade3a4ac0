//! The ladders of one name in one book, as one request returned them: selects the newest and the opening one at a cutoff.
//!
//! Invariant: a ladder whose book updated it at or after tip-off is never selected. On the issued basis, a ladder that was fetched at or
//! after tip-off is not selected either. On the retrospective basis, a later fetch never replaces the ladder of an update that was known
//! before.
//! Not here: the combination of several books, requests and events (`quotes`).
use super::{
    main_line,
    odds::Event,
    odds_member::{Ladder, OddsMember, OddsValue},
    update_index::{BookUpdates, UpdateRun},
};
use crate::history::{AsOf, Change, Cutoff, Member, ObservationId, RequestHistory};
use schemas::{RawId, Timestamp, features::Basis, observation::QuoteLine};
use std::{borrow::Cow, cmp::Ordering};

/// A ladder of one update, and when its lines became known.
#[derive(Clone)]
pub struct LadderQuote<'a> {
    pub updated_at: Timestamp,
    /// True if the ladder of this update was known before the cutoff.
    pub is_known: bool,
    /// The observation of this update that lists the ladder. If several do, the last one that was known before the cutoff, or else the first
    /// one.
    pub listed_in: ObservationId,
    /// The ladder that this observation states.
    pub stated: &'a Ladder,
    /// The lines of the ladder; if it is incomplete, with those of the ladders before it.
    pub lines: Cow<'a, [QuoteLine]>,
    /// The fetch time of the first observation since which the ladder has been selected with these lines.
    pub known_at: Timestamp,
    updates: &'a BookUpdates,
    /// The observations of the request, and those of them that may be used.
    request: RequestHistory<'a, OddsMember, OddsValue>,
    as_of: AsOf,
}

impl LadderQuote<'_> {
    /// Orders ladders of the same update: first those that were known before the cutoff, the one listed last first; then the others, the one
    /// listed first first. At one instant, the greater ladder comes first.
    pub fn by_preference(a: &Self, b: &Self) -> Ordering {
        let order = |quote: &Self| {
            let fetched_at = quote.listed_in.fetched_at.0;
            (!quote.is_known, if quote.is_known { -fetched_at } else { fetched_at })
        };
        let by_lines = || b.stated.cmp(a.stated).then_with(|| b.lines.cmp(&a.lines));
        let by_content = || by_lines().then_with(|| a.known_at.cmp(&b.known_at));
        order(a).cmp(&order(b)).then_with(by_content).then_with(|| a.listed_in.cmp(&b.listed_in))
    }
    /// Returns the fetch time of the first observation with an update of the book that is newer than an instant, or equal to it if
    /// `or_equal`.
    pub fn updated_after(&self, instant: Timestamp, or_equal: bool) -> Timestamp {
        let is_before = |run: &UpdateRun| run.updated_at < instant || run.updated_at == instant && !or_equal;
        let ascending = &self.updates.ascending;
        // An observation that was retracted shows no update.
        let known_from = |run: &UpdateRun| self.request.known_from(Some(run.from), run.until, self.as_of);
        let first = ascending[ascending.partition_point(is_before)..].iter().find_map(known_from);
        // Of the observations whose update is older than one before them, any may be the first if those before it were retracted.
        let older = self.updates.older.iter().filter(|run| !is_before(run)).find_map(known_from);
        let first = first.into_iter().chain(older).map(|known| known.first).min();
        first.map_or(self.listed_in, |first| first.min(self.listed_in)).fetched_at
    }
    /// Orders opening ladders: the older update first; of one update, the one listed first; at one instant, the greater ladder.
    pub fn by_opening(a: &Self, b: &Self) -> Ordering {
        let order = |quote: &Self| (quote.updated_at, quote.listed_in.fetched_at);
        let by_lines = || b.stated.cmp(a.stated).then_with(|| b.lines.cmp(&a.lines));
        order(a).cmp(&order(b)).then_with(by_lines).then_with(|| a.listed_in.cmp(&b.listed_in))
    }
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
    /// Returns the first ladder with a main line that any observation lists of the oldest update which has one.
    ///
    /// The first observation with a main line has the oldest update, except for those that show an older update than one before them.
    pub fn opening(&self) -> Option<LadderQuote<'a>> {
        let mut opening = (0..self.ladders.len()).find_map(|index| self.opening_from(index));
        for run in self.updates.older.iter().filter(|run| self.is_selected(run, self.usable())) {
            if opening.as_ref().is_none_or(|opening| run.updated_at <= opening.updated_at) {
                opening = opening.into_iter().chain(self.opening_in(run)).min_by(LadderQuote::by_opening);
            }
        }
        opening
    }
    /// Returns the opening ladder among the observations of one change of the ladder.
    fn opening_from(&self, index: usize) -> Option<LadderQuote<'a>> {
        self.ladders[index].value.as_ref()?;
        let as_of = self.as_of(self.usable());
        let (from, until) = (self.ladders[index].from, self.until(index));
        let first = self.request.known_from(Some(from), until, as_of)?.first;
        main_line::for_ladder(&self.lines(index, as_of))?;
        let ascending = &self.updates.ascending;
        let later = &ascending[ascending.partition_point(|run| run.from <= first)..];
        let later = later.iter().take_while(|run| until.is_none_or(|until| run.from < until));
        let mut runs = self.updates.run_of(first).into_iter().chain(later);
        let mut runs = runs.by_ref().take_while(|run| self.is_selected(run, self.usable()));
        runs.find_map(|run| self.opening_in(run))
    }
    /// Returns the ladder of the first observation of a run that lists one with a main line.
    fn opening_in(&self, run: &UpdateRun) -> Option<LadderQuote<'a>> {
        let as_of = self.as_of(self.usable());
        let listed = self.changes_in(run).filter_map(|index| {
            let [first, _] = self.listed_in(run, index, self.usable())?;
            let lines = self.lines(index, as_of);
            main_line::for_ladder(&lines)?;
            Some(LadderQuote {
                updated_at: run.updated_at,
                is_known: first.fetched_at <= self.cutoff.known().until,
                listed_in: first,
                stated: self.ladders[index].value.as_ref()?.ladder()?,
                lines,
                known_at: first.fetched_at,
                updates: self.updates,
                request: self.request,
                as_of,
            })
        });
        let mut listed = listed.peekable();
        let instant = listed.peek()?.listed_in.fetched_at;
        listed.take_while(|quote| quote.listed_in.fetched_at == instant).min_by(LadderQuote::by_opening)
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
    /// True if a run begins before the observations end that may be used, and its update is before the cutoff.
    fn is_selected(&self, run: &UpdateRun, fetched: Fetched) -> bool {
        run.from.fetched_at <= self.as_of(fetched).until && self.cutoff.is_past(run.updated_at)
    }
    fn newest_of(&self, fetched: Fetched) -> Option<LadderQuote<'a>> {
        let ascending = &self.updates.ascending;
        let mut count = ascending.partition_point(|run| self.is_selected(run, fetched));
        let mut newest = None;
        while let Some(run) = ascending[..count].last() {
            if fetched == Fetched::After && run.until.is_some_and(|until| until <= self.first_after()) {
                break;
            }
            newest = self.quote_of(run.updated_at, fetched);
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
        for run in self.updates.older.iter().filter(|run| self.is_selected(run, fetched)) {
            if newest.as_ref().is_none_or(|newest| newest.updated_at < run.updated_at) {
                newest = self.quote_of(run.updated_at, fetched).or(newest);
            }
        }
        newest
    }
    /// Returns the ladder of one update. Mostly, one run has this update time.
    fn quote_of(&self, updated_at: Timestamp, fetched: Fetched) -> Option<LadderQuote<'a>> {
        let ascending = &self.updates.ascending;
        let begin = ascending.partition_point(|run| run.updated_at < updated_at);
        let runs = ascending[begin..].iter().take_while(|run| run.updated_at == updated_at);
        let older = self.updates.older.iter().filter(|run| run.updated_at == updated_at);
        let runs = runs.chain(older).filter(|run| self.is_selected(run, fetched));
        let quotes = runs.filter_map(|run| self.quote(run, fetched));
        quotes.min_by(LadderQuote::by_preference)
    }
    /// Returns the ladder of one run.
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
        let since = since.map_or(listed_in, |known| known.first);
        Some(LadderQuote {
            updated_at: run.updated_at,
            is_known,
            listed_in,
            stated: self.ladders[index].value.as_ref()?.ladder()?,
            lines: self.lines(index, as_of),
            known_at: self.selected_since(run, since),
            updates: self.updates,
            request: self.request,
            as_of,
        })
    }
    /// Returns the fetch time of the first observation from `since` on with a newest update of the book. Before it, the observations show an
    /// older update than one before them, so another ladder was selected.
    fn selected_since(&self, run: &UpdateRun, since: ObservationId) -> Timestamp {
        let ascending = &self.updates.ascending;
        let begun = ascending.partition_point(|run| run.from <= since);
        let last_begun = begun.checked_sub(1).map(|last| &ascending[last]);
        if last_begun.is_some_and(|run| run.until.is_none_or(|until| since < until)) {
            return since.fetched_at;
        }
        let first = ascending.get(begun).map_or(run.from, |first| first.from.min(run.from));
        first.max(since).fetched_at
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
    /// Returns the last known observation of a run before the cutoff that lists the ladder, with the index of its change.
    fn last_listed(&self, run: &UpdateRun) -> Option<(usize, ObservationId, bool)> {
        let listed = self.changes_in(run).rev().filter_map(|index| {
            let [_, last] = self.listed_in(run, index, Fetched::Before)?;
            Some((index, last))
        });
        self.greatest_of_instant(listed).map(|(index, id)| (index, id, true))
    }
    /// Returns the first observation of a run from the cutoff on that lists the ladder, with the index of its change.
    fn first_listed_after(&self, run: &UpdateRun) -> Option<(usize, ObservationId, bool)> {
        let listed = self.changes_in(run).filter_map(|index| {
            let [first, _] = self.listed_in(run, index, Fetched::After)?;
            Some((index, first))
        });
        self.greatest_of_instant(listed).map(|(index, id)| (index, id, false))
    }
    /// Returns the observation with the greatest ladder among those at the instant of the first one.
    fn greatest_of_instant(
        &self,
        listed: impl Iterator<Item = (usize, ObservationId)>,
    ) -> Option<(usize, ObservationId)> {
        let mut listed = listed.peekable();
        let instant = listed.peek()?.1.fetched_at;
        let of_instant = listed.take_while(|(_, id)| id.fetched_at == instant);
        of_instant.max_by(|a, b| self.ladders[a.0].value.cmp(&self.ladders[b.0].value))
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
