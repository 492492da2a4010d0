//! Programs that must not compile: each would use memory after its lifetime, or give it to two owners.
//!
//! The memory must live as long as the cell:
//!
//! ```compile_fail,E0597
//! use core::mem::MaybeUninit;
//! use talloc_sync::TallocCell;
//!
//! let cell = {
//!     let mut memory = [MaybeUninit::uninit(); 1000];
//!     TallocCell::new(&mut memory)
//! };
//! cell.flush();
//! ```
//!
//! So must memory that is claimed later:
//!
//! ```compile_fail,E0597
//! use core::mem::MaybeUninit;
//! use talloc_sync::TallocCell;
//!
//! let cell = TallocCell::empty();
//! {
//!     let mut memory = [MaybeUninit::uninit(); 1000];
//!     cell.claim(&mut memory).unwrap();
//! }
//! cell.flush();
//! ```
//!
//! The lifetime of the memory cannot be shortened behind a reference:
//!
//! ```compile_fail
//! use core::mem::MaybeUninit;
//! use talloc_sync::TallocCell;
//!
//! fn claim<'short>(cell: &TallocCell<'static>, memory: &'short mut [MaybeUninit<u8>]) {
//!     let cell: &TallocCell<'short> = cell;
//!     cell.claim(memory).unwrap();
//! }
//! ```
//!
//! Nor can the lifetime of a supply's memory be extended:
//!
//! ```compile_fail,E0597
//! use core::mem::MaybeUninit;
//! use talloc_sync::TallocCell;
//!
//! let cell = {
//!     let mut memory = Some([MaybeUninit::uninit(); 1000]);
//!     TallocCell::empty().with_supply_fn(|_| memory.as_mut().map(|memory| &mut memory[..]))
//! };
//! cell.flush();
//! ```
//!
//! Nobody else may use the memory:
//!
//! ```compile_fail,E0499
//! use core::mem::MaybeUninit;
//! use talloc_sync::TallocCell;
//!
//! let mut memory = [MaybeUninit::uninit(); 1000];
//! let one = TallocCell::new(&mut memory);
//! let two = TallocCell::new(&mut memory);
//! one.flush();
//! ```
//!
//! The heap may leave bytes uninitialised, so memory that is read later cannot be claimed:
//!
//! ```compile_fail,E0597
//! use talloc_sync::TallocCell;
//!
//! let mut memory = [0_u8; 1000];
//! let cell = TallocCell::from_static(&mut memory);
//! ```
//!
//! The cell must live as long as its blocks:
//!
#![cfg_attr(feature = "allocator", doc = "```compile_fail,E0597")]
#![cfg_attr(not(feature = "allocator"), doc = "```ignore")]
//! use allocator_api2::boxed::Box;
//! use talloc_sync::TallocCell;
//!
//! let number = {
//!     let cell = TallocCell::from_static(std::boxed::Box::leak(std::boxed::Box::new([0; 1000])));
//!     Box::leak(Box::new_in(7, &cell))
//! };
//! assert_eq!(*number, 7);
//! ```
//!
//! And is not moved or taken apart meanwhile:
//!
#![cfg_attr(feature = "allocator", doc = "```compile_fail,E0505")]
#![cfg_attr(not(feature = "allocator"), doc = "```ignore")]
//! use allocator_api2::boxed::Box;
//! use talloc_sync::TallocCell;
//!
//! let cell = TallocCell::from_static(std::boxed::Box::leak(std::boxed::Box::new([0; 1000])));
//! let number = Box::new_in(7, &cell);
//! cell.into_supply();
//! drop(number);
//! ```
//!
//! Threads cannot share a cell:
//!
//! ```compile_fail,E0277
//! use talloc_sync::TallocCell;
//!
//! let cell = TallocCell::empty();
//! std::thread::scope(|scope| {
//!     scope.spawn(|| cell.flush());
//!     cell.flush();
//! });
//! ```
//!
//! Nor can a block be sent to another thread:
//!
#![cfg_attr(feature = "allocator", doc = "```compile_fail,E0277")]
#![cfg_attr(not(feature = "allocator"), doc = "```ignore")]
//! use allocator_api2::boxed::Box;
//! use talloc_sync::TallocCell;
//!
//! let cell = TallocCell::from_static(std::boxed::Box::leak(std::boxed::Box::new([0; 1000])));
//! let number = Box::new_in(7, &cell);
//! std::thread::scope(|scope| {
//!     scope.spawn(move || drop(number));
//! });
//! ```
