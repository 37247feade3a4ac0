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
use std::collections::{BTreeMap, BTreeSet};

/// Derives the row of a player on a date of a game; `None` if no report has listed the player.
pub fn availability(tables: &Tables, id: CandidateId) -> Option<Availability> {
    let CandidateId { player, game, date, matchup } = id;
    let mut ends = ends(tables, date);
    let members = members_by_report(tables, player, date);
    for (reported_at, members) in &members {
        for member in members {
            let name = LookupName::in_report(reported_at.eastern_date(), &member.name);
            tables.name_instants(name, &mut |instant| ends.push(instant));
        }
    }
    let content_by = |cutoff| {
        let day = tables.has_day(game, date, cutoff);
        let listed =
            if day.content { listed(tables, (player, &members), date, cutoff) } else { Known::default() };
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

/// The members of reports that may be one player, by the time of the report and in ascending order.
type MembersByReport<'a> = BTreeMap<Timestamp, Vec<&'a ReportMember>>;

/// Returns the members of the reports on a day that may be a player at some instant.
fn members_by_report(tables: &Tables, player: PlayerId, day: EasternDate) -> MembersByReport<'_> {
    let names = tables.reports.names_on(day).iter();
    let is_player =
        |(day, name): &&(EasternDate, String)| tables.may_refer(LookupName::in_report(*day, name), player);
    let names: BTreeSet<(EasternDate, &str)> =
        names.filter(is_player).map(|(day, name)| (*day, name.as_str())).collect();
    let members = tables.reports.on(day).map(|(reported_at, report)| {
        let day = reported_at.eastern_date();
        let is_player = |member: &&ReportMember| names.contains(&(day, member.name.as_str()));
        // Several requests may list the same member, in an order that depends on requests that were fetched later.
        let members: BTreeSet<&ReportMember> = report.keys().filter(is_player).collect();
        (reported_at, members.into_iter().collect())
    });
    members.collect()
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
    (player, members): (PlayerId, &MembersByReport<'_>),
    day: EasternDate,
    cutoff: Cutoff,
) -> Known<Option<AvailabilityView>> {
    let teams = tables.matchup.map(Matchup::teams).into_iter().flatten();
    // For each team, since when a report that is newer than those below is complete.
    let mut complete: Vec<_> = teams.map(|team| (team, None::<Timestamp>)).collect();
    let mut changed_at = Timestamp::DISTANT_PAST;
    for (reported_at, report, as_of) in tables.reports.newest_first(day, cutoff) {
        let members = members.get(&reported_at).map_or(&[][..], Vec::as_slice);
        let entry = entry(tables, (player, members), (reported_at, report, as_of), cutoff);
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
    (player, members): (PlayerId, &[&'a ReportMember]),
    (reported_at, report, as_of): (Timestamp, &'a Report, AsOf),
    cutoff: Cutoff,
) -> Known<Option<(&'a ReportMember, &'a ReportEntry)>> {
    let mut entry = Known::default();
    for &member in members {
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
