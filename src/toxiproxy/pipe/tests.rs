#![cfg(target_os = "linux")]

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::kernel::Pipes;

/// Both ends of one connection.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn bytes_go_from_socket_to_socket_and_the_end_of_the_stream_is_seen() {
    let (mut sender, source) = connection().await;
    let (sink, mut receiver) = connection().await;
    let mut pipe = Pipes::default().take().unwrap();
    assert_eq!(
        pipe.fill(&source).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );

    sender.write_all(b"through the kernel").await.unwrap();
    source.readable().await.unwrap();
    assert_eq!(pipe.fill(&source).unwrap(), 18);
    sink.writable().await.unwrap();
    assert_eq!(pipe.pour(&sink).unwrap(), 18);
    assert_eq!(pipe.held(), 0);
    let mut got = [0; 18];
    receiver.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"through the kernel");

    sender.shutdown().await.unwrap();
    source.readable().await.unwrap();
    assert_eq!(pipe.fill(&source).unwrap(), 0);
}

#[tokio::test]
async fn what_is_in_a_pipe_comes_out_in_pieces_and_in_order() {
    let (mut sender, source) = connection().await;
    let mut pipe = Pipes::default().take().unwrap();
    sender.write_all(b"abcdefgh").await.unwrap();
    source.readable().await.unwrap();
    pipe.fill(&source).unwrap();
    let pieces = pipe.empty(3).unwrap();
    assert_eq!(pieces, [&b"abc"[..], b"def", b"gh"]);
    assert_eq!(pipe.held(), 0);
}

#[tokio::test]
async fn a_server_has_so_many_pipes_and_closes_one_that_comes_back_with_bytes_in_it() {
    let pipes = Pipes::limited(2);
    let (first, mut second) = (pipes.take().unwrap(), pipes.take().unwrap());
    assert!(pipes.take().is_none());
    pipes.give_back(first);
    let first = pipes.take().unwrap();
    assert!(pipes.take().is_none());

    let (mut sender, source) = connection().await;
    sender.write_all(b"stale").await.unwrap();
    source.readable().await.unwrap();
    second.fill(&source).unwrap();
    pipes.give_back(second);
    let fresh = pipes.take().unwrap();
    assert_eq!(fresh.held(), 0);
    drop((first, fresh));
}
