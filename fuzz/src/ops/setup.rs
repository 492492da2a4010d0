//! The setup of a script.

use super::cursor::Cursor;
use crate::supply::Kind;

/// The parameters of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// [`talloc_core::Compact`].
    Compact,
    /// [`talloc_core::RealTime`].
    RealTime,
    /// [`talloc_core::Micro`].
    Micro,
    /// [`crate::Shrunk`], which has few bins and short lists, so rare paths are frequent.
    Shrunk,
    /// [`talloc_core::Checked`] of each of the profiles above.
    Checked,
    CheckedRealTime,
    CheckedMicro,
    CheckedShrunk,
    /// [`talloc_core::Hardened`] of each of the plain profiles, with all measures.
    Hardened,
    HardenedRealTime,
    HardenedMicro,
    HardenedShrunk,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 12] = [
        Self::Compact,
        Self::RealTime,
        Self::Micro,
        Self::Shrunk,
        Self::Checked,
        Self::CheckedRealTime,
        Self::CheckedMicro,
        Self::CheckedShrunk,
        Self::Hardened,
        Self::HardenedRealTime,
        Self::HardenedMicro,
        Self::HardenedShrunk,
    ];

    /// Profiles that trust the program.
    pub const PLAIN: [Self; 4] = [Self::Compact, Self::RealTime, Self::Micro, Self::Shrunk];

    /// Profiles that detect misuse.
    pub const CHECKED: [Self; 4] =
        [Self::Checked, Self::CheckedRealTime, Self::CheckedMicro, Self::CheckedShrunk];

    /// Profiles that also detect overwritten memory.
    pub const HARDENED: [Self; 4] =
        [Self::Hardened, Self::HardenedRealTime, Self::HardenedMicro, Self::HardenedShrunk];

    /// The profiles of each level of checks, by name.
    pub const LEVELS: &[(&str, &[Self])] = &[
        ("all", &Self::ALL),
        ("plain", &Self::PLAIN),
        ("checked", &Self::CHECKED),
        ("hardened", &Self::HARDENED),
    ];

    /// Returns the profiles of a level.
    pub fn of_level(name: &str) -> Option<&'static [Self]> {
        Self::LEVELS.iter().find(|level| level.0 == name).map(|level| level.1)
    }

    /// Decodes four bits of a byte, the lowest two and the highest two.
    pub(crate) fn decode(byte: usize) -> Self {
        Self::ALL[byte % 4 + 4 * [0, 1, 2, 1][byte / 64 % 4]]
    }
}

/// Calls a generic function with the [`Config`](talloc_core::Config) of a profile.
macro_rules! with_profile {
    ($profile:expr, $function:ident($($argument:expr),*)) => {{
        use talloc_core::{Checked, Compact, Hardened, Micro, RealTime};
        use $crate::{Everything, Profile, Shrunk};
        match $profile {
            Profile::Compact => $function::<Compact>($($argument),*),
            Profile::RealTime => $function::<RealTime>($($argument),*),
            Profile::Micro => $function::<Micro>($($argument),*),
            Profile::Shrunk => $function::<Shrunk>($($argument),*),
            Profile::Checked => $function::<Checked>($($argument),*),
            Profile::CheckedRealTime => $function::<Checked<RealTime>>($($argument),*),
            Profile::CheckedMicro => $function::<Checked<Micro>>($($argument),*),
            Profile::CheckedShrunk => $function::<Checked<Shrunk>>($($argument),*),
            Profile::Hardened => $function::<Hardened<Compact, Everything>>($($argument),*),
            Profile::HardenedRealTime => {
                $function::<Hardened<RealTime, Everything>>($($argument),*)
            }
            Profile::HardenedMicro => $function::<Hardened<Micro, Everything>>($($argument),*),
            Profile::HardenedShrunk => $function::<Hardened<Shrunk, Everything>>($($argument),*),
        }
    }};
}
pub(crate) use with_profile;

/// The setup of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub profile: Profile,
    /// The initial size of the first arena in bytes.
    pub size: usize,
    /// The offset of the first arena from an aligned address, in bytes.
    pub skew: usize,
    pub source: Kind,
    /// The largest number of arenas.
    pub max_arenas: usize,
}

impl Setup {
    /// The sizes of the first arena to try, in bytes.
    pub const SIZES: [usize; 6] = [64, 200, 1 << 10, 4 << 10, 64 << 10, 1 << 20];

    /// Returns the size of the pool for arenas: a multiple of the first one, with room for further arenas next to small
    /// ones.
    pub fn pool_size(&self) -> usize {
        (4 * self.size).min(self.size + (1 << 20)).max(64 << 10)
    }

    /// Decodes three bytes.
    pub(super) fn decode(cursor: &mut Cursor) -> Self {
        let (first, second, third) = (cursor.byte(), cursor.byte(), cursor.byte());
        // A large arena takes long to prepare and needs a long script, so only the oracle uses it.
        let sizes = &Self::SIZES[..Self::SIZES.len() - 1];
        Self {
            profile: Profile::decode(first),
            max_arenas: [1, 2, 3, 8][first / 4 % 4],
            size: sizes[second % sizes.len()] + second / sizes.len(),
            skew: third / 8,
            source: Kind::ALL[third % 8 % Kind::ALL.len()],
        }
    }
}
