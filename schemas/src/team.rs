//! The thirty teams and the pairs of two teams. The pair is the partition key of a game's facts.
//!
//! Invariant: a team has one code, that of nba.com, whichever name a source uses and whichever name the franchise had at that time. A matchup
//! (pair of teams) is unordered, so the facts of a game have the same key even if sources disagree about which team is at home.
//! Not here: rosters (`observation`); franchises that no longer exist. The code BAL is not read, because two franchises had it.
use serde::{Deserialize, Serialize};
use serde_avro_derive::BuildSchema;
use std::{fmt, str::FromStr};

macro_rules! teams {
    ($($code:ident $id:literal $city:literal $name:literal [$($alias:literal),*];)+) => {
        /// One of the thirty NBA teams, by nba.com's three-character code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
        #[avro_schema(namespace = "fastbreak")]
        #[allow(clippy::upper_case_acronyms, missing_docs)]
        pub enum Team { $($code),+ }
        impl Team {
            pub const ALL: [Team; 30] = [$(Team::$code),+];
            pub const fn code(self) -> &'static str {
                match self { $(Team::$code => stringify!($code)),+ }
            }
            /// Returns nba.com's team id.
            pub const fn nba_id(self) -> i64 {
                match self { $(Team::$code => 1_610_612_700 + $id),+ }
            }
            pub const fn city(self) -> &'static str {
                match self { $(Team::$code => $city),+ }
            }
            pub const fn name(self) -> &'static str {
                match self { $(Team::$code => $name),+ }
            }
            /// Returns the team with this code or full name, in the notations of nba.com, balldontlie, ESPN, Basketball-Reference and
            /// the-odds-api. A former code or name is that of the franchise of today, by nba.com's record: the Charlotte Hornets of
            /// 1988 to 2002 (CHH) are today's Hornets, the New Orleans Hornets (NOH) are the Pelicans. `None` if it is not an NBA team.
            pub fn from_source_name(written: &str) -> Option<Team> {
                match written {
                    $(stringify!($code) | concat!($city, " ", $name) $(| $alias)* => Some(Team::$code),)+
                    _ => None,
                }
            }
        }
    };
}
teams! {
    ATL 37 "Atlanta" "Hawks" [
        "MIH", "STL", "TCB", "TRI", "Milwaukee Hawks", "St. Louis Hawks", "Tri-Cities Blackhawks"
    ];
    BOS 38 "Boston" "Celtics" [];
    BKN 51 "Brooklyn" "Nets" ["BRK", "NJN", "NYN", "New Jersey Nets", "New York Nets"];
    CHA 66 "Charlotte" "Hornets" ["CHO", "CHH", "Charlotte Bobcats"];
    CHI 41 "Chicago" "Bulls" [];
    CLE 39 "Cleveland" "Cavaliers" [];
    DAL 42 "Dallas" "Mavericks" [];
    DEN 43 "Denver" "Nuggets" [];
    DET 65 "Detroit" "Pistons" ["FTW", "Fort Wayne Pistons"];
    GSW 44 "Golden State" "Warriors" [
        "GS", "GOS", "PHW", "SFW", "Philadelphia Warriors", "San Francisco Warriors"
    ];
    HOU 45 "Houston" "Rockets" ["SDR", "San Diego Rockets"];
    IND 54 "Indiana" "Pacers" [];
    LAC 46 "LA" "Clippers" ["BUF", "SDC", "Los Angeles Clippers", "Buffalo Braves", "San Diego Clippers"];
    LAL 47 "Los Angeles" "Lakers" ["MNL", "LA Lakers", "Minneapolis Lakers"];
    MEM 63 "Memphis" "Grizzlies" ["VAN", "Vancouver Grizzlies"];
    MIA 48 "Miami" "Heat" [];
    MIL 49 "Milwaukee" "Bucks" [];
    MIN 50 "Minnesota" "Timberwolves" [];
    NOP 40 "New Orleans" "Pelicans" [
        "NO", "NOH", "NOK", "New Orleans Hornets", "New Orleans/Oklahoma City Hornets"
    ];
    NYK 52 "New York" "Knicks" ["NY"];
    OKC 60 "Oklahoma City" "Thunder" ["SEA", "Seattle SuperSonics", "Seattle Supersonics"];
    ORL 53 "Orlando" "Magic" [];
    PHI 55 "Philadelphia" "76ers" ["PHL", "SYR", "Syracuse Nationals"];
    PHX 56 "Phoenix" "Suns" ["PHO"];
    POR 57 "Portland" "Trail Blazers" [];
    SAC 58 "Sacramento" "Kings" [
        "CIN", "KCK", "KCO", "ROC", "Cincinnati Royals", "Kansas City Kings", "Kansas City-Omaha Kings",
        "Rochester Royals"
    ];
    SAS 59 "San Antonio" "Spurs" ["SA", "SAN"];
    TOR 61 "Toronto" "Raptors" [];
    UTA 62 "Utah" "Jazz" ["UTAH", "UTH", "NOJ", "New Orleans Jazz"];
    WAS 64 "Washington" "Wizards" [
        "WSH", "WSB", "CAP", "CHP", "CHZ", "Capital Bullets", "Chicago Packers", "Chicago Zephyrs",
        "Washington Bullets"
    ];
}
impl fmt::Display for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
impl FromStr for Team {
    type Err = String;
    fn from_str(code: &str) -> Result<Self, String> {
        Team::ALL
            .into_iter()
            .find(|team| team.code() == code)
            .ok_or_else(|| format!("'{code}' is not an NBA team code, expected e.g. BOS"))
    }
}

/// An unordered pair of teams, written with the codes in alphabetical order: `BOS-NYK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, BuildSchema)]
#[avro_schema(namespace = "fastbreak")]
pub struct Matchup {
    first: Team,
    second: Team,
}
impl Matchup {
    /// The first matchup in ascending order.
    pub const FIRST: Matchup = Matchup { first: Team::ATL, second: Team::BOS };
    /// Returns `None` if both teams are the same.
    pub fn new(a: Team, b: Team) -> Option<Matchup> {
        match a.code().cmp(b.code()) {
            std::cmp::Ordering::Less => Some(Matchup { first: a, second: b }),
            std::cmp::Ordering::Greater => Some(Matchup { first: b, second: a }),
            std::cmp::Ordering::Equal => None,
        }
    }
    pub const fn teams(self) -> [Team; 2] {
        [self.first, self.second]
    }
}
/// The first matchup in ascending order. Rows of former topics, which no processor reads, lack their matchup.
impl Default for Matchup {
    fn default() -> Self {
        Matchup::FIRST
    }
}
impl fmt::Display for Matchup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.second)
    }
}
impl FromStr for Matchup {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("'{text}' is not a matchup, expected e.g. BOS-NYK");
        let (a, b) = text.split_once('-').ok_or_else(bad)?;
        Matchup::new(a.parse()?, b.parse()?).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_five_sources_resolve_to_the_same_team() {
        for (team, names) in [
            (Team::BKN, ["BKN", "BRK", "Brooklyn Nets"].as_slice()),
            (Team::PHX, &["PHX", "PHO", "Phoenix Suns"]),
            (Team::LAC, &["LAC", "LA Clippers", "Los Angeles Clippers"]),
            (Team::GSW, &["GSW", "GS", "Golden State Warriors"]),
            (Team::UTA, &["UTA", "UTAH"]),
            (Team::WAS, &["WAS", "WSH"]),
        ] {
            for name in names {
                assert_eq!(Team::from_source_name(name), Some(team), "{name}");
            }
        }
        assert_eq!(Team::from_source_name("Real Madrid"), None);
        assert_eq!(Team::BOS.nba_id(), 1_610_612_738);
    }
    #[test]
    fn a_former_code_or_name_is_read_as_the_franchise_of_today() {
        for (team, names) in [
            (Team::BKN, ["NJN", "New Jersey Nets"].as_slice()),
            (Team::NOP, &["NOH", "NOK", "New Orleans Hornets", "New Orleans/Oklahoma City Hornets"]),
            (Team::CHA, &["CHH", "CHO", "Charlotte Hornets", "Charlotte Bobcats"]),
            (Team::OKC, &["SEA", "Seattle SuperSonics"]),
            (Team::MEM, &["VAN", "Vancouver Grizzlies"]),
            (Team::WAS, &["WSB", "Washington Bullets"]),
        ] {
            for name in names {
                assert_eq!(Team::from_source_name(name), Some(team), "{name}");
            }
        }
        assert_eq!(Team::from_source_name("BAL"), None, "two franchises had this code");
    }
    #[test]
    fn a_matchup_is_the_same_in_both_orders_of_its_teams() {
        assert_eq!(Matchup::new(Team::NYK, Team::BOS), Matchup::new(Team::BOS, Team::NYK));
        assert_eq!(Matchup::new(Team::NYK, Team::BOS).unwrap().to_string(), "BOS-NYK");
        assert_eq!(Matchup::new(Team::NYK, Team::NYK), None);
        assert_eq!("BOS-NYK".parse(), Ok(Matchup::new(Team::NYK, Team::BOS).unwrap()));
    }
}
