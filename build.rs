//! Embeds the page templates, so that the binary needs no files beside it, and asks the linker for what keeps little of it
//! in memory: small relocations, and what a short run needs side by side.

use std::env;
use std::process::Command;

/// Which functions lie together. Made by `make layout`; `linking/order.py` says how and why.
const ORDER: &str = "linking/start.ld";

fn main() {
    minijinja_embed::embed_templates!("web/templates", &[".html"]);
    println!("cargo::rerun-if-changed={ORDER}");
    if !is_native_linux() {
        return;
    }
    if packs_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if orders_functions() {
        let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo names the folder");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/{ORDER}");
    }
}

fn is(variable: &str, wanted: &str) -> bool {
    env::var(variable).is_ok_and(|value| value == wanted)
}

fn is_native_linux() -> bool {
    is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && env::var("TARGET") == env::var("HOST")
}

/// Packed relocations spare every process 1.4 MB that it would read at its start and never again. Loaders know them since
/// glibc 2.36, and an older one would refuse the binary: they are asked for only where it is built and run on one machine
/// whose glibc says that it is new enough.
fn packs_relocations() -> bool {
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

/// The order is that of optimised code on the one kind of machine where it was made. The compiler's own linker there, and
/// GNU's, read the script; somebody who chose another linker may have one that does not.
fn orders_functions() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("PROFILE", "release")
        && !flags.contains("fuse-ld")
        && !flags.contains("linker=")
}
