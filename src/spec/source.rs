//! Reading files from disk, bounded: the only file of `spec` that touches the file system.
//!
//! A file larger than [`LARGEST`] is refused by its size before it is read, and a file that grows meanwhile is cut
//! there too. Only regular files are opened: a pipe would block for ever.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::code::Code;
use super::diagnostic::{Diagnostic, Source};

/// The largest file, in bytes.
pub(crate) const LARGEST: u64 = 1 << 20;
/// The most files taken from one folder and its subfolders.
const MOST_FILES: usize = 10_000;
/// The deepest subfolder.
const DEEPEST: usize = 16;

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let shown = path.to_string_lossy().into_owned();
    let empty = Source::new(shown.clone(), "");
    let refused = |code, message: String| Diagnostic::error(code, &empty, None, message);
    let unreadable = |error: std::io::Error| {
        refused(
            Code::UnreadableFile,
            format!("this file can't be read: {error}"),
        )
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(refused(
            Code::UnreadableFile,
            "this is not a file".to_owned(),
        ));
    }
    let too_large = || {
        refused(
            Code::TooLarge,
            format!("this file is larger than {LARGEST} bytes"),
        )
        .hint("a file of firedrill is written by people: is it the right one?")
    };
    if metadata.len() > LARGEST {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let source = Source::new(shown, text);
            let folder = canonical(Path::new(&source.folder));
            Ok(source.in_folder(folder.to_string_lossy().into_owned()))
        }
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            Err(refused(
                Code::NotUtf8,
                format!("this file is not UTF-8: byte {at} is 0x{byte:02x}"),
            )
            .hint("save it as UTF-8"))
        }
    }
}

/// Whether a path names a file that may be ours: YAML or Markdown.
fn is_ours(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| ["yaml", "yml", "md"].iter().any(|ours| end == *ours))
}

/// The YAML and Markdown files directly in a folder, in the order of their names; none where there is no such folder.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    gather(folder, 0, &mut files);
    files
}

/// The YAML and Markdown files in a folder and its subfolders, hidden ones left out.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    gather(folder, DEEPEST, &mut files);
    files
}

fn gather(folder: &Path, deeper: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden || files.len() >= MOST_FILES {
            continue;
        }
        // A link to a folder may lead in a circle, so links to folders are not followed.
        let is_link = path
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_symlink());
        if path.is_dir() {
            if deeper > 0 && !is_link {
                gather(&path, deeper - 1, files);
            }
        } else if is_ours(&path) && path.is_file() {
            files.push(path);
        }
    }
}

/// Whether a path is a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Whether a path is a file.
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// One spelling for each file, so that a file reached in two ways is one file.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
