//! Records the allocations of a program on another machine. `to_socket ADDRESS` connects to a receiver and sends the
//! trace while it is recorded. A receiver is `nc -l 9000 >program.atr` or `to_socket --receive ADDRESS FILE`.
//!
//! The sink never waits for the network. It writes to a buffer, which a thread sends. If the buffer is full, events are
//! lost, and the trace contains their number.

use std::alloc::System;
use std::collections::VecDeque;
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use talloc_trace::{Hosted, Sink, Traced};

type Lock = spin::mutex::SpinMutex<(), spin::Yield>;

#[global_allocator]
static ALLOCATOR: Traced<System, ToSocket, Lock, Hosted> = Traced::new(System);

/// The size of the buffer in bytes.
const ROOM: usize = 1 << 20;

/// Bytes that were recorded but not yet sent.
struct Queue {
    bytes: VecDeque<u8>,
    is_closed: bool,
}

/// Connects the program with the sending thread.
struct Pipe {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The sending end of the pipe.
struct ToSocket(Arc<Pipe>);

impl Sink for ToSocket {
    fn write(&mut self, bytes: &[u8]) -> bool {
        // The queue has enough capacity, so this does not allocate.
        let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = queue.bytes.len() + bytes.len() <= ROOM;
        if fits {
            queue.bytes.extend(bytes);
            self.0.changed.notify_one();
        }
        fits
    }
}

impl Pipe {
    fn new() -> Self {
        let queue = Queue { bytes: VecDeque::with_capacity(ROOM), is_closed: false };
        Self { queue: Mutex::new(queue), changed: Condvar::new() }
    }

    /// Sends all bytes until the pipe is closed.
    fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut part = [0; 4096];
        loop {
            let size = self.take(&mut part);
            if size == 0 {
                return stream.flush();
            }
            stream.write_all(&part[..size])?;
        }
    }

    /// Takes some bytes. Waits until there are some or the pipe is closed.
    fn take(&self, part: &mut [u8]) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |queue: &mut Queue| queue.bytes.is_empty() && !queue.is_closed;
        let queue = self.changed.wait_while(queue, is_idle);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        // Reading from a `VecDeque` cannot fail.
        io::Read::read(&mut queue.bytes, part).unwrap_or(0)
    }

    fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.changed.notify_one();
    }
}

fn program() -> usize {
    let lines: Vec<String> = (0..2000).map(|number| format!("line {number}\n")).collect();
    lines.concat().len()
}

fn record(address: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    let pipe = Arc::new(Pipe::new());
    let sender = Arc::clone(&pipe);
    let thread = thread::spawn(move || sender.send(&mut stream));
    ALLOCATOR
        .start(ToSocket(Arc::clone(&pipe)))
        .map_err(|_| "the header does not fit in the buffer")?;
    let bytes = program();
    ALLOCATOR.stop().ok_or("nothing was recorded")?;
    pipe.close();
    thread.join().expect("the thread does not panic")?;
    println!("{bytes} bytes; {} events were lost", ALLOCATOR.lost());
    Ok(())
}

/// Writes the bytes from the first connection to a file.
fn receive(address: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)?;
    println!("waiting at {}", listener.local_addr()?);
    let (mut stream, _) = listener.accept()?;
    let bytes = io::copy(&mut stream, &mut File::create(file)?)?;
    println!("{bytes} bytes received");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--receive", address, file] => receive(address, file),
        [address] => record(address),
        _ => Err("usage: to_socket ADDRESS, or to_socket --receive ADDRESS FILE".into()),
    }
}
