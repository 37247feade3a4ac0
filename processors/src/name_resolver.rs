//! The name resolver: a view by team, in which each team answers whom it knows by the names it is asked about.
//!
//! A team knows a player from nba.com's box scores and player lists effective no later than the sighting, of the same season,
//! else of the season before. Every name asked is answered, if only with nobody, so the asker can tell "not yet" from "no".
//! Links (shipped, or operators') are part of each team's answer, for names that no team knows.
//!
//! Invariant: an answer's steps read only names heard by their instant; what is heard later adds steps and moves none.
//! Not here: the rules (`names`), the decision over the teams asked (`answers`).
#[cfg(test)]
mod tests;

use crate::{
    fact::{Fact, steps},
    names::{Name, recognise, shipped_link},
    view::{Merged, View},
};
use schemas::{
    EasternDate, Instant, NamesId, PlayerId, Scope, Season, Team,
    identity::{NameAnswer, NameStep, Names},
    raw::Source,
    sighting::{LinkSighting, NamesSighting},
};
use std::collections::{BTreeMap, BTreeSet};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    Names(NamesSighting),
    Link(LinkSighting),
}

/// How a team knows a player by one spelling in one season.
struct Known {
    name: Name,
    /// Since which Eastern day, heard when: both ascending, so the pair that counts for a day is the first heard among those
    /// effective by then. Pairs that another beats in both are dropped.
    since: Vec<(EasternDate, Instant)>,
}
impl Known {
    /// Answers whether the pair adds anything.
    fn learn(&mut self, effective: EasternDate, heard: Instant) -> bool {
        if self.since.iter().any(|(e, h)| *e <= effective && *h <= heard) {
            return false;
        }
        self.since.retain(|(e, h)| *e < effective || *h < heard);
        let at = self.since.partition_point(|pair| *pair < (effective, heard));
        self.since.insert(at, (effective, heard));
        true
    }
    fn heard(&self, by: EasternDate) -> Option<Instant> {
        self.since.iter().take_while(|(effective, _)| *effective <= by).map(|(_, heard)| *heard).min()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    season: Season,
    date: EasternDate,
    scope: Scope,
    source: Source,
}

/// What one team knows and was asked.
#[derive(Default)]
pub struct Tables {
    team: Option<Team>,
    known: BTreeMap<Season, BTreeMap<(PlayerId, String), Known>>,
    asked: BTreeMap<Asked, BTreeSet<String>>,
    links: BTreeMap<String, Fact<Option<PlayerId>>>,
}

/// The name resolver view.
pub struct NameResolver;
impl View for NameResolver {
    const NAME: &'static str = "name-resolver";
    type Key = Team;
    type Tables = Tables;
    type In = In;
    type Slot = NamesId;
    type Out = Names;

    fn key(&self, input: &In) -> Option<Team> {
        Some(match input {
            In::Names(s) => s.team,
            In::Link(s) => s.team,
        })
    }
    fn key_of(&self, slot: &NamesId) -> Team {
        slot.team
    }
    fn apply(&self, tables: &mut Tables, input: In, reached: &mut dyn FnMut(NamesId)) -> Merged {
        match input {
            In::Names(s) => {
                tables.team = Some(s.team);
                let at = s.heard.fetched_at.0;
                let id = match &s.scope {
                    Some(scope) => format!("asked/{scope}/{}/{}/{at}/{}", s.source, s.date, s.heard.raw),
                    None => format!("known/{}/{}/{at}/{}", s.source, s.date, s.heard.raw),
                };
                let news = match s.asked_by() {
                    Some(scope) => tables.ask(scope, &s, reached),
                    None => tables.learn(&s, reached),
                };
                if news { Merged::Kept(id) } else { Merged::Unchanged }
            }
            In::Link(s) => {
                tables.team = Some(s.team);
                let name = Name::new(&s.spelling);
                let fact = tables.links.entry(name.key().to_owned()).or_default();
                if !fact.merge(s.heard, true, s.player) {
                    return Merged::Unchanged;
                }
                let asks = |names: &BTreeSet<String>| names.iter().any(|n| Name::new(n).key() == name.key());
                let touched = tables.asked.iter().filter(|(_, names)| asks(names));
                touched.for_each(|(asked, _)| reached(slot(s.team, asked)));
                Merged::Kept(format!("link/{}/{}", name.key(), s.heard.fetched_at.0))
            }
        }
    }
    fn slots(&self, tables: &Tables, known: &mut dyn FnMut(NamesId)) {
        let Some(team) = tables.team else { return };
        tables.asked.keys().for_each(|asked| known(slot(team, asked)));
    }
    fn derive(&self, tables: &Tables, slot: &NamesId) -> Option<Names> {
        let season = slot.date.season();
        let names =
            tables.asked.get(&Asked { season, date: slot.date, scope: slot.scope, source: slot.source })?;
        let answers = names.iter().map(|name| tables.answer(name, season, slot.date)).collect();
        Some(Names {
            scope: slot.scope.to_string(),
            team: slot.team,
            source: slot.source,
            date: slot.date,
            answers,
        })
    }
}

fn slot(team: Team, asked: &Asked) -> NamesId {
    NamesId { scope: asked.scope, team, source: asked.source, date: asked.date }
}

impl Tables {
    fn ask(&mut self, scope: Scope, s: &NamesSighting, reached: &mut dyn FnMut(NamesId)) -> bool {
        let asked = Asked { season: s.date.season(), date: s.date, scope, source: s.source };
        let names = self.asked.entry(asked).or_default();
        let before = names.len();
        names.extend(s.names.iter().map(|player| player.name.clone()));
        let news = names.len() > before;
        if news {
            reached(slot(s.team, &asked));
        }
        news
    }
    fn learn(&mut self, s: &NamesSighting, reached: &mut dyn FnMut(NamesId)) -> bool {
        let known = self.known.entry(s.season).or_default();
        let mut news = false;
        for player in &s.names {
            let Some(id) = player.nba else { continue };
            let at = (id, player.name.clone());
            let entry =
                known.entry(at).or_insert_with(|| Known { name: Name::new(&player.name), since: Vec::new() });
            news |= entry.learn(s.date, s.heard.fetched_at);
        }
        if news {
            let later = Season(s.season.0 + 2);
            let asked = self.asked.range(first_of(s.season)..first_of(later)).map(|(asked, _)| asked);
            asked.filter(|asked| asked.date >= s.date).for_each(|asked| reached(slot(s.team, asked)));
        }
        news
    }
    fn answer(&self, name: &str, season: Season, date: EasternDate) -> NameAnswer {
        let asked = Name::new(name);
        let of = |season: Season| -> Vec<(PlayerId, &Name, Instant)> {
            let known = self.known.get(&season).into_iter().flatten();
            let heard = known.filter_map(|((id, _), known)| Some((*id, &known.name, known.heard(date)?)));
            heard.filter(|(id, name, _)| recognise(&asked, std::iter::once((*id, *name))).is_some()).collect()
        };
        // Only those whom some rule matches can decide, now or at any earlier instant.
        let (same, before) = (of(season), of(Season(season.0 - 1)));
        let links = self.links.get(asked.key());
        let mut instants = vec![Instant::EVER];
        instants.extend(same.iter().chain(&before).map(|(.., heard)| *heard));
        instants.extend(links.iter().flat_map(|fact| fact.fetches()).map(|fetch| fetch.at));
        let content_at = |at: Instant| {
            let known = |of: &[(PlayerId, &Name, Instant)]| {
                recognise(
                    &asked,
                    of.iter().filter(|(.., heard)| *heard <= at).map(|(id, name, _)| (*id, *name)),
                )
            };
            let (rule, players) =
                known(&same).or_else(|| known(&before)).map_or((None, vec![]), |(r, p)| (Some(r), p));
            let said = links.and_then(|fact| fact.up_to(at).last()).map(|fetch| fetch.content);
            Some(NameStep { known_at: at, rule, players, link: said.unwrap_or_else(|| shipped_link(&asked)) })
        };
        let same_step =
            |a: &NameStep, b: &NameStep| (a.rule, &a.players, a.link) == (b.rule, &b.players, b.link);
        NameAnswer { name: name.to_owned(), steps: steps(instants, content_at, same_step) }
    }
}

fn first_of(season: Season) -> Asked {
    Asked { season, date: EasternDate(i32::MIN), scope: Scope::Matchup(FIRST), source: Source::Nbacom }
}
const FIRST: schemas::Matchup = schemas::Matchup::FIRST;
