//! TCP probes: whether a connection opens. Nothing is sent over it.

use std::time::Duration;

use tokio::net::TcpStream;

use super::http::unanswered;
use super::network::Place;
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
