//! A cell: one JSON value of a row, of any type.
//!
//! Invariant: parsing a cell never fails; a value of the wrong type is reported with the field's name and the value found, and rejects
//! only its row.
//! Not here: minutes (`minutes`), dates (`dates`) and prices (`prices`).
use super::other_teams::is_other_team;
use schemas::{
    ids::{GameId, PlayerId},
    team::Team,
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// One JSON value; `Absent` if the row lacks the field.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell<'a> {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    Fraction(f64),
    Text(Cow<'a, str>),
    /// A list or an object.
    Nested,
}

impl<'a> Cell<'a> {
    /// Returns the message that `field` does not have the expected value.
    pub fn type_error(&self, field: &str, expected: &str) -> String {
        format!("{field}: found {self}, expected {expected}")
    }
    /// True if the field is absent or null, or if its text is empty or only white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Cell::Absent | Cell::Null => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }
    /// Returns the trimmed text; `None` if the cell is blank.
    pub fn text_or_blank(&self, field: &str) -> Result<Option<&str>, String> {
        match self {
            _ if self.is_blank() => Ok(None),
            Cell::Text(text) => Ok(Some(text.trim())),
            _ => Err(self.type_error(field, "a text")),
        }
    }
    /// Returns the trimmed text, which must not be empty.
    pub fn text(&self, field: &str) -> Result<&str, String> {
        self.text_or_blank(field)?.ok_or_else(|| self.type_error(field, "a text"))
    }
    /// Converts the cell to its trimmed text, which must not be empty. The text is borrowed from the payload if it has no JSON escapes.
    pub fn into_text(self, field: &str) -> Result<Cow<'a, str>, String> {
        self.text(field)?;
        match self {
            Cell::Text(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.trim())),
            Cell::Text(Cow::Owned(text)) => Ok(Cow::Owned(text.trim().to_owned())),
            other => Err(other.type_error(field, "a text")),
        }
    }
    pub fn integer(&self, field: &str) -> Result<i64, String> {
        match self {
            Cell::Integer(number) => Ok(*number),
            // stats.nba.com writes some whole numbers as 1.0
            Cell::Fraction(number) if number.fract() == 0.0 && number.abs() < 1e15 => Ok(*number as i64),
            _ => Err(self.type_error(field, "a whole number")),
        }
    }
    pub fn number(&self, field: &str) -> Result<f64, String> {
        match self {
            Cell::Integer(number) => Ok(*number as f64),
            Cell::Fraction(number) => Ok(*number),
            _ => Err(self.type_error(field, "a number")),
        }
    }
    /// Returns a count from a box score, such as the number of rebounds.
    pub fn count(&self, field: &str) -> Result<i32, String> {
        let number = i32::try_from(self.integer(field)?).ok();
        let count = number.filter(|number| (0..=300).contains(number));
        count.ok_or_else(|| self.type_error(field, "a count from 0 to 300"))
    }
    pub fn player(&self, field: &str) -> Result<PlayerId, String> {
        let id = self.integer(field).ok().and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 0);
        id.map(|id| PlayerId(id.unsigned_abs())).ok_or_else(|| self.type_error(field, "an nba.com player id"))
    }
    pub fn game(&self, field: &str) -> Result<GameId, String> {
        self.text(field)?.parse().map_err(|error| format!("{field}: {error}"))
    }
    pub fn team(&self, field: &str) -> Result<Team, String> {
        Team::from_source_name(self.text(field)?).ok_or_else(|| self.type_error(field, "an NBA team"))
    }
    /// Returns the NBA team; `None` if it is a known team that is not an NBA team, so that its row is out of scope.
    pub fn team_or_other(&self, field: &str) -> Result<Option<Team>, String> {
        if is_other_team(self.text(field)?) { Ok(None) } else { self.team(field).map(Some) }
    }
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Absent => f.write_str("nothing"),
            Cell::Null => f.write_str("null"),
            Cell::Bool(value) => write!(f, "{value}"),
            Cell::Integer(value) => write!(f, "{value}"),
            Cell::Fraction(value) => write!(f, "{value}"),
            Cell::Text(value) => write!(f, "{:?}", value.chars().take(40).collect::<String>()),
            Cell::Nested => f.write_str("a list or an object"),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;
impl<'de> Visitor<'de> for AnyValue {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Cell<'de>, E> {
        Ok(i64::try_from(value).map_or(Cell::Fraction(value as f64), Cell::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Fraction(value))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cell<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Nested)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Cell<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Nested)
    }
}
