//! Names of invented people, with accents, suffixes and hyphens, and the ways in which sources spell them differently.
//!
//! Invariant: every spelling resolves to one player. The rules of name lookups resolve a spelling without suffix or accents, in reverse
//! order, or with an initial. They do not resolve a nickname, because it is not a prefix of any first name; it needs an operator's link.
//! Not here: the player who has a name (`league`), the spellings of a source (`world`).

#[rustfmt::skip]
pub(crate) const FIRST: [&str; 64] = [
    "Amari", "Bastien", "Cormac", "Davion", "Eamon", "Farid", "Gideon", "Hollis", "Ismaël", "Jarek",
    "Kendall", "Lucian", "Mateus", "Nolan", "Orlan", "Percy", "Quentin", "Rashawn", "Sergei", "Terrell",
    "Ulrich", "Vasil", "Wendell", "Xan", "Yannis", "Zaire", "Ty'Quan", "De'Monte", "Łukasz", "José",
    "Øyvind", "Şerif", "André", "Brennan", "Callum", "Dominykas", "Emeka", "Fyodor", "Grantley", "Hugo",
    "Ibrahima", "Jalon", "Keyshawn", "Leandro", "Malachi", "Nicola", "Obinna", "Pascal", "Roderick",
    "Stellan", "Tobiah", "Uros", "Vaughn", "Warrick", "Yuri", "Zoltán", "Arvydas", "Blaise", "Darnell",
    "Elias", "Finley", "Goran", "Ja'Marion", "Kofi",
];
#[rustfmt::skip]
pub(crate) const LAST: [&str; 80] = [
    "Abernethy", "Adebisi", "Albescu", "Ashgrove", "Bankole", "Bellweather", "Birchfield", "Bračko",
    "Brightwater", "Calloway-Reyes", "Castañeda", "Chidozie", "Coldiron", "Corvino", "Crabtree",
    "D'Aurelio", "Dąbrowski", "Delacroix", "Drăgan", "Dunmore", "Eastlake", "Ebersole", "Eriksen-Holt",
    "Falkenrath", "Fairweather", "Ferreira", "Galbraith", "Gökçe", "Grünwald", "Halloran", "Hargreave",
    "Havelock", "Hřebíček", "Ingersoll", "Iwuchukwu", "Jankauskas", "Jessop", "Kettering", "Kilimanov",
    "Kovář", "Kurosawa", "Laframboise", "Lindqvist", "Lockridge", "Łapiński", "Makinde", "Marchetti",
    "Meriwether", "Mihajlović", "Montclair", "Nakagawa", "Nightingale", "Núñez-Prado", "O'Shaughnessy",
    "Obafemi", "Oduya", "Olmstead", "Pemberton", "Petrauskas", "Pickering", "Quarterman", "Radcliffe",
    "Ravnsborg", "Rosenqvist", "Saltonstall", "Sørensen", "Stanhope", "Šimkus", "Tannahill", "Thibodeaux",
    "Tremblay", "Underhill", "Valtonen", "Vasconcelos", "Wetherby", "Whitlock", "Winterbourne", "Yıldırım",
    "Zawadzki", "Žukauskas",
];
/// No nickname is a prefix of a first name, and no first name is a prefix of a nickname.
pub(crate) const NICKNAMES: [&str; 14] = [
    "Ace", "Buzz", "Champ", "Deuce", "Flash", "Hoops", "Juke", "Lefty", "Moose", "Pops", "Rocket", "Skeeter",
    "Tank", "Ziggy",
];
pub(crate) const COLLEGES: [&str; 8] = [
    "Northfield State",
    "Great Plains",
    "Bayou A&M",
    "Cascadia",
    "Old Harbor",
    "Saint Brendan",
    "Tri-Rivers",
    "",
];
pub(crate) const COUNTRIES: [&str; 8] =
    ["USA", "USA", "USA", "Canada", "France", "Serbia", "Nigeria", "Lithuania"];

/// A player's name as nba.com writes it, and the nickname that some sources use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub first: &'static str,
    pub last: &'static str,
    pub suffix: Option<&'static str>,
    pub nickname: &'static str,
}

/// The way in which a source spells a player's name, compared with nba.com's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    AsNba,
    SuffixDropped,
    Unaccented,
    /// The last name comes first: "Last First".
    Reordered,
    /// The first name is only an initial: "J. Last".
    Initial,
    /// The nickname instead of the first name.
    Nickname,
}

/// First and last name in one source's spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub first: String,
    pub last: String,
}
impl Spelling {
    pub fn joined(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

impl Name {
    /// Returns the last name with its suffix: "Crabtree Jr.".
    pub fn last_with_suffix(&self) -> String {
        self.suffix.map_or_else(|| self.last.to_owned(), |suffix| format!("{} {suffix}", self.last))
    }
    pub fn full(&self) -> String {
        self.spelling(Variant::AsNba).joined()
    }
    /// Returns the variants from which a source's spelling of this name is drawn; a variant that is listed twice is twice as likely. No
    /// variant both drops the suffix and changes the order, because no rule of name lookups resolves such a spelling.
    pub fn variants(&self) -> Vec<Variant> {
        match self.suffix {
            Some(_) => vec![Variant::SuffixDropped, Variant::SuffixDropped, Variant::Nickname],
            None => {
                let has_accents = (plain(self.first) != self.first) || (plain(self.last) != self.last);
                let mut variants = vec![Variant::Reordered, Variant::Initial, Variant::Nickname];
                variants.extend(has_accents.then_some([Variant::Unaccented; 2]).into_iter().flatten());
                variants
            }
        }
    }
    pub fn spelling(&self, variant: Variant) -> Spelling {
        let (first, last) = (self.first.to_owned(), self.last_with_suffix());
        match variant {
            Variant::AsNba => Spelling { first, last },
            Variant::SuffixDropped => Spelling { first, last: self.last.to_owned() },
            Variant::Unaccented => Spelling { first: plain(&first), last: plain(&last) },
            Variant::Reordered => Spelling { first: last, last: first },
            Variant::Initial => Spelling { first: first.chars().take(1).chain(['.']).collect(), last },
            Variant::Nickname => Spelling { first: self.nickname.to_owned(), last },
        }
    }
    /// Returns the name in the form that web addresses use: "deuce-crabtree-jr".
    pub fn slug(&self) -> String {
        let lower = plain(&self.full()).to_lowercase().replace(' ', "-");
        lower.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
    }
}

/// Returns the name without accents, in ASCII characters.
pub(crate) fn plain(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            'á' | 'ă' | 'ą' => 'a',
            'ç' | 'č' | 'ć' => 'c',
            'é' | 'ë' | 'ě' => 'e',
            'í' | 'ı' => 'i',
            'ń' | 'ñ' => 'n',
            'ö' | 'ø' => 'o',
            'Ø' => 'O',
            'ř' => 'r',
            'š' => 's',
            'Š' | 'Ş' => 'S',
            'ú' | 'ü' => 'u',
            'Ž' => 'Z',
            'Ł' => 'L',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accent_in_the_pools_has_a_plain_letter() {
        for name in FIRST.iter().chain(&LAST) {
            assert!(plain(name).is_ascii(), "{name}");
        }
    }
    #[test]
    fn no_nickname_is_a_prefix_of_a_first_name_or_has_one_as_prefix() {
        for nickname in NICKNAMES.map(str::to_lowercase) {
            for first in FIRST.map(|first| plain(first).to_lowercase()) {
                assert!(!first.starts_with(&nickname) && !nickname.starts_with(&first), "{nickname} {first}");
            }
        }
    }
    #[test]
    fn a_name_has_the_spelling_of_each_variant() {
        let name = Name { first: "José", last: "Núñez-Prado", suffix: None, nickname: "Moose" };
        let spelling = |variant| name.spelling(variant).joined();
        assert_eq!(spelling(Variant::Unaccented), "Jose Nunez-Prado");
        assert_eq!(spelling(Variant::Reordered), "Núñez-Prado José");
        assert_eq!(spelling(Variant::Initial), "J. Núñez-Prado");
        assert_eq!(spelling(Variant::Nickname), "Moose Núñez-Prado");
        let junior = Name { suffix: Some("Jr."), ..name };
        assert_eq!(junior.full(), "José Núñez-Prado Jr.");
        assert_eq!(junior.spelling(Variant::SuffixDropped).joined(), "José Núñez-Prado");
        assert_eq!(junior.slug(), "jose-nunez-prado-jr");
    }
}
