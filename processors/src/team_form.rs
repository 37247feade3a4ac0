//! Team form: the view by team that says how a team comes into each game that is open for it.
//!
//! A game is open when it was played, or tips off no later than the newest instant at which anything about the team became
//! known, or is one of the next two after that. So facts open games and no clock does, a season's schedule does not make a season
//! of guesses, and a missing result cannot jam a team.
//!
//! Numbers: possessions = FGA + 0.44 FTA + TOV − OREB, the team's own; pace = possessions · 48 / (team minutes / 5), the minutes
//! rounded to the nearest 240 + 25 k; offensive rating = 100 · points / possessions; defensive rating = 100 · opponents' points /
//! own possessions. Windows read games of the same season; fewer games than the window: the mean over what there is.
//! Invariant: a form reads only games that ended, and rosters that were fetched, before its game's tip-off.
//! Not here: players' own numbers (feature builder).
#[cfg(test)]
mod tests;

use crate::{
    answers::{Answers, Question},
    fact::{Cutoff, Fact},
    view::{Merged, View, Waiting},
};
use schemas::{
    EasternDate, GameId, Instant, NamesId, PlayerId, Scope, Season, Team, TeamGameId,
    features::Basis,
    form::{Form, FormNumbers, RecentPlayer, RosteredPlayer, TeamForm},
    game::{TeamGame, TeamGameStep},
    identity::Names,
    raw::Feed,
    sighting::{RosterMember, RosterSighting},
};
use std::collections::{BTreeMap, BTreeSet};

/// What the view reads.
#[derive(Clone, Debug)]
pub enum In {
    TeamGame(TeamGameId, Option<TeamGame>),
    Roster(RosterSighting),
    Names(NamesId, Option<Names>),
}
/// The rows it publishes, and one pseudo row per roster, which is never published but may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    Form { team: Team, game: GameId },
    Roster(Team, Feed),
}

/// A roster as one fetch had it, on the Eastern day on which its names were asked about.
type Roster = (EasternDate, Vec<RosterMember>);

/// Everything known about one team.
#[derive(Default)]
pub struct Tables {
    team: Option<Team>,
    seasons: BTreeMap<Season, BTreeMap<GameId, TeamGame>>,
    /// Games that are not called off, by tip-off.
    by_tip_off: BTreeSet<(Instant, GameId)>,
    rosters: BTreeMap<Feed, Fact<Roster>>,
    answers: Answers,
    /// How often each instant is the newest word of a game's row.
    news: BTreeMap<Instant, u32>,
}

/// The team form view.
pub struct TeamForms;
impl View for TeamForms {
    const NAME: &'static str = "team-form";
    type Key = Team;
    type Tables = Tables;
    type In = In;
    type Slot = Slot;
    type Out = TeamForm;

    fn key(&self, input: &In) -> Option<Team> {
        match input {
            In::TeamGame(id, _) => Some(id.team),
            In::Roster(s) => Some(s.team),
            In::Names(id, _) => match id.scope {
                Scope::Team(team) => Some(team),
                Scope::Matchup(_) => None,
            },
        }
    }
    fn key_of(&self, slot: &Slot) -> Team {
        match slot {
            Slot::Form { team, .. } | Slot::Roster(team, _) => *team,
        }
    }
    fn apply(&self, tables: &mut Tables, input: In, reached: &mut dyn FnMut(Slot)) -> Merged {
        let Some(team) = self.key(&input) else { return Merged::Unchanged };
        tables.team = Some(team);
        let before = tables.horizon();
        let mut touched: Vec<GameId> = tables.next_two(before).collect();
        let (merged, since) = match input {
            In::TeamGame(id, row) => {
                touched.push(id.game);
                (Merged::Row, tables.put_game(id.game, row))
            }
            In::Roster(s) => {
                let (feed, at) = (s.feed, s.heard.fetched_at);
                if !tables.rosters.entry(feed).or_default().merge(s.heard, s.complete, (s.date, s.members)) {
                    return Merged::Unchanged;
                }
                reached(Slot::Roster(team, feed));
                (Merged::Kept(format!("roster/{feed}/{}", at.0)), Some((at, None)))
            }
            In::Names(id, row) => {
                tables.answers.put(id, row);
                tables.rosters.keys().for_each(|feed| reached(Slot::Roster(team, *feed)));
                (Merged::Row, Some((id.date.at(0, 0), None)))
            }
        };
        if let Some((since, season)) = since {
            let later = tables.by_tip_off.range((since, GameId(0))..).map(|(_, game)| *game);
            let touched = later.filter(|game| season.is_none_or(|season| game.season() == season));
            touched.for_each(|game| reached(Slot::Form { team, game }));
            // Called-off games have no place in time, and lose their form.
            if let Some(season) = season {
                let games = tables.seasons.get(&season).into_iter().flat_map(|games| games.values());
                let closed = games.filter(|game| game.steps.last().is_some_and(|step| step.called_off));
                closed.for_each(|game| reached(Slot::Form { team, game: game.game }));
            }
        }
        // A moved horizon opens or closes what lies between, and the two games after it.
        let after = tables.horizon();
        let between =
            tables.by_tip_off.range((before.min(after), GameId(0))..=(before.max(after), GameId(u32::MAX)));
        touched.extend(
            between.map(|(_, game)| *game).chain(tables.next_two(before)).chain(tables.next_two(after)),
        );
        touched.into_iter().for_each(|game| reached(Slot::Form { team, game }));
        merged
    }
    fn slots(&self, tables: &Tables, known: &mut dyn FnMut(Slot)) {
        let Some(team) = tables.team else { return };
        let games = tables.seasons.values().flat_map(|games| games.keys());
        games.for_each(|game| known(Slot::Form { team, game: *game }));
        tables.rosters.keys().for_each(|feed| known(Slot::Roster(team, *feed)));
    }
    fn derive(&self, tables: &Tables, slot: &Slot) -> Option<TeamForm> {
        let Slot::Form { team, game } = slot else { return None };
        let row = tables.seasons.get(&game.season())?.get(game)?;
        let now = row.steps.last()?;
        if !tables.is_open(*game, now) {
            return None;
        }
        let issued = tables.form(*game, now, Cutoff::at_tip_off(now.tip_off, Basis::Issued));
        let hindsight = tables.form(*game, now, Cutoff::at_tip_off(now.tip_off, Basis::Hindsight));
        let differs = hindsight != issued;
        Some(TeamForm {
            game: *game,
            team: *team,
            opponent: now.opponent,
            issued,
            hindsight: hindsight.filter(|_| differs),
        })
    }
    fn waiting(&self, tables: &Tables, slot: &Slot) -> (u32, Vec<Waiting>) {
        match slot {
            Slot::Roster(team, feed) => tables.waiting(*team, *feed),
            Slot::Form { .. } => (0, Vec::new()),
        }
    }
}

impl Tables {
    /// Puts a game's row; answers since when and in which season it may matter.
    fn put_game(&mut self, game: GameId, row: Option<TeamGame>) -> Option<(Instant, Option<Season>)> {
        let season = game.season();
        let games = self.seasons.entry(season).or_default();
        let old = match row.clone() {
            Some(row) => games.insert(game, row),
            None => games.remove(&game),
        };
        for (row, is_new) in [(old.as_ref(), false), (row.as_ref(), true)] {
            let Some(step) = row.and_then(|row| row.steps.last()) else { continue };
            let place = (step.tip_off, game);
            let count = self.news.entry(step.known_at).or_insert(0);
            match is_new {
                true => *count += 1,
                false => *count -= 1,
            }
            if *count == 0 {
                self.news.remove(&step.known_at);
            }
            match is_new && !step.called_off {
                true => self.by_tip_off.insert(place),
                false => self.by_tip_off.remove(&place),
            };
        }
        let steps = old.iter().chain(&row).flat_map(|row| &row.steps);
        steps.map(|step| step.tip_off).min().map(|since| (since, Some(season)))
    }
    /// The newest instant at which anything about the team became known.
    fn horizon(&self) -> Instant {
        let games = self.news.keys().next_back().copied();
        let run_start = |fact: &Fact<Roster>| {
            let fetches = fact.fetches();
            let last = &fetches.last()?.content.1;
            fetches.iter().rev().take_while(|fetch| fetch.content.1 == *last).last().map(|fetch| fetch.at)
        };
        self.rosters.values().filter_map(run_start).chain(games).max().unwrap_or(Instant::EVER)
    }
    fn next_two(&self, horizon: Instant) -> impl Iterator<Item = GameId> {
        self.by_tip_off.range((Instant(horizon.0 + 1), GameId(0))..).take(2).map(|(_, game)| *game)
    }
    fn is_open(&self, game: GameId, now: &TeamGameStep) -> bool {
        if now.called_off {
            return false;
        }
        let horizon = self.horizon();
        let played = now.totals.is_some() || now.score.is_some();
        played || now.tip_off <= horizon || self.next_two(horizon).any(|next| next == game)
    }
    /// The form before a game; `None` on the issued basis when the game itself was not heard of by then.
    fn form(&self, game: GameId, now: &TeamGameStep, cut: Cutoff) -> Option<Form> {
        let games = self.seasons.get(&game.season())?;
        let own = cut.believe(&games.get(&game)?.steps, |step| step.known_at)?;
        let mut known_at = own.known_at;
        let mut past: Vec<&TeamGameStep> = Vec::with_capacity(games.len());
        for row in games.values().filter(|row| row.game != game) {
            let Some(step) = believe(row, cut) else { continue };
            let played = step.totals.is_some() || step.score.is_some();
            if played && !step.called_off && cut.is_past(step.effective_at()) {
                known_at = known_at.max(step.known_at);
                past.push(step);
            }
        }
        past.sort_by_key(|step| std::cmp::Reverse((step.tip_off, step.opponent)));
        let mut recent: BTreeMap<PlayerId, Instant> = BTreeMap::new();
        for step in past.iter().take(10) {
            step.appeared.iter().for_each(|player| _ = recent.entry(*player).or_insert(step.tip_off));
        }
        let (roster, rosters_known) = self.roster(cut);
        Some(Form {
            known_at: known_at.max(rosters_known),
            numbers: numbers(&past, now.date),
            recent: recent
                .into_iter()
                .map(|(player, last_game)| RecentPlayer { player, last_game })
                .collect(),
            roster,
        })
    }
    /// Who is on the roster by the newest whole fetch of each feed before tip-off.
    fn roster(&self, cut: Cutoff) -> (Vec<RosteredPlayer>, Instant) {
        let (mut roster, mut known_at) = (BTreeMap::<PlayerId, RosteredPlayer>::new(), Instant::EVER);
        for (feed, fact) in &self.rosters {
            let heard = &fact.fetches()[..fact.fetches().partition_point(|fetch| cut.is_heard(fetch.at))];
            for fetch in crate::fact::standing(heard) {
                let (date, members) = &fetch.content;
                for member in members {
                    let named = || {
                        let question = Self::question(*feed, *date, &member.player.name);
                        self.answers.player(question, |steps| cut.believe(steps, |step| step.known_at))
                    };
                    let Some((player, since)) =
                        member.player.nba.map(|id| (id, Instant::EVER)).or_else(named)
                    else {
                        continue;
                    };
                    known_at = known_at.max(fetch.at).max(since);
                    let entry = roster.entry(player).or_insert(RosteredPlayer {
                        player,
                        since: fetch.at,
                        born: None,
                    });
                    entry.since = entry.since.max(fetch.at);
                    entry.born = entry.born.or(member.born);
                }
            }
        }
        (roster.into_values().collect(), known_at)
    }
    fn question(feed: Feed, date: EasternDate, name: &str) -> Question<'_> {
        Question { teams: &Team::ALL, source: feed.source(), date, name }
    }
    fn waiting(&self, team: Team, feed: Feed) -> (u32, Vec<Waiting>) {
        let Some(fact) = self.rosters.get(&feed) else { return (0, Vec::new()) };
        let Some(newest) = fact.fetches().last() else { return (0, Vec::new()) };
        let (date, members) = &newest.content;
        let unresolved = members.iter().filter(|member| member.player.nba.is_none()).filter_map(|member| {
            let why = self.answers.unresolved(Self::question(feed, *date, &member.player.name))?;
            let key = format!("name '{}' ({why})", member.player.name);
            Some(Waiting { key, what: format!("{feed} of {team}") })
        });
        let waiting: Vec<Waiting> = unresolved.collect();
        (u32::from(!waiting.is_empty()), waiting)
    }
}

/// The step of an earlier game that is believed. Fixture, score and box score are facts of their own: one that was unheard by the
/// cut-off is, in hindsight, as first heard.
fn believe(row: &TeamGame, cut: Cutoff) -> Option<&TeamGameStep> {
    let step = cut.believe(&row.steps, |step| step.known_at)?;
    let first = |has: fn(&TeamGameStep) -> bool| row.steps.iter().find(|step| has(step));
    match (cut.basis(), step.totals) {
        (Basis::Issued, _) | (_, Some(_)) => Some(step),
        (Basis::Hindsight, None) => first(|step| step.totals.is_some())
            .or_else(|| first(|step| step.score.is_some()).filter(|_| step.score.is_none()))
            .or(Some(step)),
    }
}

/// A team's numbers from its past games, newest first.
fn numbers(past: &[&TeamGameStep], date: EasternDate) -> FormNumbers {
    let boxes = || past.iter().filter_map(|step| Some((step, BoxNumbers::of(step)?)));
    let mean =
        |n: usize, of: &dyn Fn(&BoxNumbers) -> Option<f64>| mean(boxes().take(n).filter_map(|(_, b)| of(&b)));
    let (mut won, mut decided) = (0.0, 0.0);
    for step in past {
        let opponent = step.score.map(|score| (score.own, score.opponent));
        if let Some((own, opponent)) = opponent {
            (won, decided) = (won + f64::from(own > opponent), decided + 1.0);
        }
    }
    FormNumbers {
        games: past.len() as i32,
        pace_10: mean(10, &|b| Some(b.pace)),
        pace_15: mean(15, &|b| Some(b.pace)),
        off_rating_10: mean(10, &|b| Some(b.off_rating)),
        def_rating_15: mean(15, &|b| b.def_rating),
        win_share: (decided > 0.0).then(|| won / decided),
        rest_days: past.first().map(|step| (date.0 - step.date.0 - 1).max(0)),
    }
}
struct BoxNumbers {
    pace: f64,
    off_rating: f64,
    def_rating: Option<f64>,
}
impl BoxNumbers {
    fn of(step: &TeamGameStep) -> Option<Self> {
        let totals = step.totals?;
        let possessions = f64::from(totals.field_goals_attempted)
            + 0.44 * f64::from(totals.free_throws_attempted)
            + f64::from(totals.turnovers)
            - f64::from(totals.offensive_rebounds);
        let overtimes = ((totals.playing_time.minutes() - 240.0) / 25.0).round().max(0.0);
        let minutes = 240.0 + 25.0 * overtimes;
        let rating = |points: i32| 100.0 * f64::from(points) / possessions;
        (possessions > 0.0).then(|| BoxNumbers {
            pace: possessions * 48.0 / (minutes / 5.0),
            off_rating: rating(totals.points),
            def_rating: step.score.map(|score| rating(score.opponent)),
        })
    }
}
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    (n > 0.0).then(|| sum / n)
}
