//! A real browser: Debian's chromium, driven through its own chromedriver. Nothing is downloaded.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use thirtyfour::common::command::{Command as Request, ExtensionCommand};
use thirtyfour::error::WebDriverResult;
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
    WebElement, WindowHandle,
};
use tokio::runtime::{self, Runtime};
use tokio::time::Instant;

use crate::ground::{Folder, not_run, until};

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// How long a page may take to show what it should.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A command of the `DevTools` protocol.
#[derive(Debug)]
struct DevTools {
    name: &'static str,
    parameters: Value,
}

impl ExtensionCommand for DevTools {
    fn parameters_json(&self) -> Option<Value> {
        Some(json!({"cmd": self.name, "params": self.parameters}))
    }

    fn method(&self) -> Method {
        Method::POST
    }

    fn endpoint(&self) -> Arc<str> {
        "/goog/cdp/execute".into()
    }
}

/// Whether pages may run scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    On,
    Off,
}

/// One browser with a profile of its own; it ends when it is dropped.
pub(super) struct Chromium {
    // In this order: the session ends before the driver, the driver before its profile goes.
    session: Option<WebDriver>,
    runtime: Runtime,
    _driver: Driver,
    base: String,
}

/// The driver's process, and with it whatever it started.
struct Driver {
    process: Child,
    folder: Folder,
}

impl Driver {
    fn start() -> Self {
        let folder = Folder::new();
        let told = File::create(folder.path().join("driver.txt")).expect("the folder takes a file");
        let process = Command::new(CHROMEDRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(told)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver starts");
        Self { process, folder }
    }

    fn address(&self) -> String {
        let port = until("chromedriver tells its port", PATIENCE, || {
            let told = self.folder.read("driver.txt");
            let (_, rest) = told.split_once("started successfully on port ")?;
            let (port, _) = rest.split_once('.')?;
            port.parse::<u16>().ok()
        });
        format!("http://127.0.0.1:{port}")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        let _ = kill_process_group(group, Signal::TERM);
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.process.wait();
    }
}

impl Chromium {
    /// A browser whose addresses begin with `base`; nothing, which is said, where there is none on this machine.
    pub(super) fn open(base: &str, scripts: Scripts) -> Option<Self> {
        for program in [CHROMIUM, CHROMEDRIVER] {
            if !Path::new(program).exists() {
                not_run(&format!(
                    "this test needs a browser, and {program} is not there; hint: apt-get install chromium chromium-driver"
                ));
                return None;
            }
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let driver = Driver::start();
        let profile = driver.folder.path().join("profile");
        let capabilities = capabilities(&profile, scripts).expect("capabilities are plain JSON");
        let session =
            runtime.block_on(async { WebDriver::new(driver.address(), capabilities).await });
        let session = session.expect("chromium starts");
        Some(Self {
            session: Some(session),
            runtime,
            _driver: driver,
            base: base.to_owned(),
        })
    }

    fn session(&self) -> &WebDriver {
        self.session.as_ref().expect("it is there until the drop")
    }

    fn wait<T>(&self, doing: impl Future<Output = WebDriverResult<T>>) -> WebDriverResult<T> {
        self.runtime.block_on(doing)
    }

    /// Goes to a page of the server.
    pub(super) fn go(&self, path: &str) {
        let address = format!("{}{path}", self.base);
        self.wait(self.session().goto(address))
            .expect("the page loads");
    }

    pub(super) fn reload(&self) {
        self.wait(self.session().refresh()).expect("the page loads");
    }

    /// Where one is, without the server's part.
    pub(super) fn path(&self) -> String {
        let address = self.wait(self.session().current_url()).expect("an address");
        address.as_str().trim_start_matches(&self.base).to_owned()
    }

    /// Opens another tab, and stays in this one.
    pub(super) fn another_tab(&self) -> WindowHandle {
        self.wait(self.session().new_tab()).expect("a tab opens")
    }

    pub(super) fn tab(&self) -> WindowHandle {
        self.wait(self.session().window()).expect("a tab is there")
    }

    pub(super) fn turn_to(&self, tab: &WindowHandle) {
        self.wait(self.session().switch_to_window(tab.clone()))
            .expect("the tab is there");
    }

    /// What the page shows at the first such element; empty where it is not there.
    pub(super) fn text(&self, selector: &str) -> String {
        let text = self.wait(async { self.session().find(By::Css(selector)).await?.text().await });
        text.unwrap_or_default()
    }

    /// What the page shows at every such element.
    pub(super) fn texts(&self, selector: &str) -> Vec<String> {
        let texts = self.wait(async {
            let mut texts = Vec::new();
            for element in self.session().find_all(By::Css(selector)).await? {
                texts.push(element.text().await?);
            }
            Ok(texts)
        });
        texts.unwrap_or_default()
    }

    pub(super) fn count(&self, selector: &str) -> usize {
        self.wait(self.session().find_all(By::Css(selector)))
            .expect("the page can be searched")
            .len()
    }

    /// The page as it is in the document, hidden parts too.
    pub(super) fn source(&self) -> String {
        self.wait(self.session().source()).expect("a page is there")
    }

    /// Waits until an element shows something.
    #[track_caller]
    pub(super) fn shows(&self, selector: &str, text: &str) {
        self.comes_to(selector, text, || {});
    }

    /// Loads the page again and again until an element shows something.
    #[track_caller]
    pub(super) fn shows_after_reloads(&self, selector: &str, text: &str) {
        self.comes_to(selector, text, || {
            std::thread::sleep(Duration::from_millis(400));
            self.reload();
        });
    }

    #[track_caller]
    fn comes_to(&self, selector: &str, text: &str, between: impl Fn()) {
        let end = Instant::now() + PATIENCE + PATIENCE;
        while !self.text(selector).contains(text) {
            assert!(
                Instant::now() < end,
                "`{selector}` of {} does not show `{text}`:\n{}",
                self.path(),
                self.text("body")
            );
            std::thread::sleep(Duration::from_millis(50));
            between();
        }
    }

    /// Clicks what a person would click. Live sections are replaced under the pointer, so a click that finds its
    /// element gone is tried again.
    #[track_caller]
    pub(super) fn click(&self, xpath: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let clicked = self.wait(async { self.element(xpath).await?.click().await });
            match clicked {
                Ok(()) => return,
                Err(error) => assert!(
                    Instant::now() < end,
                    "`{xpath}` of {} can't be clicked: {error}\n{}",
                    self.path(),
                    self.text("body")
                ),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types into a field.
    #[track_caller]
    pub(super) fn fill(&self, xpath: &str, text: &str) {
        let filled = self.wait(async {
            let field = self.element(xpath).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
        filled.unwrap_or_else(|error| {
            panic!("`{xpath}` of {} can't be filled: {error}", self.path())
        });
    }

    async fn element(&self, xpath: &str) -> WebDriverResult<WebElement> {
        self.session().find(By::XPath(xpath)).await
    }

    /// Runs a script in the page.
    pub(super) fn evaluate(&self, script: &str) -> Value {
        let answer = self.wait(async {
            let answer = self.session().execute(script, Vec::new()).await?;
            Ok(answer.json().clone())
        });
        answer.expect("the script runs")
    }

    /// Waits until a script in the page answers with true.
    #[track_caller]
    pub(super) fn comes(&self, what: &str, script: &str) {
        let end = Instant::now() + PATIENCE;
        while self.evaluate(script) != true {
            assert!(
                Instant::now() < end,
                "{what}: not on {}:\n{}",
                self.path(),
                self.text("body")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses a key, as a person does.
    pub(super) fn press(&self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.devtools("Input.dispatchKeyEvent", event);
        }
    }

    /// The page as it would be printed.
    pub(super) fn printed(&self) -> Vec<u8> {
        let how = json!({"printBackground": true, "preferCSSPageSize": true});
        let answer = self.devtools("Page.printToPDF", how);
        decoded(answer["data"].as_str().expect("the document as text"))
    }

    /// Takes the reader to a time zone; an empty name brings them back.
    pub(super) fn lives_in(&self, zone: &str) {
        let place = json!({"timezoneId": zone});
        self.devtools("Emulation.setTimezoneOverride", place);
    }

    pub(super) fn devtools(&self, name: &'static str, parameters: Value) -> Value {
        let command = Request::ExtensionCommand(Box::new(DevTools { name, parameters }));
        let answer = self.wait(async { self.session().cmd(command).await?.value::<Value>() });
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes what the window shows.
    pub(super) fn photograph(&self, file: &Path) {
        let picture = self
            .wait(self.session().screenshot_as_png())
            .expect("a picture");
        fs::write(file, picture).expect("the folder takes a file");
    }

    /// The errors that the console has told since this was last asked.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self
            .wait(self.session().browser_log())
            .expect("a log is kept");
        log.into_iter()
            .filter(|entry| entry.level != "INFO" && entry.level != "DEBUG")
            .map(|entry| format!("{}: {}", entry.level, entry.message))
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // A browser that does not answer is ended with its driver.
            let _ = self.runtime.block_on(async {
                tokio::time::timeout(Duration::from_secs(10), session.quit()).await
            });
        }
    }
}

/// Base64, as the browser hands bytes over.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap_or_default());
        }
    }
    bytes
}

fn capabilities(
    profile: &Path,
    scripts: Scripts,
) -> WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(CHROMIUM)?;
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--window-size=1280,900",
    ] {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    if scripts == Scripts::Off {
        let blocked = json!({"profile.managed_default_content_settings.javascript": 2});
        capabilities.add_experimental_option("prefs", blocked)?;
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities)
}
