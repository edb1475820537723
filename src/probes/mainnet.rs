//! Mainnets: chain ids under which real money moves. One of these in an identity answer is refused, whatever the file
//! expects: a drill against them can't be undone.

use serde_json::Value;

use crate::model::probe::HttpRequest;

/// Chain ids by EIP-155, as registered at <https://chainid.network>, of the networks that wallets are used on.
const MAINNETS: [(u128, &str); 14] = [
    (1, "Ethereum"),
    (10, "OP"),
    (25, "Cronos"),
    (56, "BNB Smart Chain"),
    (61, "Ethereum Classic"),
    (100, "Gnosis"),
    (137, "Polygon"),
    (250, "Fantom"),
    (324, "zkSync Era"),
    (8453, "Base"),
    (42_161, "Arbitrum One"),
    (42_220, "Celo"),
    (43_114, "Avalanche C-Chain"),
    (59_144, "Linea"),
];

/// Whether the request asks a node for its chain: `eth_chainId`, or its older sister `net_version`.
pub(super) fn is_asked_for(request: &HttpRequest) -> bool {
    let asks = |text: &str| text.contains("eth_chainId") || text.contains("net_version");
    request.body.as_deref().is_some_and(asks) || asks(&request.url)
}

/// The chain ids of an answer, as answered: one, or one for each call of a batch.
pub(super) fn answered(body: &[u8]) -> Vec<Value> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let result = |one: &Value| {
        one.get("result")
            .filter(|id| id.is_string() || id.is_number())
            .cloned()
    };
    match &answer {
        Value::Array(batch) => batch.iter().filter_map(result).collect(),
        one => result(one).into_iter().collect(),
    }
}

/// The mainnet that a chain id names, however it is spelt.
pub(super) fn named(chain: &Value) -> Option<&'static str> {
    let id = match chain {
        Value::Number(number) => u128::from(number.as_u64()?),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            match text.strip_prefix("0x") {
                Some(hex) => u128::from_str_radix(hex, 16).ok()?,
                None => text.parse().ok()?,
            }
        }
        _ => return None,
    };
    MAINNETS
        .iter()
        .find(|(mainnet, _)| *mainnet == id)
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mainnet_is_known_in_every_spelling_and_a_test_chain_is_none() {
        for ethereum in [
            json!("0x1"),
            json!("0x01"),
            json!("0X1"),
            json!("1"),
            json!(1),
        ] {
            assert_eq!(named(&ethereum), Some("Ethereum"), "{ethereum}");
        }
        assert_eq!(named(&json!("0x89")), Some("Polygon"));
        for test in [
            json!("0x7a69"),
            json!("0xaa36a7"),
            json!(1337),
            json!(null),
            json!("x"),
        ] {
            assert_eq!(named(&test), None, "{test}");
        }
    }

    #[test]
    fn every_call_of_a_batch_is_seen() {
        let batch = br#"[{"id":1,"result":"0x7a69"},{"id":2,"error":{}},{"id":3,"result":"0x1"}]"#;
        assert_eq!(answered(batch), [json!("0x7a69"), json!("0x1")]);
        assert_eq!(answered(b"<html>"), Vec::<Value>::new());
    }
}
