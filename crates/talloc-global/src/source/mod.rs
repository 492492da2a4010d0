//! Where memory comes from, ready made.

mod region;

#[cfg(any(
    target_arch = "wasm32",
    all(
        feature = "system",
        any(unix, windows),
        not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))
    )
))]
mod needed;
#[cfg(all(
    feature = "system",
    any(unix, windows),
    not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))
))]
mod system;

#[cfg(target_arch = "wasm32")]
mod wasm;

pub use region::*;
#[cfg(all(
    feature = "system",
    any(unix, windows),
    not(any(target_os = "espidf", target_os = "horizon", target_os = "vita"))
))]
pub use system::*;
#[cfg(target_arch = "wasm32")]
pub use wasm::*;
