//! What a [`Checked`](crate::config::Checked) heap reports.

pub use talloc_sync::{Call, Fault, Misuse, OnMisuse, Panics};
