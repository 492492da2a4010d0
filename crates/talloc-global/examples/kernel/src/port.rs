//! The serial port, and how to exit.

use core::arch::asm;
use core::fmt::{self, Write};

/// The first serial port's data register, its status register, and the bit that says that it can transmit.
const DATA: u16 = 0x3f8;
const STATUS: u16 = 0x3fd;
const IS_EMPTY: u8 = 1 << 5;

/// The port of QEMU's exit device. See the README.
const EXIT: u16 = 0xf4;

/// Prints a line. Only one core prints at a time: the first one, or one that panics.
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
    Serial.write_fmt(text).expect("writing to the serial port cannot fail");
}

/// Exits QEMU, with status 33 for success and 35 for failure.
pub fn exit(is_success: bool) -> ! {
    write(EXIT, if is_success { 16 } else { 17 });
    crate::cpu::halt()
}

pub fn write(port: u16, value: u8) {
    // SAFETY: The devices used here do not write to memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
}

pub fn write_word(port: u16, value: u16) {
    // SAFETY: The devices used here do not write to memory.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack)) };
}

pub fn read(port: u16) -> u8 {
    let value;
    // SAFETY: The devices used here do not write to memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) };
    value
}
