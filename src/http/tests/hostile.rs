//! Names and messages that mean harm: they are text, whole and in their place, on every page that shows them.

use hyper::Method;

use super::world::Server;

/// Markup, a script's address, a word that turns the reading direction, and one that never ends.
fn texts() -> [String; 5] {
    [
        "<script>alert(1)</script><img src=x onerror=alert(1)>".to_owned(),
        "\"><svg/onload=alert(1)> ' onmouseover='alert(1)".to_owned(),
        "{{ layout.who.form_token }} {% raw %} ${env:HOME}".to_owned(),
        "safe \u{202e}drawkcab\u{202c} \u{2066}isolated\u{2069} zero\u{200b}width".to_owned(),
        "Donaudampfschifffahrtsgesellschaft".repeat(110),
    ]
}

fn encoded(text: &str) -> String {
    crate::http::actor::encoded(text)
}

/// As a page shows a text.
fn shown(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('/', "&#x2f;")
}

#[tokio::test]
async fn what_people_write_is_text_wherever_it_is_shown() {
    let server = Server::start().await;
    let run = server.drill().await;
    let room = format!("/runs/{run}");
    let texts = texts();
    for text in &texts {
        assert!(text.len() < 4000, "an act takes up to 4,000 characters");
        let noted = format!("act=noted&text={}", encoded(text));
        assert_eq!(
            server.form(&format!("{room}/acts"), &noted).await.status,
            303
        );
        let update = format!(
            "act=update_posted&audience=customers&channel=status_page&text={}",
            encoded(text)
        );
        assert_eq!(
            server.form(&format!("{room}/acts"), &update).await.status,
            303
        );
        let draft = format!("audience=customers&text={}", encoded(text));
        let checked = server.form(&format!("{room}/draft"), &draft).await;
        assert_eq!(checked.status, 200);
        assert!(
            checked.body.contains(&shown(text)),
            "a draft is kept as it is"
        );
    }
    // Somebody whose name is markup.
    let hostile = "<b onclick=alert(1)>Ada</b>";
    let kept = server
        .form("/name", &format!("name={}", encoded(hostile)))
        .await;
    let cookie = kept
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let (token, _) = server.form_token(None).await;
    let request = server
        .request(Method::POST, &format!("{room}/acts"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", &cookie);
    let acted = server
        .send(request, format!("act=acknowledged&csrf={token}"))
        .await;
    assert_eq!(acted.status, 303);

    let live = server.get(&room).await.body;
    let staff = server.get(&format!("{room}?staff=1")).await.body;
    server.halt(&run).await;
    for text in &texts {
        let remark = format!(
            "kind=badly&text={}",
            encoded(&text.chars().take(1900).collect::<String>())
        );
        assert_eq!(
            server
                .form(&format!("{room}/remarks"), &remark)
                .await
                .status,
            303
        );
    }
    let task = format!(
        "text={}&owner={}&due=2026-04-01",
        encoded(&texts[0]),
        encoded(hostile)
    );
    assert_eq!(
        server.form(&format!("{room}/actions"), &task).await.status,
        303
    );
    let over = server.get(&room).await.body;
    let report = server.get(&format!("{room}/report")).await.body;
    let list = server.get("/actions").await.body;
    let overview = server.get("/").await.body;
    for (page, body) in [
        ("live", &live),
        ("staff", &staff),
        ("over", &over),
        ("report", &report),
    ] {
        for text in &texts {
            assert!(
                body.contains(&shown(text)),
                "`{text:.40}` is not in the {page} page as text"
            );
        }
        assert!(
            body.contains(&shown(hostile)),
            "the name is not in the {page} page"
        );
    }
    for (page, body) in [("list", &list), ("overview", &overview)] {
        assert!(
            body.contains(&shown(&texts[0])),
            "the action is not in the {page} page"
        );
    }
    for body in [&live, &staff, &over, &report, &list, &overview] {
        for markup in ["<script>alert", "<img src=x", "<svg/onload", "<b onclick"] {
            assert!(!body.contains(markup), "`{markup}` is markup");
        }
    }
    let saved = server.get(&format!("{room}/report.md")).await;
    assert!(saved.header("content-type").starts_with("text/markdown"));
    assert!(!saved.body.contains("<script>") && !saved.body.contains("<b onclick"));
}
