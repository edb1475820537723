//! TCP probes: whether a connection opens. Nothing is sent over it.

use std::time::Duration;

use tokio::net::TcpStream;

use super::http::unanswered;
use crate::address::Place;
use crate::engine::watch::SampleResult;
use crate::model::probe::Expect;
use crate::outbound::SendError;

pub(super) async fn ask(address: &str, expect: &Expect) -> SampleResult {
    let place = match address.parse::<Place>() {
        Ok(place) => place,
        Err(why) => return SampleResult::Unknown(why),
    };
    let within: Duration = expect.within.duration();
    // Resolving is part of the question, as it is for whoever uses the port.
    let opening = TcpStream::connect((place.host.as_str(), place.port));
    match tokio::time::timeout(within, opening).await {
        Ok(Ok(_open)) => SampleResult::Passed,
        Ok(Err(error)) => unanswered(&SendError::Connect(error.to_string())),
        Err(_) => unanswered(&SendError::Late(within)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::Ask;
    use crate::probes::fixture::{Does, Server, line, nobody, sample, within};

    async fn asked(address: &str, milliseconds: u64) -> String {
        let ask = Ask::Tcp {
            address: address.to_owned(),
        };
        line(&sample(ask, within(milliseconds)).await, &[])
    }

    #[tokio::test]
    async fn an_open_port_passes_by_address_and_by_name() {
        let server = Server::start(Does::Raw(b"")).await;
        assert_eq!(asked(&server.address, 5000).await, "passed");
        let by_name = server.address.replace("127.0.0.1", "localhost");
        assert_eq!(asked(&by_name, 5000).await, "passed");
    }

    #[tokio::test]
    async fn a_closed_port_fails() {
        insta::assert_snapshot!(
            asked(&nobody().await, 5000).await,
            @"failed: could not connect: Connection refused (os error 111)"
        );
    }

    #[tokio::test]
    async fn a_port_whose_queue_is_full_is_late() {
        // With a backlog of 0 nobody accepts, so that further connections hang as they do behind a dropped SYN.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
            .expect("a socket");
        let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&free.into()).expect("a port");
        socket.listen(0).expect("a listener");
        let address = socket.local_addr().expect("its address");
        let address = address.as_socket().expect("an IP address").to_string();
        let mut waiting = Vec::new();
        for _ in 0..8 {
            let opening = TcpStream::connect(address.clone());
            match tokio::time::timeout(Duration::from_millis(50), opening).await {
                Ok(open) => waiting.push(open.expect("a place in the queue")),
                Err(_) => break,
            }
        }
        insta::assert_snapshot!(asked(&address, 150).await, @"failed: no answer within 150 ms");
    }

    #[tokio::test]
    async fn what_is_no_address_is_unknown_and_an_unknown_name_fails() {
        insta::assert_snapshot!(
            asked("signer", 1000).await,
            @"unknown: `signer` is not `host:port`"
        );
        assert!(
            asked("nowhere.invalid:1", 5000)
                .await
                .starts_with("failed: ")
        );
    }
}
