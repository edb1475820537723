//! Who is measured: nothing at all, a plain copy loop, firedrill's server, and Toxiproxy's own where it is found.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::load::Upstreams;
use super::{ADDED, COPY_LOOP, listener};
use crate::child::{Background, FIREDRILL, on_path};
use crate::web;

/// What the copy loop copies at a time.
const COPIED: usize = 64 << 10;

/// One way to the upstreams.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) sink: SocketAddr,
    pub(super) echo: SocketAddr,
    /// To the echo with latency added; absent where it can't be.
    pub(super) slow: Option<SocketAddr>,
    process: Option<Background>,
    /// Where proxies are made, where they can be.
    pub(super) api: Option<SocketAddr>,
    /// Proxies made on a server that is not ours to end.
    borrowed: Option<SocketAddr>,
}

impl Peer {
    /// Of its process, where there is one that can be read.
    pub(super) fn processor_seconds(&self) -> Option<f64> {
        self.process.as_ref()?.processor_seconds()
    }

    /// Its resident memory in MiB, where it is a process that can be read.
    pub(super) fn resident(&self) -> Option<f64> {
        self.process.as_ref()?.resident()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        for proxy in self.borrowed.iter().flat_map(|_| PROXIES) {
            if let Some(api) = self.borrowed {
                let _ = web::send(api, "DELETE", &format!("/proxies/{proxy}"), "");
            }
        }
    }
}

type Started<'a> = Pin<Box<dyn Future<Output = anyhow::Result<Option<Peer>>> + 'a>>;
type Start = fn(&Upstreams) -> Started<'_>;

/// In the order of the columns.
pub(super) fn all() -> [Start; 4] {
    [
        |upstreams| Box::pin(async { Ok(Some(direct(upstreams))) }),
        |upstreams| Box::pin(async { copying(upstreams).map(Some) }),
        |upstreams| Box::pin(async { firedrill(upstreams).await.map(Some) }),
        |upstreams| Box::pin(toxiproxy(upstreams)),
    ]
}

fn direct(upstreams: &Upstreams) -> Peer {
    Peer {
        name: "direct".to_owned(),
        sink: upstreams.sink,
        echo: upstreams.echo,
        slow: None,
        process: None,
        api: None,
        borrowed: None,
    }
}

fn copying(upstreams: &Upstreams) -> anyhow::Result<Peer> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(COPY_LOOP)
        .args([upstreams.sink, upstreams.echo].map(|address| address.to_string()));
    let (process, [sink, echo]) = Background::start_until(&mut command, |line| {
        let (sink, echo) = line.split_once(' ')?;
        Some([sink.parse().ok()?, echo.parse().ok()?])
    })?;
    Ok(Peer {
        name: "copy loop".to_owned(),
        sink,
        echo,
        slow: None,
        process: Some(process),
        api: None,
        borrowed: None,
    })
}

/// The loop itself, as its own process.
pub(super) fn copy_loop(upstreams: &[String]) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let tasks = TaskTracker::new();
        let mut addresses = Vec::new();
        for upstream in upstreams {
            let upstream: SocketAddr = upstream.parse()?;
            let (listener, address) = listener().await?;
            addresses.push(address.to_string());
            let own = tasks.clone();
            tasks.spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    own.spawn(forward(client, upstream));
                }
            });
        }
        eprintln!("{}", addresses.join(" "));
        tasks.close();
        tasks.wait().await;
        Ok(())
    })
}

async fn forward(client: TcpStream, upstream: SocketAddr) {
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut room = vec![0; COPIED];
        while let Ok(length @ 1..) = from_client.read(&mut room).await {
            if to_server.write_all(&room[..length]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let mut room = vec![0; COPIED];
        while let Ok(length @ 1..) = from_server.read(&mut room).await {
            if to_client.write_all(&room[..length]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

async fn firedrill(upstreams: &Upstreams) -> anyhow::Result<Peer> {
    let port = free_port()?;
    let mut command = Command::new(FIREDRILL);
    command.args(["toxiproxy", "serve", "--port", &port.to_string()]);
    let process = Background::start(&mut command)?;
    let api = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    answers(api).await?;
    proxied("firedrill".to_owned(), api, Some(process), upstreams)
}

/// `TOXIPROXY_URL` first: somebody chose it. Then a program of that name.
async fn toxiproxy(upstreams: &Upstreams) -> anyhow::Result<Option<Peer>> {
    if let Ok(url) = std::env::var("TOXIPROXY_URL") {
        let place = url.trim_start_matches("http://").trim_end_matches('/');
        let api = std::net::ToSocketAddrs::to_socket_addrs(place)?
            .next()
            .with_context(|| format!("TOXIPROXY_URL leads nowhere: {url}"))?;
        ensure!(
            api.ip().is_loopback(),
            "TOXIPROXY_URL is {url}, and load is made on this machine only"
        );
        let name = format!("Toxiproxy {}", version(api)?);
        return proxied(name, api, None, upstreams).map(Some);
    }
    let Some(program) = on_path("toxiproxy-server") else {
        return Ok(None);
    };
    let port = free_port()?;
    let process = Background::start(&mut server(&program, port))?;
    let api = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    answers(api).await?;
    let name = format!("Toxiproxy {}", version(api)?);
    proxied(name, api, Some(process), upstreams).map(Some)
}

fn server(program: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["-host", "127.0.0.1", "-port", &port.to_string()]);
    command
}

fn version(api: SocketAddr) -> anyhow::Result<String> {
    let said = web::get(api, "/version")?.body;
    let version: Option<Value> = serde_json::from_str(&said).ok();
    let version = version.and_then(|said| said["version"].as_str().map(str::to_owned));
    Ok(version.unwrap_or_else(|| said.trim().to_owned()))
}

const PROXIES: [&str; 3] = ["measure-sink", "measure-echo", "measure-slow"];

/// Makes its proxies through the API that both servers share.
fn proxied(
    name: String,
    api: SocketAddr,
    process: Option<Background>,
    upstreams: &Upstreams,
) -> anyhow::Result<Peer> {
    let upstream = [upstreams.sink, upstreams.echo, upstreams.echo];
    let mut listens = Vec::new();
    for (proxy, upstream) in PROXIES.into_iter().zip(upstream) {
        let body = json!({"name": proxy, "listen": "127.0.0.1:0", "upstream": upstream.to_string(), "enabled": true});
        let made = post(api, "/proxies", &body)?;
        let listen = made["listen"]
            .as_str()
            .context("a proxy without `listen`")?;
        listens.push(listen.parse()?);
    }
    let toxic = json!({"type": "latency", "stream": "downstream",
        "attributes": {"latency": u64::try_from(ADDED.as_millis())?, "jitter": 0}});
    post(api, &format!("/proxies/{}/toxics", PROXIES[2]), &toxic)?;
    let [sink, echo, slow] = listens[..] else {
        bail!("not every proxy was made");
    };
    Ok(Peer {
        name,
        sink,
        echo,
        slow: Some(slow),
        api: Some(api),
        borrowed: process.is_none().then_some(api),
        process,
    })
}

pub(super) fn post(api: SocketAddr, path: &str, body: &Value) -> anyhow::Result<Value> {
    let reply = web::send(api, "POST", path, &body.to_string())?;
    ensure!(
        (200..300).contains(&reply.status),
        "{path} was answered with {}: {}",
        reply.status,
        reply.body
    );
    Ok(serde_json::from_str(&reply.body)?)
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Waits until a server answers.
async fn answers(api: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..500 {
        if web::get(api, "/version").is_ok_and(|reply| reply.status == 200) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("nothing answers at {api}")
}
