//! The public names of closed enums: one macro, so that every enum in the events has `ALL`, `name()` and `Display`.
//!
//! Invariant: tables, JSON and messages show the public name; the Avro symbol is the name of the Rust variant. A public name can be changed
//! without changing the Avro symbol, and the reverse.
//! Not here: enums whose public names are the codes of a source (`Team`, `Feed`).

/// Implements `ALL` (in declaration order), `name()` and `Display` for an enum whose variants have no fields, from one public name per
/// variant.
macro_rules! named_enum {
    ($type:ident { $($variant:ident = $name:literal,)+ }) => {
        impl $type {
            /// Every value, in declaration order.
            pub const ALL: [$type; [$($name),+].len()] = [$($type::$variant),+];
            /// Returns the public name, which tables, JSON and messages show.
            pub const fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name),+
                }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use named_enum;
