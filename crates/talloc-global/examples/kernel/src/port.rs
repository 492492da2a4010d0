//! The serial line, and the end.

use core::arch::asm;
use core::fmt::{self, Write};

/// The first serial port: its data, and whether it takes any more.
const DATA: u16 = 0x3f8;
const STATUS: u16 = 0x3fd;
const IS_EMPTY: u8 = 1 << 5;

/// QEMU's device that ends it; see the README.
const EXIT: u16 = 0xf4;

/// Prints a line. One core does at a time: the first one, or one that panics.
macro_rules! println {
    ($($part:tt)*) => { $crate::port::print(format_args!("{}\n", format_args!($($part)*))) };
}
pub(crate) use println;

pub fn print(text: fmt::Arguments<'_>) {
    struct Serial;
    impl Write for Serial {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                while read(STATUS) & IS_EMPTY == 0 {}
                write(DATA, byte);
            }
            Ok(())
        }
    }
    Serial.write_fmt(text).expect("the line takes everything");
}

/// Ends the emulator, with the status 33 if that is a success and 35 if not.
pub fn exit(is_success: bool) -> ! {
    write(EXIT, if is_success { 16 } else { 17 });
    crate::cpu::halt()
}

pub fn write(port: u16, value: u8) {
    // SAFETY: None of the devices that are used here writes to memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

pub fn write_word(port: u16, value: u16) {
    // SAFETY: As above.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack)) };
}

pub fn read(port: u16) -> u8 {
    let value;
    // SAFETY: As above.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}
