//! A configuration key: its name, meaning, default value and type, and where it can be set.
//!
//! Invariant: every key can be set in the file and in the environment; a key with a flag can also be set on the command line.
//! Not here: the table of all keys (`keys`), the types of values (`kind`).

/// A configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name of the key in the file and, if it has a flag, name of the flag.
    pub name: &'static str,
    pub group: Group,
    /// One sentence.
    pub meaning: &'static str,
    /// The default value as text.
    pub default: &'static str,
    /// If the key is also a global flag, the name of the flag's value in the help.
    pub flag: Option<&'static str>,
    /// True if the value must not be shown.
    pub is_secret: bool,
    variable: Option<&'static str>,
    describe: fn() -> String,
}
impl Key {
    /// Creates a key that has no flag, is no secret, and whose environment variable is derived from its name. `describe` returns the type,
    /// range and unit of the value.
    pub(super) const fn new(
        group: Group,
        name: &'static str,
        default: &'static str,
        meaning: &'static str,
        describe: fn() -> String,
    ) -> Key {
        Key { name, group, meaning, default, flag: None, is_secret: false, variable: None, describe }
    }
    /// Returns the key with a flag. `value_name` is the name of the flag's value in the help.
    pub(super) const fn with_flag(self, value_name: &'static str) -> Key {
        Key { flag: Some(value_name), ..self }
    }
    /// Returns the key with this environment variable instead of the derived one.
    pub(super) const fn with_variable(self, variable: &'static str) -> Key {
        Key { variable: Some(variable), ..self }
    }
    pub(super) const fn with_secret(self, is_secret: bool) -> Key {
        Key { is_secret, ..self }
    }
    /// Returns the environment variable of the key: by default `FASTBREAK_` and its name, in upper case with underscores.
    pub fn variable(&self) -> String {
        let derived = || format!("FASTBREAK_{}", self.name.to_uppercase().replace('-', "_"));
        self.variable.map_or_else(derived, str::to_owned)
    }
    /// Returns the environment variable of the key if it is not derived from the name.
    pub const fn own_variable(&self) -> Option<&'static str> {
        self.variable
    }
    /// Returns type, range and unit of the value, as in "an integer from 1 to 1000 (milliseconds)".
    pub fn describe(&self) -> String {
        (self.describe)()
    }
}

/// What a key configures. Keys are listed by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Log,
    Registry,
    Console,
    Processors,
    DeadLetters,
    Sink,
    BigQuery,
}
impl Group {
    /// Returns the heading of the group's keys.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Log => "Log",
            Group::Registry => "Schema registry",
            Group::Console => "Console",
            Group::Processors => "Processors",
            Group::DeadLetters => "Dead letters",
            Group::Sink => "Sink and warehouse",
            Group::BigQuery => "BigQuery",
        }
    }
}
