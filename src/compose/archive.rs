//! A tar archive of files, in the `ustar` form of POSIX.1-1988: as much of it as an image needs.

/// The length of a name, and the size of a block.
const NAME: usize = 100;
const BLOCK: usize = 512;

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Archive(Vec<u8>);

impl Archive {
    /// Adds a file that may be run, by its path from the root.
    pub(super) fn add(&mut self, path: &str, content: &[u8]) -> Result<(), String> {
        let path = path.trim_start_matches('/');
        if path.len() >= NAME {
            return Err(format!("the path {path} is too long for an archive"));
        }
        let size = format!("{:011o}\0", content.len());
        let fields = [
            (0, path),
            (100, "0000755\0"),
            (108, "0000000\0"),
            (116, "0000000\0"),
            (124, size.as_str()),
            (136, "00000000000\0"),
            // The checksum is taken with its own field blank.
            (148, "        "),
            (156, "0"),
            (257, "ustar\x0000"),
        ];
        let mut header = [0_u8; BLOCK];
        for (at, field) in fields {
            header[at..at + field.len()].copy_from_slice(field.as_bytes());
        }
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// The whole archive: two empty blocks end it.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_its_files_in_whole_blocks() {
        let mut archive = Archive::default();
        archive.add("/bin/one", b"1").expect("a short path");
        archive.add("two", &[2; 512]).expect("a short path");
        let bytes = archive.finish();
        assert_eq!(bytes.len(), 6 * BLOCK);
        assert_eq!(&bytes[..9], b"bin/one\0\0");
        assert_eq!(bytes[BLOCK], b'1');
        assert_eq!(&bytes[2 * BLOCK..2 * BLOCK + 4], b"two\0");
        // The sum of all bytes with the checksum as blanks, as readers take it again.
        let mut header = bytes[..BLOCK].to_vec();
        let read = std::str::from_utf8(&header[148..154]).expect("digits");
        let read = u32::from_str_radix(read, 8).expect("an octal number");
        header[148..156].fill(b' ');
        assert_eq!(read, header.iter().copied().map(u32::from).sum::<u32>());
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let long = "a".repeat(NAME);
        assert!(Archive::default().add(&long, b"").is_err());
    }
}
