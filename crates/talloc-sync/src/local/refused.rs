//! Programs that must not compile: each would use memory that is gone, or twice.
//!
//! The memory lives for as long as the cell:
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
//! Memory that is claimed later, too:
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
//! Behind a reference, the lifetime does not become shorter:
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
//! Nor does that of a supply's memory become longer:
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
//! Nobody else uses the memory:
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
//! Bytes that are read later must be initialised, and those of a heap need not be:
//!
//! ```compile_fail,E0597
//! use talloc_sync::TallocCell;
//!
//! let mut memory = [0_u8; 1000];
//! let cell = TallocCell::from_static(&mut memory);
//! ```
//!
//! The cell lives for as long as what is allocated:
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
//! One thread has the cell:
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
//! And so what is allocated stays there:
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
