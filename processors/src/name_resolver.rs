//! The name resolver: a view by team, in which each team answers whom it knows by the names it is asked about.
//!
//! A team knows a player from nba.com's box scores and player lists effective no later than the observation, of the same season,
//! else of the season before. Every name asked is answered, if only with nobody, so the asker can tell "not yet" from "no".
//! Links (shipped, or operators') are part of each team's answer, for names that no team knows.
//!
//! Invariant: an answer's revisions read only names heard by their instant; what is heard later adds revisions and moves none.
//! Not here: the rules (`names`), the decision over the teams asked (`name_lookup`).
#[cfg(test)]
mod tests;

use crate::{
    fact_history::{FactHistory, revisions},
    materialized_view::{MaterializedView, StateChange},
    names::{Name, recognise, shipped_link},
};
use schemas::{
    EasternDate, NamesId, PlayerId, Scope, Season, Team, Timestamp,
    identity::{NameMatch, NameRevision, Names},
    observation::{LinkObservation, NamesObservation},
    raw::Source,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Names(NamesObservation),
    Link(LinkObservation),
}

/// How a team knows a player by one spelling in one season.
struct KnownName {
    name: Name,
    /// Since which Eastern day, heard when: both ascending, so the pair that counts for a day is the first heard among those
    /// effective by then. Pairs that another beats in both are dropped.
    since: Vec<(EasternDate, Timestamp)>,
}
impl KnownName {
    /// Answers whether the pair adds anything.
    fn learn(&mut self, effective: EasternDate, heard: Timestamp) -> bool {
        if self.since.iter().any(|(e, h)| *e <= effective && *h <= heard) {
            return false;
        }
        self.since.retain(|(e, h)| *e < effective || *h < heard);
        let at = self.since.partition_point(|pair| *pair < (effective, heard));
        self.since.insert(at, (effective, heard));
        true
    }
    fn heard(&self, by: EasternDate) -> Option<Timestamp> {
        self.since.iter().take_while(|(effective, _)| *effective <= by).map(|(_, heard)| *heard).min()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LookupKey {
    season: Season,
    date: EasternDate,
    scope: Scope,
    source: Source,
}

/// What one team knows and was asked.
#[derive(Default)]
pub struct Tables {
    team: Option<Team>,
    known: BTreeMap<Season, BTreeMap<(PlayerId, String), KnownName>>,
    lookups: BTreeMap<LookupKey, BTreeSet<String>>,
    links: BTreeMap<String, FactHistory<Option<PlayerId>>>,
}

/// The name resolver view.
pub struct NameResolver;
impl MaterializedView for NameResolver {
    const NAME: &'static str = "name-resolver";
    type Key = Team;
    type Tables = Tables;
    type In = In;
    type OutputKey = NamesId;
    type Out = Names;

    fn key(&self, input: &In) -> Option<Team> {
        Some(match input {
            In::Names(s) => s.team,
            In::Link(s) => s.team,
        })
    }
    fn key_of(&self, output_key: &NamesId) -> Team {
        output_key.team
    }
    fn apply(&self, tables: &mut Tables, input: In, invalidate: &mut dyn FnMut(NamesId)) -> StateChange {
        match input {
            In::Names(s) => {
                tables.team = Some(s.team);
                let at = s.provenance.fetched_at.0;
                let id = match &s.scope {
                    Some(scope) => {
                        format!("lookup/{scope}/{}/{}/{at}/{}", s.source, s.date, s.provenance.raw)
                    }
                    None => format!("known/{}/{}/{at}/{}", s.source, s.date, s.provenance.raw),
                };
                let news = match s.lookup_scope() {
                    Some(scope) => tables.add_lookup(scope, &s, invalidate),
                    None => tables.learn(&s, invalidate),
                };
                if news { StateChange::Retained(id) } else { StateChange::Unchanged }
            }
            In::Link(s) => {
                tables.team = Some(s.team);
                let name = Name::new(&s.spelling);
                let fact = tables.links.entry(name.key().to_owned()).or_default();
                if !fact.merge(s.provenance, true, s.player) {
                    return StateChange::Unchanged;
                }
                let asks = |names: &BTreeSet<String>| names.iter().any(|n| Name::new(n).key() == name.key());
                let touched = tables.lookups.iter().filter(|(_, names)| asks(names));
                touched.for_each(|(asked, _)| invalidate(output_key(s.team, asked)));
                StateChange::Retained(format!("link/{}/{}", name.key(), s.provenance.fetched_at.0))
            }
        }
    }
    fn all_keys(&self, tables: &Tables, emit: &mut dyn FnMut(NamesId)) {
        let Some(team) = tables.team else { return };
        tables.lookups.keys().for_each(|asked| emit(output_key(team, asked)));
    }
    fn derive(&self, tables: &Tables, output_key: &NamesId) -> Option<Names> {
        let season = output_key.date.season();
        let names = tables.lookups.get(&LookupKey {
            season,
            date: output_key.date,
            scope: output_key.scope,
            source: output_key.source,
        })?;
        let matches = names.iter().map(|name| tables.name_match(name, season, output_key.date)).collect();
        Some(Names {
            scope: output_key.scope.to_string(),
            team: output_key.team,
            source: output_key.source,
            date: output_key.date,
            matches,
        })
    }
}

fn output_key(team: Team, asked: &LookupKey) -> NamesId {
    NamesId { scope: asked.scope, team, source: asked.source, date: asked.date }
}

impl Tables {
    fn add_lookup(
        &mut self,
        scope: Scope,
        s: &NamesObservation,
        invalidate: &mut dyn FnMut(NamesId),
    ) -> bool {
        let asked = LookupKey { season: s.date.season(), date: s.date, scope, source: s.source };
        let names = self.lookups.entry(asked).or_default();
        let before = names.len();
        names.extend(s.names.iter().map(|player| player.name.clone()));
        let news = names.len() > before;
        if news {
            invalidate(output_key(s.team, &asked));
        }
        news
    }
    fn learn(&mut self, s: &NamesObservation, invalidate: &mut dyn FnMut(NamesId)) -> bool {
        let known = self.known.entry(s.season).or_default();
        let mut news = false;
        for player in &s.names {
            let Some(id) = player.nba else { continue };
            let at = (id, player.name.clone());
            let entry = known
                .entry(at)
                .or_insert_with(|| KnownName { name: Name::new(&player.name), since: Vec::new() });
            news |= entry.learn(s.date, s.provenance.fetched_at);
        }
        if news {
            let later = Season(s.season.0 + 2);
            let asked = self.lookups.range(first_of(s.season)..first_of(later)).map(|(asked, _)| asked);
            asked
                .filter(|asked| asked.date >= s.date)
                .for_each(|asked| invalidate(output_key(s.team, asked)));
        }
        news
    }
    fn name_match(&self, name: &str, season: Season, date: EasternDate) -> NameMatch {
        let asked = Name::new(name);
        let of = |season: Season| -> Vec<(PlayerId, &Name, Timestamp)> {
            let known = self.known.get(&season).into_iter().flatten();
            let heard = known.filter_map(|((id, _), known)| Some((*id, &known.name, known.heard(date)?)));
            heard.filter(|(id, name, _)| recognise(&asked, std::iter::once((*id, *name))).is_some()).collect()
        };
        // Only those whom some rule matches can decide, now or at any earlier instant.
        let (same, before) = (of(season), of(Season(season.0 - 1)));
        let links = self.links.get(asked.key());
        let mut instants = vec![Timestamp::DISTANT_PAST];
        instants.extend(same.iter().chain(&before).map(|(.., heard)| *heard));
        instants.extend(links.iter().flat_map(|fact| fact.entries()).map(|fetch| fetch.at));
        let content_at = |at: Timestamp| {
            let known = |of: &[(PlayerId, &Name, Timestamp)]| {
                recognise(
                    &asked,
                    of.iter().filter(|(.., heard)| *heard <= at).map(|(id, name, _)| (*id, *name)),
                )
            };
            let (rule, players) =
                known(&same).or_else(|| known(&before)).map_or((None, vec![]), |(r, p)| (Some(r), p));
            let said = links.and_then(|fact| fact.up_to(at).last()).map(|fetch| fetch.content);
            Some(NameRevision {
                known_at: at,
                rule,
                players,
                link: said.unwrap_or_else(|| shipped_link(&asked)),
            })
        };
        let same_revision =
            |a: &NameRevision, b: &NameRevision| (a.rule, &a.players, a.link) == (b.rule, &b.players, b.link);
        NameMatch { name: name.to_owned(), revisions: revisions(instants, content_at, same_revision) }
    }
}

fn first_of(season: Season) -> LookupKey {
    LookupKey { season, date: EasternDate(i32::MIN), scope: Scope::Matchup(FIRST), source: Source::Nbacom }
}
const FIRST: schemas::Matchup = schemas::Matchup::FIRST;
