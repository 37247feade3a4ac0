//! Merges inputs into the tables of a matchup, and determines the rows that each input affects.
//!
//! An odds or injury observation affects the players whose names it changes, in the games that were ever scheduled for the day of the
//! names. If a game changes, the rows of all games on one of its days are affected, because the quotes and reports of a day belong to at
//! most one of them.
//!
//! Invariant: every row that differs from before is affected. An odds observation fetched after tip-off, all of whose books updated their
//! quotes after tip-off, affects no row of the game.
//! Not here: the rows (`facts`).
use super::{
    facts::{LookupName, Tables},
    odds::Event,
    odds_member::OddsRecord,
    output_key::OutputKey,
    reports::ReportRecord,
};
use crate::materialized_view::{Effects, StateChange};
use schemas::{
    CandidateId, EasternDate, GameId, Matchup, MatchupEventId, MatchupGameDateId, NamesId, PlayerId,
    Timestamp,
    fixture::GameDate,
    identity::Names,
    market::OddsEvent,
    observation::{InjuryObservation, OddsObservation},
    raw::Source,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the changelog retains of one observation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Retained {
    Odds { matchup: Matchup, event: String, record: OddsRecord },
    Report { matchup: Matchup, date: EasternDate, reported_at: Timestamp, record: ReportRecord },
}

type MarketEffects<'a> = Effects<'a, OutputKey, Retained>;
type PlayersByDay = BTreeMap<EasternDate, BTreeSet<PlayerId>>;

impl Tables {
    pub fn merge_odds(
        &mut self,
        matchup: Matchup,
        observation: OddsObservation,
        effects: &mut MarketEffects<'_>,
    ) -> StateChange {
        let (id, date, fetched_at) =
            (observation.event.clone(), observation.date, observation.provenance.fetched_at);
        let is_only = !self.events.iter().any(|(other, event)| *other != id && event.has_date(date));
        // If the event was another pair's before, a fetch that only repeats the ladders may be the one from which on they count again.
        let is_only = is_only && !self.event_pairs.has_row(&id);
        let candidates = |date, name: &str, emit: &mut dyn FnMut(PlayerId)| {
            self.candidates(LookupName::in_odds(date, name), emit);
        };
        let shared_books = self.events.get(&id).map(|event| event.shared_books(candidates).clone());
        let shared_books = shared_books.unwrap_or_default();
        let event = self.events.entry(id.clone()).or_default();
        let Some(merged) = event.merge(observation, is_only, &shared_books) else {
            return StateChange::Unchanged;
        };
        for touched in merged.touched {
            if let Some(record) = event.history.record(touched) {
                let (fetched_at, raw) = (touched.fetched_at.0, touched.raw.0);
                let retained = Retained::Odds { matchup, event: id.clone(), record };
                (effects.retain)(format!("odds/{fetched_at}/{raw}/{id}"), retained);
            }
        }
        (effects.invalidate)(OutputKey::Event(matchup, id));
        let names = merged.names.iter().map(|(date, name)| LookupName::in_odds(*date, name));
        let mut players = PlayersByDay::new();
        for name in names {
            self.add_candidates(name, name.date(), &mut players);
        }
        let days = merged.names.iter().map(|(date, _)| *date).chain([date]);
        let is_usable = |game: &GameDate| {
            let is_late = |updated_since: Timestamp| fetched_at.min(updated_since) >= game.tip_off;
            !merged.updated_since.is_some_and(is_late)
        };
        if !merged.names.is_empty() {
            self.invalidate_quoted(&days.collect(), &players, &is_usable, effects.invalidate);
        }
        StateChange::Stored
    }
    pub fn merge_report(
        &mut self,
        matchup: Matchup,
        observation: InjuryObservation,
        effects: &mut MarketEffects<'_>,
    ) -> StateChange {
        let date = observation.date;
        let Some(merged) = self.reports.merge(observation) else { return StateChange::Unchanged };
        let reported_at = merged.reported_at;
        let report = self.reports.get(date, reported_at);
        for touched in merged.touched {
            if let Some(record) = report.and_then(|report| report.record(touched)) {
                let (fetched_at, raw, reported) = (touched.fetched_at.0, touched.raw.0, reported_at.0);
                let retained = Retained::Report { matchup, date, reported_at, record };
                (effects.retain)(format!("report/{date}/{reported}/{fetched_at}/{raw}"), retained);
            }
        }
        (effects.invalidate)(OutputKey::Report(matchup, date, reported_at));
        let mut players = PlayersByDay::new();
        for (report_day, name) in &merged.names {
            self.add_candidates(LookupName::in_report(*report_day, name), date, &mut players);
        }
        for (game, _) in self.games_on(date).filter(|(_, game)| reported_at < game.tip_off) {
            (effects.invalidate)(OutputKey::QuotedPlayers(MatchupGameDateId { matchup, game, date }));
            for player in players.get(&date).into_iter().flatten() {
                let id = CandidateId { player: *player, game, date, matchup };
                (effects.invalidate)(OutputKey::Availability(id));
            }
        }
        StateChange::Stored
    }
    pub fn restore(&mut self, retained: Retained) {
        match retained {
            Retained::Odds { matchup, event, record } => {
                self.matchup = Some(matchup);
                self.events.entry(event).or_default().restore(record);
            }
            Retained::Report { matchup, date, reported_at, record } => {
                self.matchup = Some(matchup);
                self.reports.restore(date, reported_at, record);
            }
        }
    }
    /// Replaces the row that states when an event belonged to this pair of teams.
    pub fn put_event(
        &mut self,
        id: MatchupEventId,
        row: Option<OddsEvent>,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> StateChange {
        let MatchupEventId { matchup, event: id } = id;
        self.event_pairs.put(&id, row);
        let Some(event) = self.events.get(&id) else { return StateChange::RowReplaced };
        let mut players = PlayersByDay::new();
        for (date, name) in &event.names() {
            self.add_candidates(LookupName::in_odds(*date, name), *date, &mut players);
        }
        self.invalidate_quoted(&event.dates(), &players, &|_| true, invalidate);
        invalidate(OutputKey::Event(matchup, id));
        StateChange::RowReplaced
    }
    /// Replaces the dates of a game. A change of other fields affects no row.
    pub fn put_game(
        &mut self,
        matchup: Matchup,
        game: GameId,
        dates: Option<Vec<GameDate>>,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> StateChange {
        let old = self.games.get(&game);
        if old == dates.as_ref() {
            return StateChange::RowReplaced;
        }
        let days: BTreeSet<EasternDate> =
            old.into_iter().chain(&dates).flatten().map(|date| date.date).collect();
        // The rows of the old days are invalidated before, too, because the game may have no row for them afterwards.
        self.invalidate_days(matchup, &days, invalidate);
        match dates {
            Some(dates) => _ = self.games.insert(game, dates),
            None => _ = self.games.remove(&game),
        }
        self.invalidate_days(matchup, &days, invalidate);
        StateChange::RowReplaced
    }
    /// Replaces the name matches of one source, day and team. Only the rows of those names are affected whose matches differ.
    pub fn put_names(
        &mut self,
        matchup: Matchup,
        id: NamesId,
        row: Option<Names>,
        invalidate: &mut dyn FnMut(OutputKey),
    ) -> StateChange {
        let (source, day) = (id.source, id.date);
        let names = self.name_lookups.differing(id, row.as_ref());
        let mut candidates = PlayersByDay::new();
        let lookups = |name| match source {
            Source::Oddsapi => LookupName::in_odds(day, name),
            _ => LookupName::in_report(day, name),
        };
        for name in &names {
            self.add_candidates(lookups(name), day, &mut candidates);
        }
        self.name_lookups.put(id, row);
        for name in &names {
            self.add_candidates(lookups(name), day, &mut candidates);
        }
        match source {
            Source::Oddsapi => {
                self.events.values_mut().for_each(Event::forget_shared_books);
                self.invalidate_quoted(&BTreeSet::from([day]), &candidates, &|_| true, invalidate);
                let on_day = self.events.iter().filter(|(_, event)| event.has_date(day));
                on_day.for_each(|(id, _)| invalidate(OutputKey::Event(matchup, id.clone())));
            }
            _ => {
                let players = candidates.remove(&day).unwrap_or_default();
                self.invalidate_reported(matchup, day, &players, invalidate);
            }
        }
        StateChange::RowReplaced
    }
    /// Emits every output key for which a row may exist.
    pub fn all_keys(&self, matchup: Matchup, emit: &mut dyn FnMut(OutputKey)) {
        let mut days: BTreeSet<EasternDate> = self.games.values().flatten().map(|date| date.date).collect();
        days.extend(self.reports.days());
        days.extend(self.events.values().flat_map(Event::dates));
        self.invalidate_days(matchup, &days, emit);
    }

    fn add_candidates(&self, name: LookupName<'_>, day: EasternDate, players: &mut PlayersByDay) {
        let of_day = players.entry(day).or_default();
        self.candidates(name, &mut |player| _ = of_day.insert(player));
    }
    /// Emits the rows that depend on the odds of the given players on the given days.
    fn invalidate_quoted(
        &self,
        days: &BTreeSet<EasternDate>,
        players: &PlayersByDay,
        is_usable: &dyn Fn(&GameDate) -> bool,
        invalidate: &mut dyn FnMut(OutputKey),
    ) {
        let Some(matchup) = self.matchup else { return };
        for day in days {
            for (game, _) in self.games_on(*day).filter(|(_, game)| is_usable(game)) {
                let date = *day;
                invalidate(OutputKey::QuotedPlayers(MatchupGameDateId { matchup, game, date }));
                for player in players.get(day).into_iter().flatten() {
                    invalidate(OutputKey::Market(CandidateId { player: *player, game, date, matchup }));
                }
            }
        }
    }
    /// Emits the rows that depend on names in the reports of one day; these reports may be on games of other days.
    fn invalidate_reported(
        &self,
        matchup: Matchup,
        report_day: EasternDate,
        players: &BTreeSet<PlayerId>,
        invalidate: &mut dyn FnMut(OutputKey),
    ) {
        for day in self.reports.days().collect::<BTreeSet<EasternDate>>() {
            let times = self.reports.times(day).filter(|time| time.eastern_date() == report_day);
            let mut times = times.peekable();
            if times.peek().is_none() {
                continue;
            }
            times.for_each(|reported_at| invalidate(OutputKey::Report(matchup, day, reported_at)));
            for (game, _) in self.games_on(day) {
                for player in players {
                    let id = CandidateId { player: *player, game, date: day, matchup };
                    invalidate(OutputKey::Availability(id));
                }
            }
        }
    }
    /// Emits all rows that depend on the odds or reports of the given days.
    fn invalidate_days(
        &self,
        matchup: Matchup,
        days: &BTreeSet<EasternDate>,
        invalidate: &mut dyn FnMut(OutputKey),
    ) {
        let mut quoted = PlayersByDay::new();
        for (id, event) in &self.events {
            let mut names = event.names();
            names.retain(|(date, _)| days.contains(date));
            for (date, name) in &names {
                self.add_candidates(LookupName::in_odds(*date, name), *date, &mut quoted);
            }
            if days.iter().any(|day| event.has_date(*day)) {
                invalidate(OutputKey::Event(matchup, id.clone()));
            }
        }
        self.invalidate_quoted(days, &quoted, &|_| true, invalidate);
        for day in days {
            let mut reported = PlayersByDay::new();
            for (report_day, name) in self.reports.names_on(*day) {
                self.add_candidates(LookupName::in_report(*report_day, name), *day, &mut reported);
            }
            for reported_at in self.reports.times(*day) {
                invalidate(OutputKey::Report(matchup, *day, reported_at));
            }
            for (game, _) in self.games_on(*day) {
                for player in reported.values().flatten() {
                    let id = CandidateId { player: *player, game, date: *day, matchup };
                    invalidate(OutputKey::Availability(id));
                }
            }
        }
    }
}
