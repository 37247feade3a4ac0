//! The feature builder: the view by player that says what was true and known of him at each tip-off.
//!
//! It decides which side he is on, by the later of latest appearance and roster; whether he is eligible; and computes the vector.
//! An entry is built as it would have been issued; only where that gives no prediction, retrospectively.
//! Invariant: nothing heard after a tip-off, no later game, correction or filled gap, changes an issued row of it.
//! Not here: what systems make of the vector (predictor).
#[cfg(test)]
mod eligibility;
mod history;
#[cfg(test)]
mod tests;
mod vector;

use crate::{
    fact_history::Cutoff,
    materialized_view::{MaterializedView, StateChange},
};
use history::{Appearance, History};
use schemas::{
    EasternDate, GameId, PlayerGameId, PlayerId, Season, Team, Timestamp,
    features::{Basis, Eligibility, Features, QualityFlag},
    game::PlayerGame,
    market::{Availability, Market},
    observation::InjuryStatus,
    team_form::{Candidacy, SlateEntry},
};
use std::collections::{BTreeMap, BTreeSet};

/// Fewer appearances of the season than this give no prediction.
pub const MIN_APPEARANCES: usize = 3;
/// Nor does a lower mean of minutes over the last [`MINUTES_WINDOW`] appearances.
pub const MIN_MINUTES: f64 = 15.0;
/// The window of the minutes that make a player eligible.
pub const MINUTES_WINDOW: usize = 7;

/// What the view reads. One exists at a time, so its size does not matter.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum In {
    PlayerGame(PlayerGameId, Option<PlayerGame>),
    Market(PlayerGameId, Option<Market>),
    Availability(PlayerGameId, Option<Availability>),
    Entry(PlayerGameId, Option<SlateEntry>),
}

/// Everything known about one player.
#[derive(Default)]
pub struct Tables {
    player: Option<PlayerId>,
    seasons: BTreeMap<Season, BTreeMap<GameId, PlayerGame>>,
    entries: BTreeMap<GameId, SlateEntry>,
    by_tip_off: BTreeSet<(Timestamp, GameId)>,
    markets: BTreeMap<GameId, Market>,
    availability: BTreeMap<GameId, Availability>,
}

/// The feature builder view.
pub struct FeatureBuilder;
impl MaterializedView for FeatureBuilder {
    const NAME: &'static str = "feature-builder";
    type Key = PlayerId;
    type Tables = Tables;
    type In = In;
    type OutputKey = PlayerGameId;
    type Out = Features;

    fn key(&self, input: &In) -> Option<PlayerId> {
        Some(match input {
            In::PlayerGame(id, _) | In::Market(id, _) | In::Availability(id, _) | In::Entry(id, _) => {
                id.player
            }
        })
    }
    fn key_of(&self, output_key: &PlayerGameId) -> PlayerId {
        output_key.player
    }
    fn apply(&self, tables: &mut Tables, input: In, invalidate: &mut dyn FnMut(PlayerGameId)) -> StateChange {
        let Some(player) = self.key(&input) else { return StateChange::Unchanged };
        tables.player = Some(player);
        let mut reach = |game: GameId| invalidate(PlayerGameId { player, game });
        match input {
            In::PlayerGame(id, row) => {
                let games = tables.seasons.entry(id.game.season()).or_default();
                let old = match row.clone() {
                    Some(row) => games.insert(id.game, row),
                    None => games.remove(&id.game),
                };
                // A game touches what tips off after it: live that is one entry, for a late one all since.
                let revisions = old.iter().chain(&row).flat_map(|row| &row.revisions);
                let since = revisions
                    .map(|revision| revision.effective_at())
                    .min()
                    .unwrap_or(Timestamp::DISTANT_FUTURE);
                tables.by_tip_off.range((since, GameId(0))..).for_each(|(_, game)| reach(*game));
            }
            In::Market(id, row) => {
                put(&mut tables.markets, id.game, row);
                reach(id.game);
            }
            In::Availability(id, row) => {
                put(&mut tables.availability, id.game, row);
                reach(id.game);
            }
            In::Entry(id, row) => {
                let old = match row.clone() {
                    Some(row) => tables.entries.insert(id.game, row),
                    None => tables.entries.remove(&id.game),
                };
                let place = |entry: &SlateEntry| (entry.tip_off, id.game);
                old.iter().for_each(|entry| _ = tables.by_tip_off.remove(&place(entry)));
                row.iter().for_each(|entry| _ = tables.by_tip_off.insert(place(entry)));
                reach(id.game);
                // Later games compare themselves with this one by the opponent's form before it.
                let tip_offs = old.iter().chain(&row).map(|entry| entry.tip_off);
                let since = tip_offs.min().unwrap_or(Timestamp::DISTANT_FUTURE);
                let later = tables.by_tip_off.range((since, GameId(0))..).map(|(_, game)| *game);
                let same_season = later.take_while(|game| game.season() == id.game.season());
                let numbers = |entry: &SlateEntry| {
                    [&entry.issued, &entry.retrospective]
                        .map(|c| c.as_ref().map(|c| (c.known_at, c.home, c.away)))
                };
                if old.as_ref().map(numbers) != row.as_ref().map(numbers) {
                    same_season.for_each(reach);
                }
            }
        }
        StateChange::RowReplaced
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(PlayerGameId)) {
        let Some(player) = tables.player else { return };
        tables.entries.keys().for_each(|game| emit(PlayerGameId { player, game: *game }));
    }
    /// As it would have been issued; only where that gives no prediction, retrospectively.
    fn derive(&self, tables: &Tables, output_key: &PlayerGameId) -> Option<Features> {
        let entry = tables.entries.get(&output_key.game)?;
        let issued = tables.build(entry, Basis::Issued);
        if issued.as_ref().is_some_and(|features| features.eligibility == Eligibility::Eligible) {
            return issued;
        }
        let retrospective = tables.build(entry, Basis::Retrospective);
        match retrospective {
            Some(features) if features.eligibility == Eligibility::Eligible => Some(features),
            other => issued.or(other),
        }
    }
}

fn put<K: Ord, V>(table: &mut BTreeMap<K, V>, key: K, row: Option<V>) {
    match row {
        Some(row) => _ = table.insert(key, row),
        None => _ = table.remove(&key),
    }
}

/// Everything that is believed about one player before one game.
struct Known<'a> {
    entry: &'a SlateEntry,
    candidacy: &'a Candidacy,
    cut: Cutoff,
    history: History<'a>,
    market: Option<&'a schemas::market::MarketView>,
    availability: Option<&'a schemas::market::AvailabilityView>,
    side: Option<Side>,
}
/// The side he is on.
#[derive(Clone, Copy)]
struct Side {
    team: Team,
    opponent: Team,
    born: Option<EasternDate>,
}

impl Tables {
    fn build(&self, entry: &SlateEntry, basis: Basis) -> Option<Features> {
        let known = self.known(entry, basis)?;
        let rest_days =
            known.history.season.last().map(|last| (entry.date.0 - last.revision.date.0 - 1).max(0));
        let eligibility = known.eligibility();
        let comparables = match (known.side, eligibility) {
            (Some(_), Eligibility::Eligible) => self.comparables(&known),
            _ => (Vec::new(), Timestamp::DISTANT_PAST),
        };
        let market = known.market.filter(|_| known.side.is_some());
        let times = [known.candidacy.known_at, known.history.known_at, comparables.1];
        let offered = market.map(|m| m.known_at).into_iter().chain(known.availability.map(|a| a.known_at));
        let mut quality_flags = Vec::new();
        if known.side.is_some_and(|side| side.born.is_none()) {
            quality_flags.push(QualityFlag::AgeUnknown);
        }
        if entry.tip_estimated {
            quality_flags.push(QualityFlag::TipEstimated);
        }
        Some(Features {
            player: entry.player,
            game: entry.game,
            name: known.history.latest.map_or_else(String::new, |latest| latest.revision.name.clone()),
            home: entry.home,
            away: entry.away,
            team: known.side.map(|side| side.team),
            date: entry.date,
            tip_off: entry.tip_off,
            basis,
            known_at: times.into_iter().chain(offered).max().unwrap_or(Timestamp::DISTANT_PAST),
            eligibility,
            appearances: known.history.season.len() as i32,
            vector: known.side.map_or_else(Vec::new, |side| vector::compute(&known, side)),
            rest_days,
            main_line: market.map(|market| market.main),
            quality_flags,
            comparables: comparables.0,
        })
    }
    fn known<'a>(&'a self, entry: &'a SlateEntry, basis: Basis) -> Option<Known<'a>> {
        let cut = Cutoff::at_tip_off(entry.tip_off, basis);
        let candidacy = candidacy(entry, basis)?;
        let history = History::before(&self.seasons, entry, cut);
        let market = self.markets.get(&entry.game).and_then(|row| match basis {
            Basis::Issued => row.issued.as_ref(),
            Basis::Retrospective => row.retrospective.as_ref().or(row.issued.as_ref()),
        });
        let availability = self.availability.get(&entry.game).and_then(|row| match basis {
            Basis::Issued => row.issued.as_ref(),
            Basis::Retrospective => row.retrospective.as_ref().or(row.issued.as_ref()),
        });
        let side = side(entry, candidacy, history.latest.as_ref());
        Some(Known { entry, candidacy, cut, history, market, availability, side })
    }
    /// The season's earlier appearances with the circumstances they were made in, each as of its own tip-off.
    fn comparables(&self, known: &Known<'_>) -> (Vec<schemas::features::Comparable>, Timestamp) {
        let mut known_at = Timestamp::DISTANT_PAST;
        let forms = |appearance: &Appearance<'_>| -> Option<f64> {
            let entry = self.entries.get(&appearance.game)?;
            let candidacy =
                candidacy(entry, Basis::Issued).or_else(|| candidacy(entry, known.cut.basis()))?;
            if known.cut.basis() == Basis::Issued && !known.cut.is_known(candidacy.known_at) {
                return None;
            }
            known_at = known_at.max(candidacy.known_at);
            let of = if appearance.revision.opponent == entry.home { candidacy.home } else { candidacy.away };
            of.def_rating_15
        };
        let comparables = known.history.comparables(forms);
        (comparables, known_at)
    }
}

fn candidacy(entry: &SlateEntry, basis: Basis) -> Option<&Candidacy> {
    match basis {
        Basis::Issued => entry.issued.as_ref(),
        Basis::Retrospective => entry.retrospective.as_ref().or(entry.issued.as_ref()),
    }
}

/// The later of latest appearance, for whatever team, and newest roster; neither side when that is another team.
fn side(entry: &SlateEntry, candidacy: &Candidacy, latest: Option<&Appearance<'_>>) -> Option<Side> {
    let rostered = candidacy.sides.iter().filter_map(|side| Some((side.rostered?, side.team)));
    let appeared = latest.map(|latest| (latest.revision.tip_off, latest.revision.team));
    let (_, team) = rostered.chain(appeared).max()?;
    let opponent = match team {
        team if team == entry.home => entry.away,
        team if team == entry.away => entry.home,
        _ => return None,
    };
    let born = candidacy.sides.iter().find_map(|side| side.born);
    Some(Side { team, opponent, born })
}

impl Known<'_> {
    fn eligibility(&self) -> Eligibility {
        let season = &self.history.season;
        let status = self.availability.map(|availability| availability.status);
        let minutes = season.iter().rev().take(MINUTES_WINDOW).map(|a| a.line.playing_time.minutes());
        match (self.side, status) {
            (None, _) => Eligibility::NoSide,
            (_, Some(InjuryStatus::Out | InjuryStatus::Doubtful)) => Eligibility::RuledOut,
            _ if season.len() < MIN_APPEARANCES => Eligibility::TooFewAppearances,
            _ if history::mean(minutes).is_none_or(|mean| mean < MIN_MINUTES) => Eligibility::TooFewMinutes,
            _ => Eligibility::Eligible,
        }
    }
}
