//! A server that leaks, to be found with a profile: `leaky_server FILE [careful]`.
//!
//! Clients open a session and request pages. The server removes the session of a client that says goodbye, but not of
//! one that hangs up. With `careful`, it removes both. `crates/talloc-cli/walkthroughs/leak.md` finds the leak.

use std::alloc::System;
use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use talloc_profile::{DEFAULT_INTERVAL, Profiled};

#[global_allocator]
static ALLOCATOR: Profiled<System> = Profiled::new(System);

/// The number of clients. Every third one hangs up.
const CLIENTS: usize = 3000;

/// The size of a page in bytes.
const PAGE: usize = 16 << 10;

/// The state of a client.
struct Session {
    /// The pages that the client has visited.
    history: Vec<Vec<u8>>,
}

struct Server {
    sessions: HashMap<usize, Session>,
    is_careful: bool,
}

impl Server {
    /// Serves the clients one after another.
    fn run(&mut self, listener: &TcpListener) -> std::io::Result<()> {
        for number in 0..CLIENTS {
            let (stream, _) = listener.accept()?;
            self.serve(number, &stream)?;
        }
        Ok(())
    }

    #[inline(never)]
    fn serve(&mut self, client: usize, stream: &TcpStream) -> std::io::Result<()> {
        let mut answers = stream;
        for request in BufReader::new(stream).lines() {
            match request?.as_str() {
                "bye" => {
                    self.sessions.remove(&client);
                }
                page => answers.write_all(self.open_page(client, page))?,
            }
        }
        if self.is_careful {
            self.sessions.remove(&client);
        }
        Ok(())
    }

    /// Renders a page and adds it to the client's history.
    #[inline(never)]
    fn open_page(&mut self, client: usize, name: &str) -> &[u8] {
        let session = self.sessions.entry(client).or_insert_with(|| Session { history: vec![] });
        session.history.push(render(name));
        session.history.last().expect("a page was just pushed")
    }
}

#[inline(never)]
fn render(name: &str) -> Vec<u8> {
    let mut page = format!("<h1>{name}</h1>\n").into_bytes();
    page.resize(PAGE, b' ');
    page
}

/// Requests a page, and then says goodbye or hangs up.
fn visit(address: SocketAddr, number: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    writeln!(stream, "page {number}")?;
    let mut answer = [0; PAGE];
    std::io::Read::read_exact(&mut stream, &mut answer)?;
    if number % 3 > 0 {
        writeln!(stream, "bye")?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("usage: leaky_server FILE [careful]")?;
    let mut server = Server {
        sessions: HashMap::new(),
        is_careful: arguments.next().is_some_and(|argument| argument == "careful"),
    };
    ALLOCATOR.start(DEFAULT_INTERVAL);

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients = thread::spawn(move || (0..CLIENTS).try_for_each(|number| visit(address, number)));
    server.run(&listener)?;
    clients.join().expect("the clients do not panic")?;

    println!("{CLIENTS} clients have gone; {} sessions are open", server.sessions.len());
    // The server is still alive, as when a signal requests a profile.
    ALLOCATOR.write(file)?;
    Ok(())
}
