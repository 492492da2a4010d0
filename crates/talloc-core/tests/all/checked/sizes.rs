//! Querying the size of a block.

use std::ptr::NonNull;

use talloc_core::{Compact, Config, Fault, Micro, RealTime, Span, Talloc};

use crate::checked::program::{Block, Program};
use crate::checked::{Noted, pointer};
use crate::common::{layout, memory};

/// Expects the right size at the address of each block, and none elsewhere.
fn expect_sizes<C: Config>(program: &Program<C>) {
    let heap = &program.heap;
    for Block { ptr, layout, .. } in &program.blocks {
        let size = heap.inspect().size_of_block(*ptr).unwrap();
        assert!(size >= layout.size() && heap.inspect().check(*ptr, *layout).is_ok());
        // The rounded size is accepted like the requested one.
        assert_eq!(heap.inspect().check(*ptr, self::layout(size, layout.align())), Ok(()));
    }
    let sizes: usize =
        program.blocks.iter().map(|b| heap.inspect().size_of_block(b.ptr).unwrap()).sum();
    assert_eq!(sizes, heap.verify().unwrap().used_bytes);
    let everywhere = program.arenas.iter().flat_map(|arena| {
        let base = arena.base().unwrap();
        (base - 8..arena.acme().unwrap() + 8).step_by(4)
    });
    let found = everywhere.filter(|addr| heap.inspect().size_of_block(pointer(*addr)).is_ok());
    assert_eq!(found.count(), program.blocks.len());
}

fn sizes_are_those_of_blocks<C: Config>(arenas: usize) {
    let mut program = Program::<C>::new(arenas, 5);
    for step in 0..if cfg!(miri) { 60 } else { 5000 } {
        program.step();
        if step % 50 == 0 {
            expect_sizes(&program);
        }
    }
    program.finish();
}

#[test]
fn sizes_are_those_of_blocks_in_any_heap() {
    sizes_are_those_of_blocks::<Compact>(1);
    sizes_are_those_of_blocks::<Compact>(3);
    sizes_are_those_of_blocks::<RealTime>(1);
    sizes_are_those_of_blocks::<Micro>(2);
}

#[test]
fn size_of_block_names_the_fault_of_other_addresses() {
    let mut heap = Talloc::<Noted<Compact>>::with_config();
    let memory = memory(16 << 10);
    // SAFETY: The memory is leaked, and nothing else uses it. The block is freed once.
    let (used, freed): (NonNull<u8>, NonNull<u8>) = unsafe {
        heap.init(memory);
        let blocks = [heap.malloc(layout(100, 8)).unwrap(), heap.malloc(layout(48, 8)).unwrap()];
        heap.free(blocks[1], layout(48, 8));
        (blocks[0], blocks[1])
    };
    let block = Span::from_base_size(used.addr().get(), 104);
    assert_eq!(heap.inspect().size_of_block(used), Ok(104));
    for offset in [1, 4, 8, 103] {
        let within = pointer(used.addr().get() + offset);
        assert_eq!(heap.inspect().size_of_block(within), Err(Fault::NotABlock { block }));
    }
    assert!(matches!(heap.inspect().size_of_block(freed), Err(Fault::AlreadyFree { .. })));
    assert!(matches!(
        heap.inspect().size_of_block(pointer(memory.base().unwrap())),
        Err(Fault::Own { .. })
    ));
    assert_eq!(heap.inspect().size_of_block(pointer(memory.acme().unwrap())), Err(Fault::Foreign));
    assert_eq!(Fault::Foreign.to_string(), "foreign pointer, it is in no arena of the heap");
}
