//! Hand-off: threads free blocks that other threads allocate.

use super::work::{Block, Cost, Load};
use std::{
    alloc::GlobalAlloc,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
};

/// Blocks that are handed on together.
const PARCEL: usize = 100;

/// The most parcels that may be under way from one thread to the next. There are many, so that threads seldom wait for
/// each other: waiting would be measured, too.
const WAITING: usize = 200;

type Parcel = [Block; PARCEL];

/// Each thread allocates blocks for the next one, and frees those that it gets from the one before.
pub fn run<H: GlobalAlloc + Sync>(load: &Load, heap: &H) -> Cost {
    let parcels = load.calls / load.threads / (2 * PARCEL);
    let (senders, mut inboxes): (Vec<_>, Vec<_>) =
        (0..load.threads).map(|_| sync_channel::<Parcel>(WAITING)).unzip();
    inboxes.rotate_right(1);
    let parts = senders.into_iter().zip(inboxes).collect();
    load.start(parts, |thread, (sender, inbox)| {
        let mut random = fastrand::Rng::with_seed(thread as u64);
        for number in 0..parcels {
            let parcel =
                std::array::from_fn(|_| Block::new(heap, load.size(&mut random), number as u8));
            send(heap, parcel, &sender, &inbox);
            if let Ok(parcel) = inbox.try_recv() {
                unpack(heap, parcel);
            }
        }
        drop(sender);
        inbox.iter().for_each(|parcel| unpack(heap, parcel));
    })
}

/// Sends a parcel. While the next thread has no room for it, frees received parcels.
fn send<H: GlobalAlloc>(
    heap: &H,
    mut parcel: Parcel,
    sender: &SyncSender<Parcel>,
    inbox: &Receiver<Parcel>,
) {
    while let Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) =
        sender.try_send(parcel)
    {
        parcel = back;
        match inbox.try_recv() {
            Ok(other) => unpack(heap, other),
            Err(_) => thread::yield_now(),
        }
    }
}

fn unpack<H: GlobalAlloc>(heap: &H, parcel: Parcel) {
    parcel.into_iter().for_each(|block| block.free(heap));
}
