//! The public names of closed enums: one macro, so that every enum of the events has the same three ways to its name.
//!
//! Invariant: a public name is what tables, JSON and messages show; the Avro symbol is the Rust variant, and neither changes the other.
//! Not here: enums whose name is a code of the source (`Team`, `Feed`).

/// Gives an enum without data `ALL` (in declaration order), `name()` and `Display`, from one public name per variant.
macro_rules! named_enum {
    ($type:ident { $($variant:ident = $name:literal,)+ }) => {
        impl $type {
            /// Every value, in declaration order.
            pub const ALL: [$type; [$($name),+].len()] = [$($type::$variant),+];
            /// The public name: what tables, JSON and messages show.
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
