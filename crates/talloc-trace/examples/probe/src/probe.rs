//! The destination of the trace.

#[cfg(feature = "defmt")]
mod log;
#[cfg(not(feature = "defmt"))]
mod rtt;

#[cfg(feature = "defmt")]
pub use log::Log as Probe;
#[cfg(not(feature = "defmt"))]
pub use rtt::Channel as Probe;
