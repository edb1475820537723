use std::{fs, path::Path};

use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, time::Instant};

use super::super::{
    lease::Term,
    tests::fixture::{Rig, expect, join},
};
use super::*;

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("firedrill-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kept(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn refusal(path: &Path) -> String {
    StateFile::open(path).unwrap_err().to_string()
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_and_comes_back_without_a_goodbye() {
    let folder = Folder::new("kept");
    let rig = Rig::keeping(&folder.file()).await;
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = rig.proxy(upstream.local_addr().unwrap()).await;
    let toxic = r#"{"name":"t","type":"latency","stream":"UPSTREAM","toxicity":0.5,"attributes":{"latency":5},"ttl":60000,"owner":"me"}"#;
    rig.ok("POST", "/proxies/p/toxics", toxic).await;
    rig.ok(
        "POST",
        "/proxies/p/toxics",
        r#"{"type":"packet_loss","attributes":{"loss_rate":0.25}}"#,
    )
    .await;
    rig.ok(
        "POST",
        "/proxies",
        r#"{"name":"off","listen":"localhost:0","upstream":"x:1","enabled":false,"ttl":60000,"owner":"you"}"#,
    )
    .await;
    let before = rig.ok("GET", "/proxies", "").await.json();
    // Each answer means that its change is on disk: what the file holds now is what a killed server leaves.
    let left = fs::read(folder.file()).unwrap();
    rig.stop().await;

    let killed = Folder::new("killed");
    fs::write(killed.file(), left).unwrap();
    let rig = Rig::keeping(&killed.file()).await;
    assert_eq!(rig.ok("GET", "/proxies", "").await.json(), before);
    let (mut client, mut server) = join(listen, &upstream).await;
    client.write_all(b"x").await.unwrap();
    expect(&mut server, b"x").await;
    rig.ok("DELETE", "/proxies/p", "").await;
    assert_eq!(kept(&killed.file())["proxies"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn stopping_leaves_the_file_as_it_was() {
    let folder = Folder::new("stopped");
    let rig = Rig::keeping(&folder.file()).await;
    rig.proxy("127.0.0.1:9".parse().unwrap()).await;
    let before = kept(&folder.file());
    rig.stop().await;
    assert_eq!(kept(&folder.file()), before);
    assert_eq!(before["proxies"][0]["name"], "p");
    assert_eq!(before["proxies"][0]["enabled"], true);
}

#[tokio::test]
async fn what_ends_by_itself_leaves_the_file_too() {
    let folder = Folder::new("ended");
    let rig = Rig::keeping(&folder.file()).await;
    rig.proxy("127.0.0.1:9".parse().unwrap()).await;
    rig.ok("POST", "/proxies/p/toxics", r#"{"type":"noop","ttl":150}"#)
        .await;
    assert!(kept(&folder.file())["proxies"][0]["toxics"][0]["deadline"].is_u64());
    let gone = async {
        while kept(&folder.file())["proxies"][0]["toxics"] != Value::Array(Vec::new()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[test]
fn deadlines_outlive_the_process_and_what_is_over_does_not_come_back() {
    let text = r#"{"version": 1, "proxies": [
        {"name": "a", "listen": "127.0.0.1:1", "upstream": "x:1", "enabled": true, "toxics": [
            {"name": "over", "type": "noop", "ttl": 500, "deadline": 10000},
            {"name": "soon", "type": "noop", "ttl": 5000, "deadline": 10700},
            {"name": "clock set back", "type": "noop", "ttl": 5000, "deadline": 99000},
            {"name": "stays", "type": "noop"}]},
        {"name": "b", "listen": "127.0.0.1:2", "upstream": "x:1", "enabled": false, "ttl": 500, "deadline": 9000},
        {"name": "c", "listen": "127.0.0.1:3", "upstream": "x:1", "enabled": false, "ttl": 500, "deadline": 10200}]}"#;
    let now = Instant::now();
    let proxies = read(text.as_bytes(), &Clocks::at(now, 10_000)).unwrap();
    let ends = |term: &Term| {
        let ttl = term.begin(now).ttl?;
        Some(ttl.deadline().duration_since(now).as_millis())
    };
    let toxics: Vec<_> = proxies[0]
        .toxics
        .iter()
        .map(|toxic| ends(&toxic.term))
        .collect();
    assert_eq!(toxics, [Some(700), Some(5000), None]);
    assert_eq!(
        proxies[1..]
            .iter()
            .map(|proxy| (proxy.enabled, ends(&proxy.term)))
            .collect::<Vec<_>>()[1],
        (false, Some(200))
    );
    assert!(proxies[1].enabled, "its time was over while nobody served");
}

#[test]
fn a_damaged_file_is_refused_with_its_reason_and_left_as_it_is() {
    let folder = Folder::new("damaged");
    let whole =
        r#"{"version": 1, "proxies": [{"name": "a", "listen": "127.0.0.1:1", "upstream": "x:1"}]}"#;
    for (text, why) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (
            &whole[..40],
            "EOF while parsing an object at line 1 column 40",
        ),
        (
            "[]",
            "json: cannot unmarshal array into Go value of type toxiproxy.State",
        ),
        ("{}", "it has no `version`"),
        (
            r#"{"version": 2}"#,
            "its `version` is 2, this server knows 1",
        ),
        (r#"{"version": 1}"#, "it has no `proxies`"),
        (
            &whole.replace("\"a\"", "\"\""),
            "missing required field: name at proxy 1",
        ),
        (
            &whole.replace("x:1\"}", "x:1\", \"toxics\": [{\"type\": \"lag\"}]}"),
            "invalid toxic type at toxic 1 of proxy 1",
        ),
        (
            &format!("{whole}{whole}"),
            "trailing characters at line 1 column 87",
        ),
    ] {
        fs::write(folder.file(), text).unwrap();
        let shown = folder.file().display().to_string();
        assert_eq!(
            refusal(&folder.file()),
            format!(
                "state file {shown} is damaged: {why}; hint: it was left as it is; repair it, or move it away to begin \
                 with nothing"
            )
        );
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
    fs::write(folder.file(), whole).unwrap();
    assert_eq!(StateFile::open(&folder.file()).unwrap().proxies(), 1);
}

#[test]
fn a_file_is_one_server_s() {
    let folder = Folder::new("shared");
    let first = StateFile::open(&folder.file()).unwrap();
    assert!(refusal(&folder.file()).contains("is in use by another server; hint: "));
    drop(first);
    StateFile::open(&folder.file()).unwrap();
}

#[tokio::test]
async fn a_restored_proxy_whose_port_is_taken_listens_when_it_is_free() {
    let folder = Folder::new("taken");
    let squatter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = squatter.local_addr().unwrap();
    let text = format!(
        r#"{{"version": 1, "proxies": [{{"name": "p", "listen": "{address}", "upstream": "x:1", "enabled": true}}]}}"#
    );
    fs::write(folder.file(), text).unwrap();
    let rig = Rig::keeping(&folder.file()).await;
    assert_eq!(
        rig.ok("GET", "/proxies/p", "").await.json()["enabled"],
        false
    );
    drop(squatter);
    let back = async {
        while rig.ok("GET", "/proxies/p", "").await.json()["enabled"] != true {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), back).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_refuses_holds_up_no_change_and_the_answer_says_so() {
    let folder = Folder::new("refusing");
    let rig = Rig::keeping(&folder.file()).await;
    // A folder where the new file is to be made: nothing can be written there.
    fs::create_dir_all(beside(&folder.file(), "new")).unwrap();
    let body = r#"{"name":"p","listen":"127.0.0.1:0","upstream":"x:1"}"#;
    let answer = rig.ok("POST", "/proxies", body).await;
    assert!(
        answer.head.contains("x-toxiproxy-unsaved: true"),
        "{answer:?}"
    );
    assert!(
        rig.ok("GET", "/metrics", "")
            .await
            .body
            .contains("toxiproxy_state_file_written 0\n")
    );
    fs::remove_dir(beside(&folder.file(), "new")).unwrap();
    let written = async {
        while !fs::read_to_string(folder.file()).is_ok_and(|text| text.contains("\"p\"")) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), written).await.unwrap();
    let answer = rig.ok("DELETE", "/proxies/p", "").await;
    assert!(!answer.head.contains("x-toxiproxy-unsaved"), "{answer:?}");
}
