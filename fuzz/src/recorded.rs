//! Traces from arbitrary bytes: the readable part can be written and read again.

use talloc_trace::{Event, Flags, Header, Op, Reader, Writer};

use crate::run::{Failure, catch};

/// Reads a trace, and checks that it is the same after it is written and read again. The first byte contains the
/// trace's flags, the rest its records. Returns the number of events.
///
/// # Errors
///
/// If the trace differs.
pub fn run(bytes: &[u8]) -> Result<usize, Box<Failure>> {
    let mut number = 0;
    let result = catch(|| {
        let (events, stacks) = read(&file_of(bytes));
        number = events.len();
        let written = write(&events, &stacks)?;
        let (again, stacks_again) = read(&written);
        if (&again, &stacks_again) == (&events, &stacks) {
            return Ok(());
        }
        let different = events.iter().zip(&again).position(|(one, other)| one != other);
        Err(format!("event {different:?} of {number} differs after it was written"))
    });
    result.map_err(|message| {
        let calls = format!("{bytes:?}");
        Box::new(Failure { message, setup: "a trace".to_owned(), calls })
    })?;
    Ok(number)
}

/// Returns a streamed trace with the parts that the flags select. All of them are known.
fn file_of(bytes: &[u8]) -> Vec<u8> {
    let (bits, records) = bytes.split_first().unwrap_or((&0, &[]));
    let known = Flags::CALL_SITES | Flags::TIMES | Flags::ADDRESSES;
    let flags = Flags::from_bits(u64::from(*bits) & known.bits()).unwrap_or_default();
    let header = Header { flags: flags | Flags::STREAMED, ..Header::default() };
    let (header, size) = header.to_bytes();
    [&header[..size], records].concat()
}

/// Returns the events up to the first error, with ids and without places, and their call stacks.
fn read(file: &[u8]) -> (Vec<Event>, Vec<Vec<u64>>) {
    let Ok(reader) = Reader::new(file) else { return Default::default() };
    let mut reader = reader.partial(true);
    let (mut events, mut stacks) = (Vec::new(), Vec::new());
    while let Ok(Some(event)) = reader.next_event() {
        let stack = event.site.map_or(Vec::new(), |site| reader.sites().frames(site).to_vec());
        let op = match event.op {
            Op::Alloc { id, size, zeroed, .. } => Op::Alloc { id, size, zeroed, address: 0 },
            Op::Realloc { id, size, .. } => Op::Realloc { id, size, address: 0 },
            op => op,
        };
        events.push(Event { op, site: None, offset: 0, record: 0, ..event });
        stacks.push(if matches!(op, Op::Free { .. }) { Vec::new() } else { stack });
    }
    (events, stacks)
}

fn write(events: &[Event], stacks: &[Vec<u64>]) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let flags = Flags::CALL_SITES | Flags::TIMES;
    let mut writer = Writer::with_flags(Vec::new(), flags, 0).map_err(text)?;
    for (event, stack) in events.iter().zip(stacks) {
        writer.write(event, stack).map_err(text)?;
    }
    writer.finish().map_err(text)
}
