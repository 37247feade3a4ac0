//! The macro `config_keys!`, which makes the configuration from the table of keys.
//!
//! From the table it makes the struct with a field per key, a `Key` per line, the list of all keys, and two functions: `build` parses
//! the values, `shown` returns them as text. A block of keys is `Group { … }` if its values are fields of the struct, and
//! `Group in field: Struct { … }` if they are the fields of a struct in this field.
//! Invariant: structs are built by literals, so a field without a key and a key without a field do not compile.
//! Not here: the table (`keys`), the types of values (`kind`).

macro_rules! config_keys {
    // Starts with empty lists of fields, literals and keys. `values` is passed on because identifiers are hygienic.
    (
        $(#[$about:meta])*
        pub struct $Config:ident { $($(#[$other_about:meta])* $visibility:vis $other:ident: $Other:ty,)* }
        $($blocks:tt)*
    ) => {
        config_keys! {
            @block values
            { $(#[$about])* $Config $($(#[$other_about])* $visibility $other: $Other,)* }
            { } { } { }
            $($blocks)*
        }
    };
    // Adds a block whose values are fields of the configuration.
    (
        @block $values:ident $head:tt
        { $($fields:tt)* } { $($literals:tt)* } { $($keys:tt)* }
        $group:ident { $(
            $(#[doc = $meaning:literal])+
            #[key($KEY:ident = $name:literal, default = $default:literal
                $(, flag = $flag:literal)? $(, variable = $variable:literal)? $(, secret = $is_secret:literal)?)]
            $field:ident: $Type:ty => $kind:expr,
        )+ }
        $($rest:tt)*
    ) => {
        config_keys! {
            @block $values $head
            { $($fields)* $($(#[doc = $meaning])+ pub $field: $Type,)+ }
            { $($literals)* $($field: $values.parse(&$KEY, &$kind)?,)+ }
            { $($keys)* $(
                $KEY { |config| Kind::<$Type>::show(&$kind, &config.$field) } {
                    Key::new(Group::$group, $name, $default, concat!($($meaning),+).trim_ascii(), || {
                        Kind::<$Type>::describe(&$kind)
                    })$(.with_flag($flag))?$(.with_variable($variable))?$(.with_secret($is_secret))?
                }
            )+ }
            $($rest)*
        }
    };
    // Adds a block whose values are the fields of a struct, which is a field of the configuration.
    (
        @block $values:ident $head:tt
        { $($fields:tt)* } { $($literals:tt)* } { $($keys:tt)* }
        $(#[$outer_about:meta])*
        $group:ident in $outer:ident: $Outer:ident { $(
            $(#[doc = $meaning:literal])+
            #[key($KEY:ident = $name:literal, default = $default:literal
                $(, flag = $flag:literal)? $(, variable = $variable:literal)? $(, secret = $is_secret:literal)?)]
            $field:ident: $Type:ty => $kind:expr,
        )+ }
        $($rest:tt)*
    ) => {
        config_keys! {
            @block $values $head
            { $($fields)* $(#[$outer_about])* pub $outer: $Outer, }
            { $($literals)* $outer: $Outer { $($field: $values.parse(&$KEY, &$kind)?,)+ }, }
            { $($keys)* $(
                $KEY { |config| Kind::<$Type>::show(&$kind, &config.$outer.$field) } {
                    Key::new(Group::$group, $name, $default, concat!($($meaning),+).trim_ascii(), || {
                        Kind::<$Type>::describe(&$kind)
                    })$(.with_flag($flag))?$(.with_variable($variable))?$(.with_secret($is_secret))?
                }
            )+ }
            $($rest)*
        }
    };
    // All blocks are added.
    (
        @block $values:ident
        { $(#[$about:meta])* $Config:ident $($(#[$other_about:meta])* $visibility:vis $other:ident: $Other:ty,)* }
        { $($fields:tt)* } { $($literals:tt)* } { $($KEY:ident { $show:expr } { $key:expr })* }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Config {
            $($fields)*
            $($(#[$other_about])* $visibility $other: $Other,)*
        }
        $(pub static $KEY: Key = $key;)*
        /// All keys, in the order of `config show`.
        pub static KEYS: &[&Key] = &[$(&$KEY),*];
        /// Parses the values of all keys.
        ///
        /// # Errors
        /// If a value does not parse or is out of range.
        pub(super) fn build($values: &Values) -> Result<$Config, ConfigError> {
            Ok($Config { $($literals)* $($other: Default::default(),)* })
        }
        /// Returns all keys with their values as text; a secret that is set is `***`.
        pub(super) fn shown(config: &$Config) -> impl Iterator<Item = (&'static Key, String)> {
            const SHOWN: &[(&Key, fn(&$Config) -> String)] = &[$((&$KEY, $show)),*];
            SHOWN.iter().map(move |(key, show)| (*key, show(config)))
        }
    };
}
pub(super) use config_keys;
