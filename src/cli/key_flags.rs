//! The global flags of configuration keys, made from the table of keys.
//!
//! Invariant: name, help and default of a flag are those of its key.
//! Not here: the table (`config::keys`), precedence over other sources (`config`).
use crate::config::keys::KEYS;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// The values of the flags on the command line, by the name of the key.
#[derive(Clone, Debug, Default)]
pub struct KeyFlags(Vec<(&'static str, String)>);

impl KeyFlags {
    pub fn values(&self) -> &[(&'static str, String)] {
        &self.0
    }
}
impl Args for KeyFlags {
    fn augment_args(command: Command) -> Command {
        let flags = KEYS.iter().filter_map(|key| Some((key, key.flag?)));
        command.args(flags.map(|(key, value_name)| {
            let default = match key.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            let help = format!("{}{default}", key.meaning.trim_end_matches('.'));
            Arg::new(key.name).long(key.name).value_name(value_name).global(true).help(help)
        }))
    }
    fn augment_args_for_update(command: Command) -> Command {
        KeyFlags::augment_args(command)
    }
}
impl FromArgMatches for KeyFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<KeyFlags, Error> {
        let flags = KEYS.iter().filter(|key| key.flag.is_some());
        let value = |name: &'static str| Some((name, matches.get_one::<String>(name)?.clone()));
        Ok(KeyFlags(flags.filter_map(|key| value(key.name)).collect()))
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = KeyFlags::from_arg_matches(matches)?;
        Ok(())
    }
}
