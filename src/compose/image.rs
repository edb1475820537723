//! The image: the running program and the libraries that it is linked to, and nothing else.
//!
//! The libraries are those that the kernel has mapped into this very process, each under the name that programs ask for
//! it by, in a folder that the loader is told to look in: so nothing depends on where a system keeps them. Of each file
//! only what is loaded goes into the image. Under Linux alone: elsewhere the program is none that a container runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::elf::Elf;

/// Where the program is in the image.
pub(super) const PROGRAM: &str = "/firedrill";

/// Where its libraries are.
pub(super) const LIBRARIES: &str = "/lib/firedrill";

/// The running program, which is there even when its file has been replaced.
const RUNNING: &str = "/proc/self/exe";

/// The root of the image as a tar archive, with further files.
pub(super) fn root(further: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let program = Elf::read(Path::new(RUNNING))?;
    let mut archive = Archive::default();
    archive.add(PROGRAM, program.bytes())?;
    if let Some(loader) = program.interpreter() {
        let maps = fs::read_to_string("/proc/self/maps")
            .map_err(|error| format!("/proc/self/maps: {error}"))?;
        let own = fs::read_link(RUNNING).map_err(|error| format!("{RUNNING}: {error}"))?;
        let asked = Path::new(loader).file_name();
        let mut found = false;
        for library in mapped(&maps, &own)? {
            let elf = Elf::read(&library)?;
            let file = library.file_name().unwrap_or_default().to_string_lossy();
            let name = elf.name().unwrap_or(&file);
            if asked.is_some_and(|asked| asked == name) {
                found = true;
                archive.add(loader, elf.bytes())?;
            } else {
                archive.add(&format!("{LIBRARIES}/{name}"), elf.bytes())?;
            }
        }
        // Some loaders go by another name than the one they are asked for by.
        if !found {
            archive.add(loader, Elf::read(Path::new(loader))?.bytes())?;
        }
    }
    for (path, content) in further {
        archive.add(path, content)?;
    }
    Ok(archive.finish())
}

/// The files whose code is mapped, but for the program's own.
fn mapped(maps: &str, own: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut files = BTreeSet::new();
    for line in maps.lines() {
        // Addresses, permissions, offset, device, inode, and the path, which may hold blanks.
        let mut fields = line.splitn(6, ' ');
        let runs = fields
            .nth(1)
            .is_some_and(|permissions| permissions.contains('x'));
        let Some(path) = fields.nth(3).map(str::trim_start) else {
            continue;
        };
        if !runs || !path.starts_with('/') || Path::new(path) == own {
            continue;
        }
        if path.ends_with(" (deleted)") {
            return Err(format!(
                "the library {path} was replaced since this process started; hint: start it again"
            ));
        }
        files.insert(PathBuf::from(path));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_what_is_mapped_to_be_run_but_for_the_program() {
        let maps = "\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 100                        /opt/fire drill
55d0c0001000-55d0c0002000 r-xp 00001000 fe:00 100                        /opt/fire drill
7f0000000000-7f0000001000 r--p 00000000 fe:00 101                        /usr/share/locale/C.utf8
7f0000001000-7f0000002000 r-xp 00000000 fe:00 102                        /usr/lib/libc.so.6
7f0000002000-7f0000003000 r-xp 00001000 fe:00 102                        /usr/lib/libc.so.6
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
";
        let files = mapped(maps, Path::new("/opt/fire drill")).expect("all are there");
        let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
        assert_eq!(files, ["/usr/lib/libc.so.6"]);
        let gone = "7f00-7f01 r-xp 00000000 fe:00 102 /usr/lib/libc.so.6 (deleted)";
        assert!(mapped(gone, Path::new("/own")).is_err());
    }

    #[test]
    fn the_root_holds_the_program_its_loader_and_its_libraries() {
        let root = root(&[("/proxies.json", b"[]")]).expect("this test runs on Linux");
        let holds = |path: &str| {
            root.chunks(512)
                .any(|block| block.starts_with(format!("{path}\0").as_bytes()))
        };
        let program = Elf::read(Path::new(RUNNING)).expect("this test is a program");
        let loader = program.interpreter().expect("it is linked dynamically");
        assert!(holds("firedrill") && holds("proxies.json"));
        assert!(holds(loader.trim_start_matches('/')), "{loader}");
        assert!(holds("lib/firedrill/libc.so.6"));
    }
}
