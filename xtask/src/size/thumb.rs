//! The code of a microcontroller.

use std::fs;

use anyhow::{Context, Result, anyhow};
use cargo_metadata::camino::Utf8Path;
use comfy_table::Table;
use object::{Object, ObjectSection, SectionFlags, elf};

use super::program::Recipe;
use super::table_of;
use crate::workspace::Workspace;

const TRIPLE: &str = "thumbv7m-none-eabi";

/// The features of the program, and the names of their allocators.
pub const ALLOCATORS: [(&str, &str); 11] = [
    ("talloc-smallest", "talloc, `Tiny`"),
    ("talloc-micro-one-arena", "talloc, `OneArena<Micro>`"),
    ("talloc-micro", "talloc, `Micro`"),
    ("talloc-real-time", "talloc, `RealTime`"),
    ("talloc", "talloc, `Compact`"),
    ("talc5", "talc 5.1.1"),
    ("talc4", "talc 4.4.3"),
    ("rlsf", "rlsf 0.2.3, u16 and u8 bitmaps"),
    ("linked-list", "linked_list_allocator 0.10.6"),
    ("embedded-tlsf", "embedded-alloc 0.7.0, TLSF"),
    ("embedded-llff", "embedded-alloc 0.7.0, LLFF"),
];

/// The most bytes of code for the first allocator.
const MAX_FLASH: u64 = 2400;

/// The table, and whether the first allocator is as small as it should be.
pub fn table(workspace: &Workspace) -> Result<(Table, Result<()>)> {
    let recipe = Recipe::new(workspace, TRIPLE)?;
    let weigh = |features: &[&str]| Weight::of(&recipe.build("smallest", features)?);
    let (none, none_with_init) = (weigh(&["none"])?, weigh(&["none", "init"])?);
    let mut rows = Vec::new();
    let mut least = None;
    for (feature, name) in ALLOCATORS {
        let calls = weigh(&[feature])?;
        let all = weigh(&[feature, "init"])?;
        let flash = calls.flash.saturating_sub(none.flash);
        least.get_or_insert(flash);
        rows.push([
            name.to_owned(),
            flash.to_string(),
            all.flash.saturating_sub(none_with_init.flash).to_string(),
            all.memory.saturating_sub(none_with_init.memory).to_string(),
        ]);
    }
    let heading = [
        "bytes on thumbv7m, opt-level z",
        "malloc, free, realloc",
        "with the heap's set-up",
        "memory",
    ];
    let result = match least {
        Some(least) if least <= MAX_FLASH => Ok(()),
        _ => Err(anyhow!("the smallest heap takes {least:?} bytes of code, more than {MAX_FLASH}")),
    };
    Ok((table_of(heading, rows), result))
}

/// The memory that a program takes on a microcontroller.
struct Weight {
    /// Code, constants, and initial values of variables.
    flash: u64,
    /// Variables.
    memory: u64,
}

impl Weight {
    fn of(program: &Utf8Path) -> Result<Self> {
        let data = fs::read(program).with_context(|| format!("{program} is not there"))?;
        let file = object::File::parse(&*data)?;
        let mut weight = Self { flash: 0, memory: 0 };
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            // The linker scripts of real programs discard tables for unwinding.
            let name = section.name()?;
            if !sh_flags.contains(elf::SHF_ALLOC) || name.starts_with(".ARM.ex") {
                continue;
            }
            let (_, stored) = section.file_range().unwrap_or((0, 0));
            weight.flash += stored;
            if sh_flags.contains(elf::SHF_WRITE) {
                weight.memory += section.size();
            }
        }
        Ok(weight)
    }
}
