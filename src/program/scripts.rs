//! Scripts of tests, in a folder of their own, and the processes that they start.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::probe::Program;

/// Ignores polite signals, as do its child and grandchild. Writes all three down in `family`.
pub(crate) const FAMILY: &str = "#!/bin/sh
trap '' TERM HUP INT
: > ids
sh -c 'sleep 300 & echo $! >> ids; echo $$ >> ids; wait' &
while [ \"$(wc -l < ids)\" != 2 ]; do sleep 0.01; done
{ echo $$; cat ids; } > family.new && mv family.new family
";

/// A folder of scripts, gone when it is dropped.
pub(crate) struct Scripts(pub(crate) PathBuf);

impl Scripts {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("firedrill-scripts-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        self.put(name, text);
        self
    }

    /// Writes a script by a shell of its own: a file this process has open for writing, which a child forked by another
    /// test would inherit, can't be executed.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let written = std::process::Command::new("sh")
            .args([
                "-c",
                "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"",
                "sh",
                text,
            ])
            .arg(self.0.join(name))
            .status()
            .expect("a shell");
        assert!(written.success());
    }

    pub(crate) fn program(&self, command: &[&str]) -> Program {
        Program {
            command: command.iter().map(|&part| part.to_owned()).collect(),
            folder: Some(self.0.display().to_string()),
        }
    }

    /// The ids of the script's process and of its two descendants, once [`FAMILY`] has written them down.
    pub(crate) async fn family(&self) -> Vec<u32> {
        for _ in 0..500 {
            let text = fs::read_to_string(self.0.join("family")).unwrap_or_default();
            let ids: Vec<u32> = text.lines().filter_map(|id| id.parse().ok()).collect();
            if ids.len() == 3 && text.ends_with('\n') {
                return ids;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the script did not start");
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A program by its shell line.
pub(crate) fn shell(text: &str) -> Program {
    Program {
        command: vec!["sh".into(), "-c".into(), text.into()],
        folder: None,
    }
}

/// Neither gone nor a zombie that only waits for whoever inherited it.
pub(crate) fn is_alive(id: u32) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().chars().next()? != 'Z'))
        .unwrap_or(false)
}

/// Waits until a family is gone, of which the first is this process's own child.
pub(crate) async fn all_gone(family: &[u32]) {
    for _ in 0..500 {
        // Our own child must be reaped as well; its descendants are somebody else's to reap.
        let is_reaped = !Path::new(&format!("/proc/{}", family[0])).exists();
        if is_reaped && !family.iter().any(|&id| is_alive(id)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("some of {family:?} are still there");
}
