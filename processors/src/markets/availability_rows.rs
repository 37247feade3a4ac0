//! The availability of a player for a game by injury reports, and the teams that have reported.
//!
//! Content is known since the latest instant at which anything became known that it depends on: an entry of a report, a newer report without
//! the player, a retraction, the player of a name, or the day of the game.
//!
//! Invariant: no row uses a report made at or after tip-off. The issued content uses only reports fetched before tip-off. On the
//! retrospective basis, a report that was not known by then is used as its first fetch returned it.
//! Not here: the reports (`reports`), quotes (`market_rows`).
use super::{
    bases::{Bases, on_both_bases},
    facts::{LookupName, Tables},
    reports::{Report, ReportEntry, ReportMember},
};
use crate::history::{AsOf, Cutoff, Known, known_content};
use schemas::{
    CandidateId, EasternDate, GameId, Matchup, PlayerId, Timestamp,
    features::Basis,
    market::{Availability, AvailabilityView, TeamReported},
};
use std::collections::BTreeSet;

/// Derives the row of a player on a date of a game; `None` if no report has listed the player.
pub fn availability(tables: &Tables, id: CandidateId) -> Option<Availability> {
    let CandidateId { player, game, date, matchup } = id;
    let mut ends = ends(tables, date);
    for (reported_at, report) in tables.reports.on(date) {
        for member in report.keys() {
            let name = LookupName::in_report(reported_at.eastern_date(), &member.name);
            if tables.may_refer(name, player) {
                tables.name_instants(name, &mut |instant| ends.push(instant));
            }
        }
    }
    let content_by = |cutoff| {
        let day = tables.has_day(game, date, cutoff);
        let listed = if day.content { listed(tables, player, date, cutoff) } else { Known::default() };
        let is_dated = listed.known_at > Timestamp::DISTANT_PAST;
        Known {
            known_at: if is_dated { listed.known_at.max(day.known_at) } else { listed.known_at },
            ..listed
        }
    };
    let content_on = |cutoff: Cutoff| known_content(cutoff, ends.iter().copied(), content_by);
    let with_time = |known_at, view| AvailabilityView { known_at, ..view };
    let Bases { issued, retrospective, issued_absent_since, retrospective_absent_since } =
        on_both_bases(tables, (game, date), content_on)?.into_rows(with_time)?;
    Some(Availability {
        player,
        game,
        date,
        matchup,
        issued,
        retrospective,
        issued_absent_since,
        retrospective_absent_since,
    })
}

/// Returns the instants at which the reports that count for the game of a day may be replaced by earlier ones, or by none.
fn ends(tables: &Tables, day: EasternDate) -> Vec<Timestamp> {
    let retractions = tables.reports.on(day).flat_map(|(_, report)| report.retraction_instants());
    retractions.chain(tables.day_instants(day)).collect()
}

/// Returns the entry of the newest report that lists a player, unless a newer report is complete for the team and omits the player. The time
/// of the content is not set.
fn listed(
    tables: &Tables,
    player: PlayerId,
    day: EasternDate,
    cutoff: Cutoff,
) -> Known<Option<AvailabilityView>> {
    let teams = tables.matchup.map(Matchup::teams).into_iter().flatten();
    // For each team, since when a report that is newer than those below is complete.
    let mut complete: Vec<_> = teams.map(|team| (team, None::<Timestamp>)).collect();
    let mut changed_at = Timestamp::DISTANT_PAST;
    for (reported_at, report, as_of) in tables.reports.newest_first(day, cutoff) {
        let entry = entry(tables, player, (reported_at, report, as_of), cutoff);
        changed_at = changed_at.max(entry.known_at);
        if let Some((member, stated)) = entry.content {
            let cleared_at = complete.iter().find(|(team, _)| *team == member.team).and_then(|(_, at)| *at);
            return match cleared_at {
                Some(at) => Known { content: None, known_at: changed_at.max(at) },
                None => Known { content: Some(view(reported_at, stated)), known_at: changed_at },
            };
        }
        for (team, complete_since) in &mut complete {
            let since = report.first_complete(team, as_of);
            *complete_since = (*complete_since).into_iter().chain(since).min();
        }
    }
    Known { content: None, known_at: changed_at }
}

fn view(reported_at: Timestamp, entry: &ReportEntry) -> AvailabilityView {
    let ReportEntry { status, reason } = entry.clone();
    AvailabilityView { known_at: Timestamp::DISTANT_PAST, reported_at, status, reason }
}

/// Returns the entry of a player in one report, and when it was added, changed or removed.
fn entry<'a>(
    tables: &Tables,
    player: PlayerId,
    (reported_at, report, as_of): (Timestamp, &'a Report, AsOf),
    cutoff: Cutoff,
) -> Known<Option<(&'a ReportMember, &'a ReportEntry)>> {
    let mut entry = Known::default();
    // Sorted, because the order must not depend on requests that were fetched later.
    for member in report.keys().collect::<BTreeSet<_>>() {
        let name = LookupName::in_report(reported_at.eastern_date(), &member.name);
        let name = name.listed_for(member.team);
        let Some(name_known_at) = tables.refers_since(name, player, cutoff) else { continue };
        let Some(since) = report.known_since(member, as_of) else { continue };
        entry.known_at = entry.known_at.max(since).max(name_known_at);
        if entry.content.is_none() {
            entry.content = report.member(member, as_of).map(|listed| (member, listed.value));
        }
    }
    entry
}

/// Returns the teams that have reported for a date of a game, on a basis, and those whose reports were all retracted.
pub fn teams_reported(
    tables: &Tables,
    (game, day): (GameId, EasternDate),
    basis: Basis,
) -> Vec<TeamReported> {
    let Some(date) = tables.date(game, day) else { return Vec::new() };
    let cutoff = Cutoff::at_tip_off(date.tip_off, basis);
    let teams = tables.matchup.map(Matchup::teams).into_iter().flatten();
    let reported = teams.filter_map(|team| {
        let reported = known_content(cutoff, ends(tables, day), |cutoff| {
            let is_on_day = tables.has_day(game, day, cutoff);
            let first = tables.reports.first_listed(day, team, cutoff).filter(|_| is_on_day.content);
            let known_at = first.map_or(Timestamp::DISTANT_PAST, |first| first.max(is_on_day.known_at));
            Known { content: first.is_some(), known_at }
        });
        let Known { content: has_reported, known_at } = reported;
        let is_known = has_reported || known_at > Timestamp::DISTANT_PAST;
        is_known.then_some(TeamReported { team, known_at, has_reported })
    });
    let mut reported: Vec<TeamReported> = reported.collect();
    reported.sort_unstable();
    reported
}
