//! Choosing without a branch.

/// `if condition { yes } else { no }`, for values that are cheap and a condition that branch prediction cannot guess.
///
/// Mispredicted branches dominate the time of random workloads. Where the compiler can be told so, it uses a
/// conditional move.
#[inline(always)]
pub(crate) fn select<T>(condition: bool, yes: T, no: T) -> T {
    #[cfg(rustc_1_88)]
    #[allow(clippy::incompatible_msrv)] // Older compilers do without.
    {
        core::hint::select_unpredictable(condition, yes, no)
    }
    #[cfg(not(rustc_1_88))]
    {
        if condition { yes } else { no }
    }
}
