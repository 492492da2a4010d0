//! Zones as a whole.
