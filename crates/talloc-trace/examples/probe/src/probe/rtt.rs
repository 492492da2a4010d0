//! An RTT channel.

use rtt_target::{ChannelMode, UpChannel, rtt_init};
use talloc_trace::Sink;

/// The channel `talloc`. Its buffer holds bytes until the probe reads them.
pub struct Channel(UpChannel);

impl Channel {
    /// Initializes RTT. Must be called only once.
    pub fn open() -> Self {
        let channels = rtt_init! {
            up: {
                0: {
                    size: 16384,
                    mode: ChannelMode::NoBlockSkip,
                    name: "talloc"
                }
            }
        };
        Self(channels.up.0)
    }
}

impl Sink for Channel {
    /// In this mode, a write that does not fit writes nothing and returns 0. The program never waits for the probe.
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write(bytes) == bytes.len()
    }
}
