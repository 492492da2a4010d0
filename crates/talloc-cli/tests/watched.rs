//! Memcheck and heaptrack observe blocks of `SystemTalloc` through `talloc_profile::Watched`.
//!
//! The observed program is this one. With the name of a fault as its argument, it commits that fault.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod watched {
    use std::alloc::{GlobalAlloc, Layout};
    use std::hint::black_box;
    use std::path::Path;
    use std::process::Command;
    use talloc_global::SystemTalloc;
    use talloc_profile::Watched;

    #[global_allocator]
    static ALLOCATOR: Watched<SystemTalloc> = Watched::new(SystemTalloc::new());

    /// The faults, and memcheck's message for each.
    const FAULTS: [(&str, &str); 7] = [
        ("use-after-free", "16 bytes inside a block of size 40 free'd"),
        ("overflow", "0 bytes after a block of size 40 alloc'd"),
        ("underflow", "8 bytes before a block of size 40 alloc'd"),
        ("uninitialised", "depends on uninitialised value"),
        ("double-free", "Invalid free()"),
        ("stale-after-growth", "inside a block of size 40 free'd"),
        ("leak", "definitely lost"),
    ];

    pub fn main() {
        match std::env::args().nth(1).as_deref() {
            Some("--list") | Some("--help") => {}
            Some(name) if name == "fine" || FAULTS.iter().any(|(fault, _)| *fault == name) => {
                do_it(name);
            }
            _ => check(),
        }
    }

    #[inline(never)]
    fn do_it(name: &str) {
        let layout = Layout::new::<[u64; 5]>();
        // SAFETY: This is misuse, but all accesses are to this program's memory, because blocks have room around them
        // and are not reused at once.
        unsafe {
            let block = ALLOCATOR.alloc(layout).cast::<u64>();
            let end = || ALLOCATOR.dealloc(block.cast(), layout);
            match name {
                "use-after-free" => {
                    block.write_volatile(1);
                    end();
                    black_box(block.add(2).read_volatile());
                }
                "overflow" => {
                    block.add(5).write_volatile(1);
                    end();
                }
                "underflow" => {
                    block.sub(1).write_volatile(1);
                    end();
                }
                "uninitialised" => {
                    if block.read_volatile() == 1 {
                        println!("by chance");
                    }
                    end();
                }
                "double-free" => {
                    end();
                    end();
                }
                "stale-after-growth" => {
                    block.write_bytes(1, 5);
                    let grown = ALLOCATOR.realloc(block.cast(), layout, 80);
                    black_box(block.add(1).read_volatile());
                    ALLOCATOR.dealloc(grown, Layout::from_size_align_unchecked(80, 8));
                }
                "leak" => leak_here(),
                _ => {
                    // Correct accesses cause no message, including those of threads.
                    end();
                    let threads: Vec<_> = (0..4)
                        .map(|number| std::thread::spawn(move || vec![number; 10_000]))
                        .collect();
                    let all = threads.into_iter().flat_map(|thread| thread.join().unwrap());
                    let mut all: Vec<u64> = all.collect();
                    all.shrink_to_fit();
                    assert_eq!(all.iter().sum::<u64>(), 60_000);
                    let zeros = vec![0_u8; 100_000];
                    assert!(zeros.iter().all(|byte| *byte == 0));
                }
            }
        }
    }

    #[inline(never)]
    fn leak_here() {
        for _ in 0..3 {
            black_box(Box::leak(vec![7_u8; 12_345].into_boxed_slice()));
        }
    }

    fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(program).args(arguments).output().unwrap_or_else(|_| {
            panic!("there is no {program}; to get it: apt-get install {program}")
        });
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    fn check() {
        let program = std::env::current_exe().unwrap();
        let program = program.to_str().unwrap();
        let memcheck = |name| {
            let options =
                ["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"];
            run("valgrind", &[&options[..], &[program, name]].concat())
        };
        let (code, text) = memcheck("fine");
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("ERROR SUMMARY: 0 errors"), "{text}");
        for (name, says) in FAULTS {
            let (code, text) = memcheck(name);
            assert_eq!(code, Some(99), "{name}: {text}");
            assert!(text.contains(says), "{name}: {text}");
            println!("memcheck: {name} ... ok");
        }
        heaptrack(program);
        println!("heaptrack: ok");
    }

    /// Heaptrack reports who leaks how much.
    fn heaptrack(program: &str) {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("recorded");
        let (code, text) = run("heaptrack", &["-o", record.to_str().unwrap(), program, "leak"]);
        assert_eq!(code, Some(0), "{text}");
        let files = std::fs::read_dir(folder.path()).unwrap();
        let file = files.map(|file| file.unwrap().path()).find(|path| is_record(path));
        let file = file.unwrap_or_else(|| panic!("{text}"));
        let (code, text) = run("heaptrack_print", &["--print-leaks", "1", file.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("37.03K leaked over 3 calls from"), "{text}");
        assert!(text.contains("leak_here"), "{text}");
    }

    fn is_record(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "gz" || extension == "zst")
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn main() {
    watched::main();
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn main() {}
