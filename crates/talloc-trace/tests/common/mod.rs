//! Random traces.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use talloc_trace::{Event, Op};

/// A random trace that a real program could have.
#[derive(Debug, Clone)]
pub struct Model {
    /// The events, each with its call stack.
    pub events: Vec<(Event, Vec<u64>)>,
}

#[allow(dead_code, reason = "each test uses some of it")]
impl Model {
    pub fn threads(&self) -> u64 {
        self.events.iter().map(|(event, _)| event.thread).collect::<BTreeSet<_>>().len() as u64
    }

    pub fn lost(&self) -> u64 {
        let lost = self.events.iter().map(|(event, _)| match event.op {
            Op::Lost { count } => count,
            _ => 0,
        });
        lost.sum()
    }

    /// Returns the ids and sizes of the objects that are live at the end.
    pub fn live(&self) -> Vec<(u64, u64)> {
        let mut live = BTreeMap::new();
        for (event, _) in &self.events {
            match event.op {
                Op::Alloc { id, size, .. } | Op::Realloc { id, size, .. } => {
                    live.insert(id, size);
                }
                Op::Free { id } => _ = live.remove(&id),
                Op::Refused { .. } | Op::Lost { .. } => {}
            }
        }
        live.into_iter().collect()
    }
}

/// The random data for an event: the operation, its object, and its arguments.
type Draw = (u8, usize, u64, u64, Option<u8>, u16, Vec<u64>);

/// Generates random traces, with records of refused requests and lost events if `notes`.
pub fn model(notes: bool) -> impl Strategy<Value = Model> {
    let size = prop_oneof![0..100_u64, 0..1_000_000_u64, Just(1 << 56)];
    let align = proptest::option::weighted(0.2, 0..64_u8);
    let frames = proptest::collection::vec(prop_oneof![0..20_u64, any::<u64>()], 0..6);
    let draw = (0..10_u8, any::<usize>(), size, 0..4_u64, align, any::<u16>(), frames);
    proptest::collection::vec(draw, 0..200).prop_map(move |draws| build(draws, notes))
}

fn build(draws: Vec<Draw>, notes: bool) -> Model {
    let (mut live, mut objects, mut time) = (Vec::new(), 0, 0);
    let mut events = Vec::new();
    for (kind, pick, size, thread, align_log2, later, frames) in draws {
        time += u64::from(later);
        let picked = (!live.is_empty()).then(|| pick % live.len().max(1));
        let op = match (kind, picked) {
            (0..4, Some(index)) => Op::Free { id: live.swap_remove(index) },
            (4..6, Some(index)) => Op::Realloc { id: live[index], size, address: 0 },
            (6, _) if notes => Op::Refused { size },
            (7, _) if notes => Op::Lost { count: size },
            (zeroed, _) => {
                live.push(objects);
                objects += 1;
                Op::Alloc { id: objects - 1, size, zeroed: zeroed == 8, address: 0 }
            }
        };
        let event = Event { op, thread, align_log2, time, site: None, offset: 0, record: 0 };
        events.push((event, frames));
    }
    Model { events }
}
