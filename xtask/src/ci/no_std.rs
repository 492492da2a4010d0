//! The step that shows that no library links `std` or `alloc`.
//!
//! A `#![no_std]` static library is checked on top of the libraries, on the host, so that no other
//! target need be installed. It is a whole program as far as the compiler is concerned:
//!
//! - it brings its own panic handler: if `std` is anywhere below, there are two (E0152);
//! - it has no global allocator: if `alloc` is anywhere below, one is missing.
//!
//! The step first checks that it can fail, with a library that links `std` and one that links `alloc`.

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use itertools::Itertools;

use crate::cmd::Cmd;
use crate::features;
use crate::workspace::Workspace;

/// The forbidden libraries, and the compiler's messages for them.
const FORBIDDEN: [(&str, &str); 2] = [
    ("std", "found duplicate lang item `panic_impl`"),
    ("alloc", "no global memory allocator found"),
];

pub fn check(workspace: &Workspace) -> Result<()> {
    for (name, complaint) in FORBIDDEN {
        check_control(workspace, name, complaint)?;
    }
    let traces = workspace.observers()?[0];
    let libraries = workspace.libraries()?.into_iter().chain([traces]);
    let mut default = Vec::new();
    let mut all = Vec::new();
    for library in libraries {
        let path = library.manifest_path.with_file_name("");
        // The build is a stable one, so that nightly is out as well.
        let excluded = [features::STD, features::NIGHTLY];
        let enabled = features::without(&library.features, &excluded);
        // On this machine, the default may be to use `std`.
        let usual = features::usual(&library.features);
        let usual = enabled.iter().filter(|feature| usual.contains(*feature)).cloned().collect();
        default.push(Dependency { name: &library.name, path: path.clone(), features: usual });
        all.push(Dependency { name: &library.name, path, features: enabled });
    }
    check_program(workspace, "default-features", &default)?.run()?;
    check_program(workspace, "all-features", &all)?.run()
}

/// Checks that a library that links `forbidden` is detected.
fn check_control(workspace: &Workspace, forbidden: &str, complaint: &str) -> Result<()> {
    let name = format!("links-{forbidden}");
    let path = workspace.scratch("no-std").join(&name);
    let source = format!("#![no_std]\nextern crate {forbidden};\n");
    write_package(workspace, &path, &manifest(&name, "rlib", &[]), &source)?;

    let control = Dependency { name: &name, path, features: Vec::new() };
    let output =
        check_program(workspace, &format!("control-{forbidden}"), &[control])?.run_failing()?;
    ensure!(
        output.contains(complaint),
        "a library that links `{forbidden}` must be refused with \"{complaint}\", but:\n{output}"
    );
    Ok(())
}

struct Dependency<'a> {
    name: &'a str,
    path: Utf8PathBuf,
    features: Vec<String>,
}

/// The command that checks a program without `std` on top of `dependencies`.
fn check_program<'a>(
    workspace: &'a Workspace,
    name: &str,
    dependencies: &[Dependency<'_>],
) -> Result<Cmd<'a>> {
    let folder = workspace.scratch("no-std").join(name);
    let manifest = manifest(name, "staticlib", dependencies);
    write_package(workspace, &folder, &manifest, &program(dependencies))?;

    let manifest = folder.join("Cargo.toml");
    // What is linked is known before any code is generated. In the usual folder, which has the macros already.
    Ok(workspace
        .cargo(["check", "--manifest-path", manifest.as_str()])
        .args(["--target-dir", workspace.target().as_str()]))
}

/// The profile is the workspace's, except for panics: what runs at compile time is the same then, and is there already.
fn manifest(name: &str, crate_type: &str, dependencies: &[Dependency<'_>]) -> String {
    let dependencies = dependencies.iter().map(|Dependency { name, path, features }| {
        format!(
            "{name} = {{ path = {:?}, default-features = false, features = {features:?} }}\n",
            path.as_str()
        )
    });
    format!(
        r#"[package]
name = "{name}"
edition = "2024"

[lib]
crate-type = ["{crate_type}"]

[profile.dev]
opt-level = 1
debug = "limited"
panic = "abort"

[profile.dev.package."*"]
debug = false

[workspace]

[dependencies]
{}"#,
        dependencies.format("")
    )
}

/// A dependency that is not named is not linked, hence the imports.
fn program(dependencies: &[Dependency<'_>]) -> String {
    let names = dependencies.iter().map(|dependency| dependency.name.replace('-', "_"));
    let imports = names.map(|name| format!("use {name} as _;\n"));
    format!(
        r"#![no_std]

{}
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {{
    loop {{}}
}}
",
        imports.format("")
    )
}

/// Writes a package that is a workspace of its own, with the dependencies locked as in ours.
fn write_package(
    workspace: &Workspace,
    folder: &Utf8Path,
    manifest: &str,
    source: &str,
) -> Result<()> {
    let shell = workspace.shell();
    shell.write_file(folder.join("Cargo.toml"), manifest)?;
    shell.write_file(folder.join("src/lib.rs"), source)?;
    shell
        .copy_file(workspace.root().join("Cargo.lock"), folder.join("Cargo.lock"))
        .context("the scratch package needs the workspace's lock file")
}
