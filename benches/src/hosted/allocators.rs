//! The list of allocators.

use super::{
    aging::{self, Round},
    give_back::{self, GivenBack},
    resident::Resident,
};
use crate::{
    heaps::{self, Hosted},
    script::Script,
    threads::work::{Cost, Load},
};
use anyhow::{Result, bail};

/// An allocator, with every measurement instantiated for it.
pub struct Allocator {
    /// Its name.
    pub name: &'static str,
    age: fn(&Script, usize) -> Result<Vec<Round>>,
    work: fn(&Load) -> Result<(Cost, u64)>,
    give_back: fn(usize) -> Result<GivenBack>,
}

/// The allocators in the order of the tables' columns. `SystemTalloc` is the first.
pub static ALLOCATORS: &[Allocator] = &[
    Allocator::of::<heaps::SystemTalloc>(),
    Allocator::of::<heaps::System>(),
    Allocator::of::<heaps::Mimalloc>(),
    Allocator::of::<heaps::RustyAlloc>(),
    Allocator::of::<heaps::Jemalloc>(),
    #[cfg(feature = "snmalloc")]
    Allocator::of::<heaps::Snmalloc>(),
];

impl Allocator {
    const fn of<H: Hosted>() -> Self {
        Self {
            name: H::NAME,
            age: aging::age::<H>,
            work: work::<H>,
            give_back: give_back::give_back::<H>,
        }
    }

    /// Replays a script `rounds` times.
    ///
    /// # Errors
    ///
    /// If there is no memory, or resident memory cannot be measured.
    pub fn age(&self, script: &Script, rounds: usize) -> Result<Vec<Round>> {
        (self.age)(script, rounds)
    }

    /// Lets threads work. Returns the cost, and the peak of resident bytes.
    ///
    /// # Errors
    ///
    /// If resident memory cannot be measured.
    pub fn work(&self, load: &Load) -> Result<(Cost, u64)> {
        (self.work)(load)
    }

    /// Allocates `bytes` of blocks, and frees most of them.
    ///
    /// # Errors
    ///
    /// If there is no memory, or resident memory cannot be measured.
    pub fn give_back(&self, bytes: usize) -> Result<GivenBack> {
        (self.give_back)(bytes)
    }
}

fn work<H: Hosted>(load: &Load) -> Result<(Cost, u64)> {
    let resident = Resident::begin()?;
    let cost = load.run(H::global());
    Ok((cost, resident.peak()?))
}

/// Finds an allocator.
///
/// # Errors
///
/// If there is no allocator of this name.
pub fn find(name: &str) -> Result<&'static Allocator> {
    match ALLOCATORS.iter().find(|allocator| allocator.name == name) {
        Some(allocator) => Ok(allocator),
        None => {
            let names: Vec<_> = ALLOCATORS.iter().map(|allocator| allocator.name).collect();
            bail!("no hosted allocator is called {name}: there are {}", names.join(", "))
        }
    }
}

/// The allocators of these names; all if there are no names.
///
/// # Errors
///
/// If there is no allocator of one of the names.
pub fn choose(names: &[String]) -> Result<Vec<&'static Allocator>> {
    if names.is_empty() {
        return Ok(ALLOCATORS.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for allocator in ALLOCATORS {
            assert!(std::ptr::eq(find(allocator.name).unwrap(), allocator));
        }
        assert!(find("talc5").is_err());
        assert_eq!(choose(&[]).unwrap().len(), ALLOCATORS.len());
        assert_eq!(choose(&["system".to_owned()]).unwrap()[0].name, "system");
    }
}
