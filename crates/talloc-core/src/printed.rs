//! Printing by `core::fmt` and, with the feature `defmt`, by defmt, which keeps the texts outside of the program.
//!
//! Each text is written once, by a macro `text!(value, say, f)`, which calls `say!(f, ...)` with the arguments of
//! `format!`. defmt does not capture variables in a text, so the arguments are passed by position.

/// Makes a type one that is printed, as the macro `$text` says.
macro_rules! printed {
    ($type:ty, $text:ident) => {
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                $text!(*self, say_by_fmt, f);
                Ok(())
            }
        }

        /// The same as [`Display`](core::fmt::Display).
        #[cfg(feature = "defmt")]
        impl defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                $text!(*self, say_by_defmt, f);
            }
        }
    };
}

macro_rules! say_by_fmt {
    ($f:ident, $($part:tt)*) => {
        write!($f, $($part)*)?
    };
}

#[cfg(feature = "defmt")]
macro_rules! say_by_defmt {
    ($f:ident, $($part:tt)*) => {
        defmt::write!($f, $($part)*)
    };
}
