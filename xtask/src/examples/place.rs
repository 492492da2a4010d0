//! The places in which examples run.

use anyhow::Result;
use itertools::Itertools;

use crate::cmd::{Cmd, Ran};
use crate::targets::qemu::{self, Board, Clock};
use crate::targets::{INSTALL, program};
use crate::workspace::Workspace;

/// The place in which an example runs.
pub enum Place {
    /// On this machine, with these arguments.
    Here(&'static [&'static str]),
    /// On a board.
    Board { about: &'static str, triple: &'static str, board: Board },
    /// On a board, where a trace and a snapshot are recorded: they tell how much memory the program needs, and show
    /// what lies where.
    Recorded { about: &'static str, triple: &'static str, board: Board },
    /// On a board, with RTT; with defmt, it is only built: the emulator has no probe.
    Probed { about: &'static str, triple: &'static str, board: Board },
    /// On a PC, without an operating system.
    Pc,
}

/// A PC of four cores, with half of its memory above 4 GiB, so that there is a hole in it; and a
/// device that ends the emulator.
const PC: [&str; 14] = [
    "-M",
    "pc,max-ram-below-4g=64M",
    "-m",
    "128M",
    "-smp",
    "4",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-device",
    "isa-debug-exit,iobase=0xf4,iosize=1",
    "-kernel",
];

const PC_TRIPLE: &str = "x86_64-unknown-none";

impl Place {
    pub fn about(&self) -> &'static str {
        match self {
            Self::Here(_) => "this machine",
            Self::Board { about, .. }
            | Self::Recorded { about, .. }
            | Self::Probed { about, .. } => about,
            Self::Pc => "a PC of four cores",
        }
    }

    /// The programs that an example needs.
    pub fn needs(&self) -> String {
        let emulated = |package: &str, triple: &str| {
            format!("{INSTALL} {package} lld; a compiler for {triple}, or the library's sources")
        };
        match self {
            Self::Here(_) => "nothing".to_owned(),
            Self::Board { triple, board, .. }
            | Self::Recorded { triple, board, .. }
            | Self::Probed { triple, board, .. } => emulated(board.package, triple),
            Self::Pc => emulated("qemu-system-x86", PC_TRIPLE),
        }
    }

    /// The status of an example that has succeeded.
    pub fn success(&self) -> i32 {
        match self {
            Self::Here(_) | Self::Board { .. } | Self::Recorded { .. } | Self::Probed { .. } => 0,
            // What the device makes of 16, and of nothing else.
            Self::Pc => 33,
        }
    }

    /// Builds an example and runs it.
    ///
    /// # Errors
    ///
    /// If it cannot be built, or something is missing to do so or to run it.
    pub fn run(&self, workspace: &Workspace, example: &str) -> Result<Ran> {
        let package = format!("talloc-example-{example}");
        match self {
            Self::Here(arguments) => workspace
                .cargo(["run", "--quiet", "-p", "talloc-global", "--example", example, "--"])
                .args(*arguments)
                .run_reading_all(),
            Self::Board { triple, board, .. } => {
                let command =
                    |image: &str| board.command(workspace, image, &[example], Clock::Usual);
                emulated(workspace, triple, &package, &[], command)
            }
            Self::Probed { triple, board, .. } => {
                program::build(workspace, triple, &package, &["defmt"])?;
                let command =
                    |image: &str| board.command(workspace, image, &[example], Clock::Usual);
                emulated(workspace, triple, &package, &[], command)
            }
            Self::Recorded { triple, board, .. } => {
                recorded(workspace, triple, board, &package, example)
            }
            Self::Pc => emulated(workspace, PC_TRIPLE, &package, &[], |image| pc(workspace, image)),
        }
    }
}

fn pc<'a>(workspace: &'a Workspace, image: &str) -> Result<Cmd<'a>> {
    let program = qemu::find("qemu-system-x86_64", "qemu-system-x86")?;
    Ok(qemu::limited(workspace)?.args([program]).args(PC).args([image]))
}

fn emulated<'a>(
    workspace: &'a Workspace,
    triple: &str,
    package: &str,
    features: &[&str],
    command: impl Fn(&str) -> Result<Cmd<'a>>,
) -> Result<Ran> {
    // Report missing programs before building.
    command(package)?;
    let image = program::build(workspace, triple, package, features)?;
    command(image.as_str())?.run_reading()
}

/// Records a trace and a snapshot on a board, and asks the tool how large the smallest arena is that serves the trace,
/// and for a picture of the snapshot.
fn recorded(
    workspace: &Workspace,
    triple: &str,
    board: &Board,
    package: &str,
    example: &str,
) -> Result<Ran> {
    let folder = workspace.scratch("recorded");
    std::fs::create_dir_all(&folder)?;
    let [trace, heap, map] =
        ["atr", "heap", "svg"].map(|kind| folder.join(example).with_extension(kind));
    let arguments = [example, trace.as_str(), heap.as_str()];
    let command = |image: &str| board.command(workspace, image, &arguments, Clock::Usual);
    let ran = emulated(workspace, triple, package, &["trace"], command)?;
    if ran.code != Some(0) {
        return Ok(ran);
    }
    let tool = |arguments: &[&str]| {
        let run = ["run", "--quiet", "-p", "talloc-cli", "--"];
        workspace.cargo(run).args(arguments).run_reading_all()
    };
    let fit = tool(&["fit", trace.as_str()])?;
    let drawn = tool(&["map", heap.as_str(), "--output", map.as_str()])?;
    let code = if fit.code == Some(0) { drawn.code } else { fit.code };
    // The texts in the picture come first.
    let picture = std::fs::read_to_string(&map)?;
    let texts = picture.lines().filter(|line| line.starts_with("<text "));
    Ok(Ran { code, text: ran.text + &fit.text + &drawn.text + &texts.format("\n").to_string() })
}
