//! Embeds the page templates, so that the binary needs no files beside it, and asks the linker for small relocations.

use std::env;
use std::process::Command;

fn main() {
    minijinja_embed::embed_templates!("web/templates", &[".html"]);
    if packs_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Packed relocations spare every process 1.4 MB that it would read at its start and never again. Loaders know them since
/// glibc 2.36, and an older one would refuse the binary: they are asked for only where it is built and run on one machine
/// whose glibc says that it is new enough.
fn packs_relocations() -> bool {
    let is = |variable: &str, wanted: &str| env::var(variable).is_ok_and(|value| value == wanted);
    if !is("CARGO_CFG_TARGET_OS", "linux")
        || !is("CARGO_CFG_TARGET_ENV", "gnu")
        || env::var("TARGET") != env::var("HOST")
    {
        return false;
    }
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else {
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix("glibc ").and_then(|version| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    version.is_some_and(|version| version >= (2, 36))
}
