//! `serializer_unsupported!`: the methods of a `serde::Serializer` that answer with one and the same error.
//!
//! `serde_avro_fast` asks for a crate of this name, which is LGPL-3.0-only and would be linked into the binary. This one has the same
//! macro, was written from its uses, and stands in by `[patch.crates-io]`.
//! Invariant: each name in the list becomes that method, and the compound ones their associated type too.
//! Not here: anything else of the crate it stands in for.
#![no_std]
#[doc(hidden)]
pub use serde;

/// `serializer_unsupported! { err = (expression); bool i8 … struct_variant }` inside an `impl Serializer`.
#[macro_export]
macro_rules! serializer_unsupported {
    (err = ($error:expr); $($kind:tt)*) => { $($crate::unsupported_kind! { ($error) $kind })* };
}

#[doc(hidden)]
#[macro_export]
macro_rules! unsupported_kind {
    (($e:expr) bool) => { $crate::unsupported_method! { ($e) serialize_bool(bool) } };
    (($e:expr) i8) => { $crate::unsupported_method! { ($e) serialize_i8(i8) } };
    (($e:expr) i16) => { $crate::unsupported_method! { ($e) serialize_i16(i16) } };
    (($e:expr) i32) => { $crate::unsupported_method! { ($e) serialize_i32(i32) } };
    (($e:expr) i64) => { $crate::unsupported_method! { ($e) serialize_i64(i64) } };
    (($e:expr) i128) => { $crate::unsupported_method! { ($e) serialize_i128(i128) } };
    (($e:expr) u8) => { $crate::unsupported_method! { ($e) serialize_u8(u8) } };
    (($e:expr) u16) => { $crate::unsupported_method! { ($e) serialize_u16(u16) } };
    (($e:expr) u32) => { $crate::unsupported_method! { ($e) serialize_u32(u32) } };
    (($e:expr) u64) => { $crate::unsupported_method! { ($e) serialize_u64(u64) } };
    (($e:expr) u128) => { $crate::unsupported_method! { ($e) serialize_u128(u128) } };
    (($e:expr) f32) => { $crate::unsupported_method! { ($e) serialize_f32(f32) } };
    (($e:expr) f64) => { $crate::unsupported_method! { ($e) serialize_f64(f64) } };
    (($e:expr) char) => { $crate::unsupported_method! { ($e) serialize_char(char) } };
    (($e:expr) str) => { $crate::unsupported_method! { ($e) serialize_str(&str) } };
    (($e:expr) bytes) => { $crate::unsupported_method! { ($e) serialize_bytes(&[u8]) } };
    (($e:expr) none) => { $crate::unsupported_method! { ($e) serialize_none() } };
    (($e:expr) unit) => { $crate::unsupported_method! { ($e) serialize_unit() } };
    (($e:expr) unit_struct) => { $crate::unsupported_method! { ($e) serialize_unit_struct(&'static str) } };
    (($e:expr) unit_variant) => {
        $crate::unsupported_method! { ($e) serialize_unit_variant(&'static str, u32, &'static str) }
    };
    (($e:expr) some) => { $crate::unsupported_value! { ($e) serialize_some() } };
    (($e:expr) newtype_struct) => { $crate::unsupported_value! { ($e) serialize_newtype_struct(&'static str) } };
    (($e:expr) newtype_variant) => {
        $crate::unsupported_value! { ($e) serialize_newtype_variant(&'static str, u32, &'static str) }
    };
    (($e:expr) seq) => {
        $crate::unsupported_compound! { ($e) SerializeSeq serialize_seq(Option<usize>) }
    };
    (($e:expr) tuple) => { $crate::unsupported_compound! { ($e) SerializeTuple serialize_tuple(usize) } };
    (($e:expr) tuple_struct) => {
        $crate::unsupported_compound! { ($e) SerializeTupleStruct serialize_tuple_struct(&'static str, usize) }
    };
    (($e:expr) tuple_variant) => {
        $crate::unsupported_compound! {
            ($e) SerializeTupleVariant serialize_tuple_variant(&'static str, u32, &'static str, usize)
        }
    };
    (($e:expr) map) => { $crate::unsupported_compound! { ($e) SerializeMap serialize_map(Option<usize>) } };
    (($e:expr) struct) => {
        $crate::unsupported_compound! { ($e) SerializeStruct serialize_struct(&'static str, usize) }
    };
    (($e:expr) struct_variant) => {
        $crate::unsupported_compound! {
            ($e) SerializeStructVariant serialize_struct_variant(&'static str, u32, &'static str, usize)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! unsupported_method {
    (($e:expr) $method:ident($($argument:ty),*)) => {
        fn $method(self, $(_: $argument),*) -> ::core::result::Result<Self::Ok, Self::Error> {
            ::core::result::Result::Err($e)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! unsupported_value {
    (($e:expr) $method:ident($($argument:ty),*)) => {
        fn $method<T: ?Sized + $crate::serde::Serialize>(
            self, $(_: $argument,)* _: &T,
        ) -> ::core::result::Result<Self::Ok, Self::Error> {
            ::core::result::Result::Err($e)
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! unsupported_compound {
    (($e:expr) $compound:ident $method:ident($($argument:ty),*)) => {
        type $compound = $crate::serde::ser::Impossible<Self::Ok, Self::Error>;
        fn $method(self, $(_: $argument),*) -> ::core::result::Result<Self::$compound, Self::Error> {
            ::core::result::Result::Err($e)
        }
    };
}
