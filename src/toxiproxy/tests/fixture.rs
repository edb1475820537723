//! A running server, an HTTP client that shows answers byte for byte, and upstreams.

use std::{future::Future, net::SocketAddr, path::Path, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::toxiproxy::{Options, Server, StateFile};

/// Far above anything a healthy run needs, so that only a hang fails by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) api: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn content_type(&self) -> &str {
        let line = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "));
        line.unwrap_or_default()
    }
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::seeded(7).await
    }

    pub(crate) async fn seeded(seed: u64) -> Self {
        let options = Options {
            port: 0,
            seed: Some(seed),
            ..Options::default()
        };
        Self::serve(Server::bind(options).await.unwrap())
    }

    /// With metrics, and that state file.
    pub(crate) async fn keeping(file: &Path) -> Self {
        let options = Options {
            port: 0,
            metrics: true,
            ..Options::default()
        };
        let server = Server::bind(options).await.unwrap();
        server.keep(StateFile::open(file).unwrap()).await.unwrap();
        Self::serve(server)
    }

    fn serve(server: Server) -> Self {
        let (api, shutdown, mut tasks) = (
            server.local_addr(),
            CancellationToken::new(),
            JoinSet::new(),
        );
        let stopping = shutdown.clone();
        tasks.spawn(async move { server.run(stopping).await.unwrap() });
        Self {
            api,
            shutdown,
            tasks,
        }
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Stops the server and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap();
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(self.api).await.unwrap();
            let length = body.len();
            let request = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = timeout(PATIENCE, exchange).await.expect("the API answers");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head[9..12].parse().unwrap();
        Answer {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, "", body).await
    }

    /// As `call`, for requests that the test takes for granted.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.call(method, path, body).await;
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path} {body}: {answer:?}"
        );
        answer
    }

    /// A proxy named `p` to that upstream; returns where it listens.
    pub(crate) async fn proxy(&self, upstream: SocketAddr) -> SocketAddr {
        let body = format!(r#"{{"name":"p","listen":"127.0.0.1:0","upstream":"{upstream}"}}"#);
        let answer = self.ok("POST", "/proxies", &body).await;
        answer.json()["listen"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn toxic(&self, kind: &str, stream: &str, attributes: &str) {
        let body = format!(
            r#"{{"name":"t","type":"{kind}","stream":"{stream}","attributes":{attributes}}}"#
        );
        self.ok("POST", "/proxies/p/toxics", &body).await;
    }

    /// An upstream that sends back what it gets, each connection until its client ends.
    pub(crate) async fn echo(&mut self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        self.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(async move {
                    let (mut source, mut sink) = stream.split();
                    let _ = tokio::io::copy(&mut source, &mut sink).await;
                });
            }
        });
        address
    }

    /// A proxy `p` in front of `listener`, with one connection through it: the client's end and the upstream's.
    pub(crate) async fn pair(&self) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = self.proxy(listener.local_addr().unwrap()).await;
        join(proxy, &listener).await
    }
}

/// One connection through `proxy` to `upstream`.
pub(crate) async fn join(proxy: SocketAddr, upstream: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(proxy).await.unwrap();
    let (server, _) = timeout(PATIENCE, upstream.accept()).await.unwrap().unwrap();
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    (client, server)
}

/// Reads exactly `expected`.
pub(crate) async fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    timeout(PATIENCE, stream.read_exact(&mut got))
        .await
        .expect("the bytes arrive")
        .unwrap();
    assert!(got == expected, "the bytes arrive as they were sent");
}

/// Everything until the stream ends, or the error it ends with.
pub(crate) async fn drain(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut got = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut got))
        .await
        .expect("the stream ends")?;
    Ok(got)
}

/// Nothing arrives, and the stream doesn't end either.
pub(crate) async fn silence(stream: &mut TcpStream, span: Duration) {
    let got = timeout(span, stream.read_u8()).await;
    assert!(got.is_err(), "{got:?}");
}
