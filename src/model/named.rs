//! Enums whose values have a name: in columns, files, URLs, reports and the interface it is the same word.
//!
//! Way: a record writes `named! { … }` once, and has the list of all values, the names, the way back, and serde by name.
//! Not here: names that are read in any case (`complaint`).

/// Enums with names: `Name { Variant = "name", … }`, one or more; or with the numbers of an `Enum8` column, which never
/// change: `Name: i8 { Variant = 1, "name"; … }`.
macro_rules! named {
    ($(
        $(#[$meta:meta])*
        $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal),+ $(,)? }
    )+) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name { $($(#[$about])* #[serde(rename = $text)] $variant),+ }

        $crate::model::named::named!(@names $name { $($variant = $text),+ });
    )+};
    (
        $(#[$meta:meta])*
        $name:ident: i8 { $($(#[$about:meta])* $variant:ident = $value:literal, $text:literal;)+ }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[repr(i8)]
        pub enum $name { $($(#[$about])* #[serde(rename = $text)] $variant = $value),+ }

        $crate::model::named::named!(@names $name { $($variant = $text),+ });
    };
    (@names $name:ident { $($variant:ident = $text:literal),+ }) => {
        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in columns, files, URLs and the interface.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.name())
            }
        }
    };
}

pub(super) use named;
