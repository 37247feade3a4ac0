//! The revisions of a membership, as the views that read memberships use them.
//!
//! Invariant: only revisions known before a cutoff count, on every basis: a list that is fetched later does not show who was a member then.
//! Not here: how the revisions are derived (`memberships`).
use crate::history::Cutoff;
use schemas::{
    Timestamp,
    membership::{MembershipHistory, MembershipRevision},
};

/// Returns the last revision known before a cutoff; `None` if there is none.
pub fn revision_as_of(history: &MembershipHistory, cutoff: Cutoff) -> Option<&MembershipRevision> {
    let MembershipHistory { revisions, revisions_in_retrospect } = history;
    cutoff.known().last_of(revisions, revisions_in_retrospect.as_deref(), |revision| revision.known_at)
}

/// Returns the instant from which on two histories of one membership differ; `None` if they do not.
pub fn changed_since(old: Option<&MembershipHistory>, new: Option<&MembershipHistory>) -> Option<Timestamp> {
    let known = |history: Option<&MembershipHistory>| {
        let revisions = history.map_or(&[][..], |history| &history.revisions);
        let in_retrospect = history.and_then(|history| history.revisions_in_retrospect.as_deref());
        [revisions.to_vec(), in_retrospect.unwrap_or(revisions).to_vec()]
    };
    let differs = |(old, new): (Vec<MembershipRevision>, Vec<MembershipRevision>)| {
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let first = |revisions: &[MembershipRevision]| revisions.get(same).map(|revision| revision.known_at);
        [first(&old), first(&new)]
    };
    known(old).into_iter().zip(known(new)).flat_map(differs).flatten().min()
}
