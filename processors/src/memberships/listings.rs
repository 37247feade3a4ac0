//! The listings of one player by one team: which feeds list the player as of an instant, and since when.
//!
//! A player may be a member of a roster under several names; the run of a listing is that of the player and not that of one name.
//!
//! Invariant: the listings as of an instant depend only on what was known at this instant. No listing is dated later than the instant.
//! Not here: the observations (`rosters`), to whom the names refer (`roster_names`).
use super::{
    roster_names::RosterNames,
    rosters::{RosterHistory, RosterKey, Rosters},
};
use crate::history::{AsOf, Revised, revise};
use schemas::{
    PlayerId, Timestamp,
    membership::{Listing, MembershipHistory, MembershipRevision},
    raw::{Feed, Source},
};
use std::collections::BTreeSet;

/// The members of one roster who are, or may be, one player.
struct OfPlayer<'a> {
    player: PlayerId,
    feed: Feed,
    history: &'a RosterHistory,
    names: &'a RosterNames,
    keys: Vec<&'a RosterKey>,
}

/// Returns all players who may ever have been a member of a roster.
pub fn players(rosters: &Rosters, names: &RosterNames) -> BTreeSet<PlayerId> {
    let mut players = BTreeSet::new();
    for (feed, history) in rosters.iter() {
        for key in history.keys() {
            players.extend(players_of(feed, key, names));
        }
    }
    players
}

/// Returns the players who the member of a roster may be.
pub fn players_of(feed: Feed, RosterKey(member): &RosterKey, names: &RosterNames) -> BTreeSet<PlayerId> {
    match member.nba {
        Some(player) => BTreeSet::from([player]),
        None => names.players(feed.source(), &member.name),
    }
}

/// Returns all revisions of the listings of a player; `None` if no feed ever listed the player.
pub fn membership(rosters: &Rosters, names: &RosterNames, player: PlayerId) -> Option<MembershipHistory> {
    let members = rosters.iter().map(|(feed, history)| OfPlayer::new(player, feed, history, names));
    let members: Vec<OfPlayer<'_>> = members.filter(|of_player| !of_player.keys.is_empty()).collect();
    let mut instants = Vec::new();
    let mut differs_in_retrospect = false;
    for of_player in &members {
        differs_in_retrospect |= of_player.instants(&mut |instant| instants.push(instant));
    }
    let content_at = |as_of: AsOf| {
        let listings = members.iter().filter_map(|of_player| of_player.listing(as_of)).collect();
        Some(MembershipRevision { known_at: as_of.until, listings })
    };
    let is_same = |a: &MembershipRevision, b: &MembershipRevision| a.listings == b.listings;
    let Revised { revisions, in_retrospect } = revise(instants, differs_in_retrospect, content_at, is_same);
    let revisions = from_first_listing(revisions);
    let in_retrospect = in_retrospect.map(from_first_listing).filter(|other| *other != revisions);
    let is_empty = revisions.is_empty() && in_retrospect.is_none();
    (!is_empty).then_some(MembershipHistory { revisions, revisions_in_retrospect: in_retrospect })
}

/// Removes a first revision without listings: that a player is not listed is known only after a listing.
fn from_first_listing(mut revisions: Vec<MembershipRevision>) -> Vec<MembershipRevision> {
    if revisions.first().is_some_and(|first| first.listings.is_empty()) {
        revisions.remove(0);
    }
    revisions
}

impl<'a> OfPlayer<'a> {
    fn new(player: PlayerId, feed: Feed, history: &'a RosterHistory, names: &'a RosterNames) -> Self {
        let is_of_player = |RosterKey(member): &&RosterKey| match member.nba {
            Some(id) => id == player,
            None => names.may_refer(feed.source(), &member.name, player),
        };
        let keys = history.keys().filter(is_of_player).collect();
        OfPlayer { player, feed, history, names, keys }
    }
    fn source(&self) -> Source {
        self.feed.source()
    }
    /// Returns the listing as of an instant; `None` if no member of the roster is the player.
    fn listing(&self, as_of: AsOf) -> Option<Listing> {
        let mut since = self.run_start(as_of)?;
        // Under another name, the player may have been a member before.
        while let Some(earlier) = self.run_start(as_of.before(since)) {
            since = earlier;
        }
        let born = self.present(as_of).find_map(|key| self.history.member(key, as_of)?.value.born);
        let RosterKey(member) = self.present(as_of).next()?;
        Some(Listing { feed: self.feed, since, name: member.name.clone(), born })
    }
    /// Returns the instant since which a member who is the player has been present without interruption.
    fn run_start(&self, as_of: AsOf) -> Option<Timestamp> {
        self.present(as_of).filter_map(|key| self.history.present_since(key, as_of)).min()
    }
    /// Returns the members who are present as of an instant, and are the player.
    fn present(&self, as_of: AsOf) -> impl Iterator<Item = &'a RosterKey> {
        self.keys.iter().copied().filter(move |key| {
            let RosterKey(member) = key;
            self.history.member(key, as_of).is_some_and(|listed| match member.nba {
                Some(_) => true,
                None => {
                    let date = listed.fetched_at.eastern_date();
                    self.names.player(self.source(), &member.name, date, as_of) == Some(self.player)
                }
            })
        })
    }
    /// Emits every instant at which the listing may change; returns true if it may be another one in retrospect.
    fn instants(&self, emit: &mut dyn FnMut(Timestamp)) -> bool {
        let mut differs_in_retrospect = self.history.has_retractions();
        for key in &self.keys {
            self.history.instants(key, emit);
        }
        let names: Vec<&str> =
            self.keys.iter().filter(|key| key.0.nba.is_none()).map(|key| key.0.name.as_str()).collect();
        if names.is_empty() {
            return differs_in_retrospect;
        }
        // A name is looked up on the day of the newest fetch, so it may refer to another player from the first fetch of a day on.
        let mut days = BTreeSet::new();
        for fetched_at in self.history.first_instants_of_days() {
            emit(fetched_at);
            days.insert(fetched_at.eastern_date());
        }
        for date in days {
            for name in &names {
                differs_in_retrospect |= self.names.instants(self.source(), name, date, emit);
            }
        }
        differs_in_retrospect
    }
}
