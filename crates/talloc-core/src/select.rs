//! Choosing without a branch.

/// `if condition { yes } else { no }`, where both are cheap and which it is cannot be predicted.
///
/// Random workloads are bound by mispredicted branches; compilers that can be told so choose by
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
