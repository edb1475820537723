//! What a program says of itself: the loader that it asks for, the name that others ask for it by, and how much of it
//! is ever loaded. Of the format (ELF-64, System V ABI, chapters 4 and 5), what 64-bit little-endian machines need.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Types of segments.
const LOADED: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;

/// Tags of the dynamic section.
const END: u64 = 0;
const STRINGS: u64 = 5;
const NAME: u64 = 14;

/// The size of the file's header, and of a segment's.
const HEADER: usize = 64;
const SEGMENT: usize = 56;

/// The part of a program that is loaded, without symbols and debugging information.
#[derive(Debug)]
pub(super) struct Elf {
    bytes: Vec<u8>,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    length: u64,
}

impl Elf {
    /// Reads no more of a file than a loader does.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let told = |error: io::Error| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(told)?;
        let mut bytes = Vec::new();
        let mut read_to = |bytes: &mut Vec<u8>, length: u64| {
            let missing = length.saturating_sub(bytes.len() as u64);
            file.by_ref().take(missing).read_to_end(bytes).map_err(told)
        };
        read_to(&mut bytes, HEADER as u64)?;
        let (table, count) = table(&bytes).map_err(|why| format!("{}: {why}", path.display()))?;
        read_to(&mut bytes, table.saturating_add((count * SEGMENT) as u64))?;
        let segments = segments(&bytes, table, count)
            .ok_or_else(|| format!("{}: its segments are cut off", path.display()))?;
        let ends = segments
            .iter()
            .map(|one| one.offset.saturating_add(one.length));
        read_to(&mut bytes, ends.max().unwrap_or_default())?;
        // What sections there are is in the part that is left out.
        for field in [0x28..0x30, 0x3c..0x40] {
            bytes[field].fill(0);
        }
        Ok(Self { bytes, segments })
    }

    /// What is loaded, as a whole program.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path of the loader; none where the program needs none.
    pub(super) fn interpreter(&self) -> Option<&str> {
        let segment = self.segment(INTERPRETER)?;
        text(&self.bytes, segment.offset)
    }

    /// The name that others ask for it by, as a library.
    pub(super) fn name(&self) -> Option<&str> {
        let dynamic = self.segment(DYNAMIC)?;
        let (mut strings, mut name) = (None, None);
        for at in (dynamic.offset..dynamic.offset.checked_add(dynamic.length)?).step_by(16) {
            let value = number(&self.bytes, at + 8)?;
            match number(&self.bytes, at)? {
                END => break,
                STRINGS => strings = Some(value),
                NAME => name = Some(value),
                _ => {}
            }
        }
        let strings = self.offset_of(strings?)?;
        text(&self.bytes, strings.checked_add(name?)?)
    }

    fn segment(&self, kind: u32) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.kind == kind)
    }

    /// Where in the file what is loaded at an address is.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let holds = |one: &&Segment| {
            one.kind == LOADED
                && address
                    .checked_sub(one.address)
                    .is_some_and(|at| at < one.length)
        };
        let segment = self.segments.iter().find(holds)?;
        Some(address - segment.address + segment.offset)
    }
}

/// Where the table of segments is, and how many there are.
fn table(header: &[u8]) -> Result<(u64, usize), String> {
    if header.len() < HEADER || !header.starts_with(b"\x7fELF\x02\x01") {
        return Err("it is no program of a 64-bit little-endian machine".to_owned());
    }
    let size = short(header, 0x36);
    let table = number(header, 0x20);
    match (table, size) {
        (Some(table), Some(size)) if usize::from(size) == SEGMENT => {
            Ok((table, short(header, 0x38).unwrap_or_default().into()))
        }
        _ => Err("its segments have an unknown form".to_owned()),
    }
}

fn segments(bytes: &[u8], table: u64, count: usize) -> Option<Vec<Segment>> {
    (0..count as u64)
        .map(|index| {
            let at = table.checked_add(index * SEGMENT as u64)?;
            let kind = u32::from_le_bytes(slice(bytes, at)?);
            Some(Segment {
                kind,
                offset: number(bytes, at + 8)?,
                address: number(bytes, at + 16)?,
                length: number(bytes, at + 32)?,
            })
        })
        .collect()
}

fn slice<const N: usize>(bytes: &[u8], at: u64) -> Option<[u8; N]> {
    let at = usize::try_from(at).ok()?;
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn number(bytes: &[u8], at: u64) -> Option<u64> {
    slice(bytes, at).map(u64::from_le_bytes)
}

fn short(bytes: &[u8], at: u64) -> Option<u16> {
    slice(bytes, at).map(u16::from_le_bytes)
}

/// The text that begins there and ends with a zero.
fn text(bytes: &[u8], at: u64) -> Option<&str> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> Elf {
        Elf::read(Path::new("/proc/self/exe")).expect("this test is a program")
    }

    #[test]
    fn a_program_names_its_loader_and_a_loader_its_own_name() {
        let program = this_program();
        let loader = program.interpreter().expect("tests are linked dynamically");
        let named = Elf::read(Path::new(loader)).expect("the loader is a program");
        let file = Path::new(loader).file_name().expect("a file");
        assert_eq!(named.name(), file.to_str());
        assert_eq!(named.interpreter(), None);
        assert_eq!(program.name(), None, "a program is nobody's library");
    }

    #[test]
    fn what_is_never_loaded_is_left_out() {
        let whole = std::fs::metadata("/proc/self/exe")
            .expect("it is there")
            .len();
        let loaded = this_program().bytes().len() as u64;
        assert!(loaded < whole, "{loaded} of {whole} bytes");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let refused = Elf::read(Path::new(own)).expect_err("a text");
        assert!(refused.ends_with("it is no program of a 64-bit little-endian machine"));
        assert!(Elf::read(Path::new("/nowhere")).is_err());
    }
}
