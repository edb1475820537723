//! The shipped library of wallet scenarios, in the binary, so that the demo needs no files beside it.

use std::io;
use std::path::Path;

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        /// Every shipped file: its path from the library's folder, and its text.
        pub const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../", $path)))),+];
    };
}

files!(
    "channels/banner.yaml",
    "channels/status-page.yaml",
    "drills/bad-token.yaml",
    "drills/lost-signer.yaml",
    "drills/signer-outage.yaml",
    "experiments/creeping-signer.yaml",
    "experiments/cut-off-node.yaml",
    "experiments/flapping-node.yaml",
    "experiments/killed-signer.yaml",
    "experiments/lost-signer.yaml",
    "experiments/signer-outage.yaml",
    "experiments/slow-signer.yaml",
    "experiments/starved-node.yaml",
    "experiments/token-rollout.yaml",
    "gamedays/keys-and-tokens.yaml",
    "messages/de.yaml",
    "messages/en.yaml",
    "messages/es.yaml",
    "messages/fr.yaml",
    "messages/ja.yaml",
    "messages/pt.yaml",
    "runbooks/authentication.md",
    "runbooks/signing.md",
    "stacks/wallet-demo.yaml",
    "stacks/wallet-docker.yaml",
    "teams/wallet-oncall.yaml",
);

/// Writes the library into a folder, over what an earlier version left there.
pub fn write(folder: &Path) -> io::Result<()> {
    for (path, text) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_library_is_shipped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut there = Vec::new();
        for folder in [
            "channels",
            "drills",
            "experiments",
            "gamedays",
            "messages",
            "runbooks",
            "stacks",
            "teams",
        ] {
            for entry in std::fs::read_dir(root.join(folder)).expect("a folder of the library") {
                let name = entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a plain name");
                there.push(format!("{folder}/{name}"));
            }
        }
        there.sort();
        let shipped: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(shipped, there);
    }
}
