//! The injury reports on the games of a matchup, by game day and time of the report.
//!
//! A team has *reported* from the first report that lists a player of it. A newer report is complete for a team if it lists all its
//! players who are not certain to play: a player who is not on it is available again. A report that states that a team has not submitted
//! its list is not complete for that team.
//!
//! Invariant: no report is newer than the fetch of its observation, so a report that became known first is found among those that were made
//! before any other was known.
//! Not here: the player of a name, and the game of a day (`facts`).
use crate::history::{
    Affected, AsOf, Coverage, Cutoff, ListChange, ListHistory, Member, ObservationId, ObservationRecord,
};
use schemas::{
    EasternDate, Team, Timestamp,
    features::Basis,
    observation::{InjuryObservation, InjuryStatus},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A player on a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportMember {
    pub team: Team,
    pub name: String,
}
impl Member for ReportMember {
    type Sublist = Team;
    fn sublist(&self) -> Team {
        self.team
    }
}

/// What a report states about a player.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReportEntry {
    pub status: InjuryStatus,
    pub reason: String,
}

/// All fetches of one report.
pub type Report = ListHistory<ReportMember, ReportEntry>;
/// What the changelog retains of one observation of a report.
pub type ReportRecord = ObservationRecord<ReportMember, ReportEntry, Team>;

/// The reports on the games of a matchup.
#[derive(Default)]
pub struct Reports {
    by_time: BTreeMap<(EasternDate, Timestamp), Report>,
    /// The names on the reports on a game day, by the day of the report, on which they are looked up. Names that a newer version of the
    /// loader no longer reads may be included.
    names: BTreeMap<EasternDate, BTreeSet<(EasternDate, String)>>,
    /// The reports that list a player of a team, by game day; the same applies.
    listing: BTreeMap<(EasternDate, Team), BTreeSet<Timestamp>>,
}
/// The indexes are left out, because they follow from the reports.
impl fmt::Debug for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.by_time.fmt(formatter)
    }
}

/// The effect of a merge.
pub struct MergedReport {
    pub reported_at: Timestamp,
    pub touched: Vec<ObservationId>,
    /// The names of the players whose availability may differ, each with the day for which it is looked up.
    pub names: BTreeSet<(EasternDate, String)>,
}

impl Reports {
    /// Merges an observation, or its retraction; `None` if no report changes.
    pub fn merge(&mut self, observation: InjuryObservation) -> Option<MergedReport> {
        let InjuryObservation {
            date, complete, members, provenance, incomplete_teams, not_submitted, ..
        } = observation;
        let reported_at = observation.reported_at.min(provenance.fetched_at);
        let coverage = Coverage::except(complete, [incomplete_teams, not_submitted].concat());
        let members = members.into_iter().map(|member| {
            let entry = ReportEntry { status: member.status, reason: member.reason };
            (ReportMember { team: member.team, name: member.name }, entry)
        });
        let members: Vec<(ReportMember, ReportEntry)> = members.collect();
        members.iter().for_each(|(member, _)| self.index(date, reported_at, member));
        let report = self.by_time.entry((date, reported_at)).or_default();
        let is_new = report.is_empty();
        let ListChange { touched, affected } = report.merge(&provenance, coverage, members)?;
        let names = match affected {
            Affected::Members(changed) if !is_new => {
                let day = reported_at.eastern_date();
                changed.into_iter().map(|member| (day, member.name)).collect()
            }
            // Also the players of older reports whom this report does not list.
            _ => self.names_on(date).clone(),
        };
        Some(MergedReport { reported_at, touched, names })
    }
    pub fn restore(&mut self, date: EasternDate, reported_at: Timestamp, record: ReportRecord) {
        record.changes.iter().for_each(|(member, _)| self.index(date, reported_at, member));
        self.by_time.entry((date, reported_at)).or_default().restore(record);
    }
    fn index(&mut self, date: EasternDate, reported_at: Timestamp, member: &ReportMember) {
        self.names.entry(date).or_default().insert((reported_at.eastern_date(), member.name.clone()));
        self.listing.entry((date, member.team)).or_default().insert(reported_at);
    }
    /// Returns the game days with reports.
    pub fn days(&self) -> impl Iterator<Item = EasternDate> {
        self.by_time.keys().map(|(date, _)| *date)
    }
    /// Returns the names on all reports on a game day, each with the day for which it is looked up.
    pub fn names_on(&self, date: EasternDate) -> &BTreeSet<(EasternDate, String)> {
        const NONE: &BTreeSet<(EasternDate, String)> = &BTreeSet::new();
        self.names.get(&date).unwrap_or(NONE)
    }
    pub fn get(&self, date: EasternDate, reported_at: Timestamp) -> Option<&Report> {
        self.by_time.get(&(date, reported_at))
    }
    /// Returns the times of the reports on a game day.
    pub fn times(&self, date: EasternDate) -> impl Iterator<Item = Timestamp> {
        self.on(date).map(|(reported_at, _)| reported_at)
    }
    /// Returns the reports on a game day, oldest first.
    pub fn on(&self, date: EasternDate) -> impl DoubleEndedIterator<Item = (Timestamp, &Report)> {
        let on_date = self.by_time.range((date, Timestamp(i64::MIN))..=(date, Timestamp(i64::MAX)));
        on_date.map(|((_, reported_at), report)| (*reported_at, report))
    }
    /// Returns the reports on a game day that are effective before a cutoff, newest first, each with the instant as of which it is used.
    pub fn newest_first(
        &self,
        date: EasternDate,
        cutoff: Cutoff,
    ) -> impl Iterator<Item = (Timestamp, &Report, AsOf)> {
        let before = self.on(date).rev().filter(move |(reported_at, _)| cutoff.is_past(*reported_at));
        before.filter_map(move |(reported_at, report)| Some((reported_at, report, as_of(report, cutoff)?)))
    }
    /// Returns when the first report that lists a player of a team became known.
    pub fn first_listed(&self, date: EasternDate, team: Team, cutoff: Cutoff) -> Option<Timestamp> {
        let mut first: Option<Timestamp> = None;
        for reported_at in self.listing.get(&(date, team)).into_iter().flatten() {
            // A report is known at its own time at the earliest.
            if !cutoff.is_past(*reported_at) || first.is_some_and(|first| first <= *reported_at) {
                break;
            }
            let report = self.by_time.get(&(date, *reported_at));
            let known_at = report.and_then(|report| first_listed_in(report, team, cutoff.usable()));
            first = first.into_iter().chain(known_at).min();
        }
        first
    }
}

/// Returns the instant as of which a report is used: the cutoff if the report was known by then; otherwise, on the retrospective basis, its
/// first fetch.
fn as_of(report: &Report, cutoff: Cutoff) -> Option<AsOf> {
    if report.newest(cutoff.known()).is_some() {
        return Some(cutoff.known());
    }
    match cutoff.basis() {
        Basis::Issued => None,
        Basis::Retrospective => {
            report.oldest(cutoff.usable()).map(|first| AsOf::in_retrospect(first.fetched_at))
        }
    }
}

/// Returns the fetch time of the first known observation of a report that lists a player of a team.
fn first_listed_in(report: &Report, team: Team, as_of: AsOf) -> Option<Timestamp> {
    let mut first: Option<Timestamp> = None;
    for request in report.requests() {
        let of_team = request.keys_from(&ReportMember { team, name: String::new() });
        for member in of_team.take_while(|member| member.team == team) {
            let changes = request.changes(member);
            let listed = changes.iter().enumerate().filter(|(_, change)| change.value.is_some());
            let known_at = listed.filter_map(|(index, change)| {
                let until = changes.get(index + 1).map(|next| next.from);
                request.known_from(Some(change.from), until, as_of).map(|known| known.first.fetched_at)
            });
            first = first.into_iter().chain(known_at.take(1)).min();
        }
    }
    first
}
