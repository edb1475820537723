//! What stands between a process and its target: it carries requests one by one, each over a connection of its own, and
//! lets a test hold one back, or end the process that sent it.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A server that says nothing for so long says no more.
const SILENCE: Duration = Duration::from_secs(15);

/// When a request is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It has come, and was not carried out.
    Before,
    /// It was carried out, and its answer was not told yet.
    After,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on, and so does its answer.
    Carried,
    /// It ends here.
    Dropped,
}

/// Told of the first line of every request, at both moments.
pub(crate) type Watch = Arc<dyn Fn(&str, Moment) -> Fate + Send + Sync>;

/// How bodies are changed on their way, to the server and back.
pub(crate) type Bodies = fn(Value) -> Value;

/// Carries what comes to `listen` on to `server`, as long as this process lives, bodies as `change` leaves them.
pub(crate) fn carry_tcp(
    listen: SocketAddr,
    server: SocketAddr,
    watch: Watch,
    change: Option<Bodies>,
) {
    let listener = TcpListener::bind(listen).expect("the address is this test's own");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let watch = watch.clone();
            thread::spawn(move || {
                let reach = || {
                    let server = TcpStream::connect(server)?;
                    server.set_read_timeout(Some(SILENCE))?;
                    Ok(server)
                };
                // The client may be dead by now: then nobody is there to be told.
                let _ = carry(client, reach, &*watch, change);
            });
        }
    });
}

/// The same between two local sockets.
pub(crate) fn carry_unix(listen: &Path, server: &Path, watch: Watch) {
    let _ = fs::remove_file(listen);
    let listener = UnixListener::bind(listen).expect("the path is free");
    let server = server.to_owned();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (watch, server) = (watch.clone(), server.clone());
            thread::spawn(move || {
                let reach = || {
                    let server = UnixStream::connect(&server)?;
                    server.set_read_timeout(Some(SILENCE))?;
                    Ok(server)
                };
                let _ = carry(client, reach, &*watch, None);
            });
        }
    });
}

fn carry<S: Read + Write>(
    mut client: S,
    reach: impl FnOnce() -> io::Result<S>,
    watch: &(dyn Fn(&str, Moment) -> Fate + Send + Sync),
    change: Option<Bodies>,
) -> io::Result<()> {
    let request = changed(whole_request(&mut client)?, change);
    let text = String::from_utf8_lossy(&request);
    let Some((first, _)) = text.split_once("\r\n") else {
        return Ok(());
    };
    if watch(first, Moment::Before) == Fate::Dropped {
        return Ok(());
    }
    let mut server = reach()?;
    // The server ends its answer by hanging up, and says so: the client asks anew next time.
    let (line, rest) = request.split_at(first.len());
    server.write_all(line)?;
    server.write_all(b"\r\nConnection: close")?;
    server.write_all(rest)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    if watch(first, Moment::After) == Fate::Dropped {
        return Ok(());
    }
    client.write_all(&changed(answer, change))
}

/// A message with its body changed, where that is JSON.
fn changed(message: Vec<u8>, change: Option<Bodies>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&message);
    let parts = change.zip(text.split_once("\r\n\r\n"));
    let Some((change, (head, body))) = parts else {
        return message;
    };
    let Ok(body) = serde_json::from_str(body) else {
        return message;
    };
    let body = change(body).to_string();
    let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let head: Vec<&str> = head.lines().filter(|line| !is_length(line)).collect();
    let head = head.join("\r\n");
    let length = body.len();
    format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn whole_request(client: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if read == 0 {
                return Ok(request);
            }
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0);
        if read == 0 || body.len() >= length {
            return Ok(request);
        }
    }
}

/// Whether a request may change anything: what only reads leaves no trace, whoever dies around it.
fn changes(first: &str) -> bool {
    !first.starts_with("GET ") && !first.starts_with("HEAD ")
}

/// Ends a process at one of the requests by which it changes something.
#[derive(Default)]
pub(crate) struct Killer {
    order: Mutex<Order>,
    born: Condvar,
}

#[derive(Default)]
struct Order {
    /// The request at which it dies, counted from 1, and when.
    dies: Option<(usize, Moment)>,
    process: Option<u32>,
    /// The first lines of the requests that were seen.
    seen: Vec<String>,
}

impl Killer {
    /// What is told of requests.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        let killer = self.clone();
        Arc::new(move |first, moment| killer.sees(first, moment))
    }

    /// From now on: whoever is born next dies at this request, or at none.
    pub(crate) fn expects(&self, dies: Option<(usize, Moment)>) {
        *self.order() = Order {
            dies,
            ..Order::default()
        };
    }

    /// The process that sends the requests.
    pub(crate) fn is_born(&self, process: u32) {
        self.order().process = Some(process);
        self.born.notify_all();
    }

    /// The requests that were seen, and nobody is to die any more.
    pub(crate) fn rests(&self) -> Vec<String> {
        std::mem::take(&mut *self.order()).seen
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sees(&self, first: &str, moment: Moment) -> Fate {
        if !changes(first) {
            return Fate::Carried;
        }
        let mut order = self.order();
        if moment == Moment::Before {
            order.seen.push(first.to_owned());
        }
        let last = order
            .dies
            .filter(|dies| *dies == (order.seen.len(), moment));
        if last.is_none() {
            return Fate::Carried;
        }
        let born = self.born.wait_while(order, |order| order.process.is_none());
        let order = born.unwrap_or_else(PoisonError::into_inner);
        let process = order
            .process
            .and_then(|process| i32::try_from(process).ok());
        let process = process.and_then(Pid::from_raw).expect("it is a process");
        kill_process(process, Signal::KILL).expect("it lives");
        Fate::Dropped
    }
}
