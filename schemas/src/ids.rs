//! Identities: players, games, raw events, and the composite ids of table rows with their text form.
//!
//! Invariant: the text of an id is the record key of its row; the part before the first '/' determines the partition, so rows of
//! co-partitioned topics with the same first part have the same partition number. `Display` and `FromStr` are inverse.
//! Not here: the names of players, which are attributes and not identities (`observation`).
use crate::{
    feed::Source,
    team::{Matchup, Team},
    units::{EasternDate, Season},
};
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::{fmt, str::FromStr};

/// nba.com's person id of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[serde(transparent)]
pub struct PlayerId(pub u32);
impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl FromStr for PlayerId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(PlayerId)
            .map_err(|_| format!("'{text}' is not an nba.com player id, expected a whole number"))
    }
}

/// nba.com's game id, written with ten digits: `0022300061`. The third digit is the kind of game, the next two are the season.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[serde(transparent)]
pub struct GameId(pub u32);

/// The kind of a game by the third digit of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GameKind {
    Preseason,
    RegularSeason,
    AllStar,
    Playoffs,
    PlayIn,
    CupFinal,
}
impl GameId {
    /// Returns the kind of the game; `None` if nba.com assigns no kind to the third digit.
    pub const fn kind(self) -> Option<GameKind> {
        match self.0 / 10_000_000 {
            1 => Some(GameKind::Preseason),
            2 => Some(GameKind::RegularSeason),
            3 => Some(GameKind::AllStar),
            4 => Some(GameKind::Playoffs),
            5 => Some(GameKind::PlayIn),
            6 => Some(GameKind::CupFinal),
            _ => None,
        }
    }
    pub const fn season(self) -> Season {
        let two = (self.0 / 100_000 % 100) as i16;
        Season(if two >= 46 { 1900 + two } else { 2000 + two })
    }
    /// True if the game counts in the records and averages of its teams and players. The final of the cup does not: it is an extra game.
    pub const fn counts_in_averages(self) -> bool {
        !matches!(self.kind(), Some(GameKind::CupFinal))
    }
    /// True if the game is processed: its kind is known and is neither preseason nor all-star.
    pub const fn is_in_scope(self) -> bool {
        !matches!(self.kind(), None | Some(GameKind::Preseason | GameKind::AllStar))
    }
}
impl fmt::Display for GameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}
impl FromStr for GameId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == 10 && text.starts_with("00") && text.bytes().all(|b| b.is_ascii_digit());
        let id = digits.then(|| text.parse().ok().map(GameId)).flatten();
        id.filter(|id| id.kind().is_some())
            .ok_or_else(|| format!("'{text}' is not an nba.com game id, expected e.g. 0022300061"))
    }
}

/// The id of a raw event, the same in every log: the first 64 bits of the BLAKE3 hash of source, feed, key, fetch time and payload.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema,
)]
#[serde(transparent)]
pub struct RawId(pub i64);
impl fmt::Display for RawId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
impl FromStr for RawId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        u64::from_str_radix(text, 16)
            .map(|id| RawId(id as i64))
            .map_err(|_| format!("'{text}' is not a raw event id, expected up to 16 hexadecimal digits"))
    }
}

macro_rules! composite {
    ($(#[$doc:meta])* $name:ident { $($part:ident: $type:ty),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name { $(pub $part: $type),+ }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut separator = "";
                $(write!(f, "{separator}{}", self.$part)?; separator = "/";)+
                let _ = separator;
                Ok(())
            }
        }
        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let expected = [$(stringify!($part)),+];
                let parts: Vec<&str> = text.split('/').collect();
                if parts.len() != expected.len() {
                    return Err(format!("'{text}' is not a row id, expected {}", expected.join("/")));
                }
                let mut parts = parts.into_iter();
                Ok($name { $($part: parts.next().unwrap_or_default().parse()?),+ })
            }
        }
    };
}
composite!(
    /// The id of a row about one player in one game of one pair of teams, partitioned by the player.
    PlayerMatchupGameId { player: PlayerId, game: GameId, matchup: Matchup }
);
composite!(
    /// The id of a row about one player in one game on one date, partitioned by the player.
    PlayerGameDateId { player: PlayerId, game: GameId, date: EasternDate }
);
composite!(
    /// The id of a row about one player and one team, partitioned by the player.
    MembershipId { player: PlayerId, team: Team }
);
composite!(
    /// The id of a row about one team and one player, partitioned by the team.
    TeamMemberId { team: Team, player: PlayerId }
);
composite!(
    /// The id of a row about one candidate (a player who may appear in a game) for one game of one pair of teams on one date, partitioned by
    /// the player.
    CandidateId { player: PlayerId, game: GameId, date: EasternDate, matchup: Matchup }
);
composite!(
    /// The id of a row about one team in one game of one pair of teams, partitioned by the team.
    TeamGameId { team: Team, game: GameId, matchup: Matchup }
);
composite!(
    /// The id of a row about one game, partitioned by the pair of its teams.
    MatchupGameId { matchup: Matchup, game: GameId }
);
composite!(
    /// The id of a row about one game on one date, partitioned by the pair of its teams.
    MatchupGameDateId { matchup: Matchup, game: GameId, date: EasternDate }
);
composite!(
    /// The id of a row about one team's form before one game on one date, partitioned by the pair of the game's teams.
    TeamFormId { matchup: Matchup, game: GameId, date: EasternDate, team: Team }
);

/// The id of a row about one event of the odds source and one of the pairs of teams that were stated for it, partitioned by the pair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchupEventId {
    pub matchup: Matchup,
    /// The source's own id. It is the last part of the text, because it may contain any character.
    pub event: String,
}
impl fmt::Display for MatchupEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.matchup, self.event)
    }
}
impl FromStr for MatchupEventId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let (matchup, event) =
            parts.ok_or_else(|| format!("'{text}' is not a row id, expected matchup/event"))?;
        Ok(MatchupEventId { matchup: matchup.parse()?, event: event.to_owned() })
    }
}

/// The scope of a name lookup: the teams whose players a name is matched with. Its text is the partition key of the lookup results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The two teams of a game.
    Matchup(Matchup),
    /// The name is on the roster of this team. It is matched with the players of all teams, because the player may have joined this team
    /// recently.
    Team(Team),
}
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Matchup(matchup) => matchup.fmt(f),
            Scope::Team(team) => team.fmt(f),
        }
    }
}
impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('-') { text.parse().map(Scope::Matchup) } else { text.parse().map(Scope::Team) }
    }
}

/// The id of a row with one team's lookup results, for the names of one scope, source and US Eastern day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamesId {
    pub scope: Scope,
    pub team: Team,
    pub source: Source,
    pub date: EasternDate,
}
impl fmt::Display for NamesId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.scope, self.team, self.source, self.date)
    }
}
impl FromStr for NamesId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/');
        let mut next = || {
            parts.next().ok_or_else(|| format!("'{text}' is not a row id, expected scope/team/source/date"))
        };
        Ok(NamesId {
            scope: next()?.parse()?,
            team: next()?.parse()?,
            source: next()?.parse()?,
            date: next()?.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;
    use proptest::prelude::*;

    #[test]
    fn a_game_id_contains_its_kind_and_season() {
        let game: GameId = "0022300576".parse().unwrap();
        assert_eq!((game.kind(), game.season()), (Some(GameKind::RegularSeason), Season(2023)));
        assert_eq!(game.to_string(), "0022300576");
        assert!(!"0032300001".parse::<GameId>().unwrap().is_in_scope());
        for bad in ["22300576", "0922300576", "00223x0576", ""] {
            assert!(bad.parse::<GameId>().is_err(), "{bad}");
        }
    }
    fn team() -> impl Strategy<Value = Team> {
        prop::sample::select(Team::ALL.to_vec())
    }
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn the_key_of_a_lookup_on_any_day_parses_to_the_same_key(
            (first, second) in (team(), team()),
            source in prop::sample::select(Source::ALL.to_vec()),
            millis in any::<i64>(),
            days in any::<i32>(),
        ) {
            let scope = Matchup::new(first, second).map_or(Scope::Team(first), Scope::Matchup);
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
            for date in [Timestamp(millis).eastern_date(), EasternDate::default().plus_days(days)] {
                let id = NamesId { scope, team: second, source, date };
                prop_assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
        #[test]
        fn the_key_of_an_event_parses_to_the_same_key_whatever_its_id_contains(event in ".*") {
            let id = MatchupEventId { matchup: Matchup::FIRST, event };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
        #[test]
        fn a_game_id_that_parses_has_the_same_text_and_a_season_with_days(number in any::<u32>(), raw in any::<i64>()) {
            for text in [format!("{number:010}"), format!("{:010}", number % 100_000_000)] {
                if let Ok(game) = text.parse::<GameId>() {
                    prop_assert_eq!(game.to_string(), text);
                }
            }
            let season = GameId(number).season();
            prop_assert_eq!(season.to_string().parse(), Ok(season));
            prop_assert_eq!(RawId(raw).to_string().parse(), Ok(RawId(raw)));
        }
    }
    #[test]
    fn the_text_of_a_row_id_parses_to_the_same_id() {
        for text in
            ["BOS-NYK/BOS/oddsapi/2024-03-02", "UTA/BOS/espn/2024-03-02", "UTA/BOS/espn/-000044-03-15"]
        {
            assert_eq!(text.parse::<NamesId>().unwrap().to_string(), text);
        }
        let form = "BOS-NYK/0022300576/2024-02-15/NYK";
        assert_eq!(form.parse::<TeamFormId>().unwrap().to_string(), form);
        let row = "203999/0022300576/2024-02-15";
        assert_eq!(row.parse::<PlayerGameDateId>().unwrap().to_string(), row);
        assert_eq!("203999/DEN".parse::<MembershipId>().unwrap().to_string(), "203999/DEN");
        assert_eq!("DEN/203999".parse::<TeamMemberId>().unwrap().to_string(), "DEN/203999");
        let candidate = format!("{row}/BOS-NYK");
        assert_eq!(candidate.parse::<CandidateId>().unwrap().to_string(), candidate);
        assert!(row.parse::<CandidateId>().is_err() && candidate.parse::<PlayerGameDateId>().is_err());
    }
}
