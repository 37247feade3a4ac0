//! The players whom nba.com listed, and the operators' links, as the raw events of a log state them.
//!
//! Invariant: neither a list nor a link of a retracted event counts.
//! Not here: which names match a player (crate `processors`).
use crate::retract::{Retractions, StoredEvent, each_event};
use anyhow::Result;
use processors::{
    loader::{self, Observation},
    names::Name,
};
use runtime::LogReader;
use schemas::{
    EasternDate, PlayerId, Team, Timestamp,
    observation::{LinkObservation, NamesObservation},
    raw::{Feed, RawEvent, Source},
};
use std::collections::BTreeMap;

/// A player as nba.com listed him.
#[derive(Clone, Debug, Default)]
pub struct ReportedPlayer {
    /// The newest name.
    pub name: String,
    named_on: Option<EasternDate>,
    /// The newest day of a list of each team that lists the player.
    pub teams: BTreeMap<Team, EasternDate>,
}

type LinkKey = (String, Option<Team>, Option<Source>, Option<EasternDate>);

/// Everything that was reported about names.
#[derive(Debug, Default)]
pub struct ReportedNames {
    players: BTreeMap<PlayerId, ReportedPlayer>,
    /// The newest link of each normalized spelling and limits.
    links: BTreeMap<LinkKey, LinkObservation>,
}
impl ReportedNames {
    /// Reads the raw topics with box scores, player lists and links.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(log: &mut dyn LogReader) -> Result<ReportedNames> {
        let mut reported = ReportedNames::default();
        let topics = [topics::RAW_BOX_SCORES.info, topics::RAW_ROSTERS.info];
        let mut retractions = Retractions::default();
        for topic in topics {
            each_event(log, topic, |stored| retractions.add(&stored.event))?;
        }
        for topic in topics {
            each_event(log, topic, |StoredEvent { event, .. }| {
                if event.retraction.is_none() && !retractions.contains(event.id) {
                    reported.add(&event);
                }
            })?;
        }
        Ok(reported)
    }
    pub fn player(&self, player: PlayerId) -> Option<&ReportedPlayer> {
        self.players.get(&player)
    }
    /// Returns the players whom any list of one of the teams contains.
    pub fn players_of<'a>(
        &'a self,
        teams: &'a [Team],
    ) -> impl Iterator<Item = (PlayerId, &'a ReportedPlayer)> {
        let of_teams = |player: &ReportedPlayer| player.teams.keys().any(|team| teams.contains(team));
        let players = self.players.iter().filter(move |(_, player)| of_teams(player));
        players.map(|(id, player)| (*id, player))
    }
    /// Returns the links to players whom no fetch of nba.com lists.
    pub fn waiting_links(&self) -> impl Iterator<Item = &LinkObservation> {
        let is_unknown = |player: PlayerId| self.player(player).is_none();
        self.links.values().filter(move |link| link.player.is_some_and(is_unknown))
    }

    fn add(&mut self, event: &RawEvent) {
        match event.feed {
            Feed::NbacomLeaguegamelog | Feed::NbacomBoxscore | Feed::NbacomPlayerList => {
                self.add_players(event)
            }
            Feed::OperatorIdentityLinks => self.add_links(event),
            _ => {}
        }
    }
    /// Adds the players of a raw event. An event that cannot be decoded, of which its loader made a dead letter, has none.
    fn add_players(&mut self, event: &RawEvent) {
        let Ok(loaded) = loader::load(event) else { return };
        for observation in loaded.observations {
            if let Observation::Names(observation) = observation
                && !observation.of_league
            {
                self.add_list(&observation);
            }
        }
    }
    fn add_list(&mut self, NamesObservation { team, date, names, .. }: &NamesObservation) {
        for listed in names {
            let Some(id) = listed.nba else { continue };
            let player = self.players.entry(id).or_default();
            if player.named_on.is_none_or(|named_on| named_on <= *date) {
                (player.name, player.named_on) = (listed.name.clone(), Some(*date));
            }
            let last = player.teams.entry(*team).or_insert(*date);
            *last = (*last).max(*date);
        }
    }
    fn add_links(&mut self, event: &RawEvent) {
        let Ok(loaded) = loader::load(event) else { return };
        for observation in loaded.observations {
            let Observation::Link(link) = observation else { continue };
            // Every team has a copy of each link.
            if link.team != Team::ALL[0] {
                continue;
            }
            let precedence = |link: &LinkObservation| -> (Timestamp, Option<PlayerId>, bool) {
                (link.provenance.fetched_at, link.player, link.is_nobody)
            };
            let spelling = Name::new(&link.spelling).key().to_owned();
            let key = (spelling, link.only_team, link.only_source, link.only_from);
            let newest = self.links.entry(key).or_insert_with(|| link.clone());
            if precedence(newest) < precedence(&link) {
                *newest = link;
            }
        }
    }
}
