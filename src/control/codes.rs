//! Enums with a number on the wire: one list gives the variants, their numbers and their names.

/// Declares an enum whose variants have a number on the wire and a name for people.
macro_rules! coded {
    (
        $(#[$meta:meta])*
        $name:ident: $code:ty {
            $($(#[$doc:meta])* $variant:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value's number on the wire.
            pub(crate) const fn code(self) -> $code {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The value that has this number.
            pub(crate) fn from_code(code: $code) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.code() == code)
            }

            /// The value's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

pub(crate) use coded;
