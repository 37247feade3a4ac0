//! For which team a player plays as of a cutoff: the rule over the evidence of all teams.
//!
//! The newest evidence decides. An appearance is dated by its tip-off: a list that is fetched during a game is newer than the appearance in
//! it. A listing is dated by the first fetch of its run; if a list does not contain the player any more, the listing is no evidence.
//!
//! Invariant: the team as of a cutoff depends on no evidence that became known at or after it.
//! Not here: which of several games of one date the player is predicted for (`date_team`), how listings are derived (`memberships`).
use super::appearance::Appearance;
use crate::{history::Cutoff, member_history::revision_as_of};
use schemas::{
    Team, Timestamp,
    membership::{Listing, Membership},
    raw::Source,
};
use std::collections::BTreeMap;

/// The kinds of evidence, in ascending order of precedence for evidence with the same date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// Another source than nba.com lists the player.
    Listing,
    NbacomListing,
    Appearance,
}

/// The evidence that the player belongs to a team. Its order is that of precedence: the greatest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    pub at: Timestamp,
    pub kind: EvidenceKind,
    pub team: Team,
}

/// The team of a player as of a cutoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamAsOf {
    /// `None` if there is no evidence.
    pub team: Option<Team>,
    /// When the newest fact became known that is evidence, or that ended a listing; `DISTANT_PAST` if there is none. The times of the
    /// appearances are not included.
    pub known_at: Timestamp,
}

/// Decides the team of a player from the player's latest appearance and the memberships in all teams.
pub fn team_as_of(
    memberships: &BTreeMap<Team, Membership>,
    latest: Option<&Appearance<'_>>,
    cutoff: Cutoff,
) -> TeamAsOf {
    let appearance = latest.map(|latest| Evidence {
        at: latest.revision.tip_off,
        kind: EvidenceKind::Appearance,
        team: latest.revision.team,
    });
    let revisions = memberships.values().filter_map(|row| revision_as_of(&row.history, cutoff));
    let known_at = revisions.map(|revision| revision.known_at).max();
    let listings = listings_as_of(memberships, cutoff).map(|(evidence, _)| evidence);
    TeamAsOf {
        team: listings.chain(appearance).max().map(|evidence| evidence.team),
        known_at: known_at.unwrap_or(Timestamp::DISTANT_PAST),
    }
}

/// Returns the player's name on the newest listing as of a cutoff; `None` if no list has the player.
pub fn listed_name(memberships: &BTreeMap<Team, Membership>, cutoff: Cutoff) -> Option<&str> {
    let newest = listings_as_of(memberships, cutoff).max_by_key(|(evidence, _)| *evidence);
    newest.map(|(_, listing)| listing.name.as_str())
}

/// Returns the listings as of a cutoff, each with the evidence that it is.
fn listings_as_of<'a>(
    memberships: &'a BTreeMap<Team, Membership>,
    cutoff: Cutoff,
) -> impl Iterator<Item = (Evidence, &'a Listing)> {
    let of_team = move |row: &'a Membership| (row, revision_as_of(&row.history, cutoff));
    memberships.values().map(of_team).flat_map(|(row, revision)| {
        let listings = revision.into_iter().flat_map(|revision| &revision.listings);
        listings.map(|listing| (of_listing(row.team, listing), listing))
    })
}
fn of_listing(team: Team, listing: &Listing) -> Evidence {
    let kind = match listing.feed.source() {
        Source::Nbacom => EvidenceKind::NbacomListing,
        _ => EvidenceKind::Listing,
    };
    Evidence { at: listing.since, kind, team }
}
