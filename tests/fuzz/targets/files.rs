//! The files that the server reads: the input's first byte says which, the rest is its content.
//!
//! Held: nothing panics, a refusal says why, and what is kept of a state file that was taken can be read again.

#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::{Corpus, fuzz_target};
use subject::{
    names_a_host, runtime,
    toxiproxy::{Options, Server, StateFile, read_configuration},
};
use tokio_util::sync::CancellationToken;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = runtime();
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((kind, content)) = input.split_first() else {
        return Corpus::Reject;
    };
    if names_a_host(content) {
        return Corpus::Reject;
    }
    RUNTIME.with(|runtime| {
        if kind % 2 == 0 {
            runtime.block_on(Box::pin(configure(content)));
        } else {
            runtime.block_on(Box::pin(restore(content)));
        }
    });
    Corpus::Keep
});

async fn server() -> Server {
    let options = Options {
        port: 0,
        seed: Some(1),
        ..Options::default()
    };
    Server::bind(options).await.expect("a port is free")
}

async fn configure(content: &[u8]) {
    match read_configuration(content) {
        Ok(proxies) => {
            // An address may well be refused; that is told, not fatal.
            let _ = server().await.populate(proxies).await;
        }
        Err(refusal) => {
            let lines = content.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&refusal.line), "{refusal}");
            assert!(!refusal.why.is_empty());
        }
    }
}

async fn restore(content: &[u8]) {
    let path = scratch();
    std::fs::write(&path, content).expect("the scratch folder takes files");
    let file = match StateFile::open(&path) {
        Ok(file) => file,
        Err(refusal) => {
            assert!(refusal.to_string().contains("hint:"), "{refusal}");
            let left = std::fs::read(&path).expect("it is still there");
            assert_eq!(left, content, "what is refused is left as it is");
            return;
        }
    };
    let server = server().await;
    if server.keep(file).await.is_err() {
        // An address that can't be resolved.
        return;
    }
    let over = CancellationToken::new();
    over.cancel();
    server.run(over).await.expect("it ends when told to");
    StateFile::open(&path).expect("what was kept can be read again");
}

/// A file of this process alone.
fn scratch() -> PathBuf {
    let folder = std::env::temp_dir();
    folder.join(format!("firedrill-fuzz-{}.json", std::process::id()))
}
