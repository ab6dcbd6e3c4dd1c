//! A headless Chromium, driven by WebDriver.

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::Url;

/// How long to wait for a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with nothing in it; it ends with the test.
pub(crate) struct Browser {
    pub(crate) client: Client,
    _driver: Driver,
}

/// The program that drives it, and all that it starts.
struct Driver {
    process: Child,
    /// Kept open: it would end when it cannot print.
    output: Lines<BufReader<ChildStdout>>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        Command::new("kill").arg("--").arg(format!("-{}", self.process.id())).status().ok();
        self.process.wait().ok();
    }
}

/// A command of WebDriver's extensions.
#[derive(Debug)]
struct Extension(&'static str, Value);

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Driver {
    /// One that can be spoken to, and its port. Of several that start at once, one may find its port taken.
    fn start() -> (Self, u16) {
        (0..10).find_map(|_| Self::try_start()).expect("chromedriver does not start")
    }

    fn try_start() -> Option<(Self, u16)> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("Debian's package chromium-driver");
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut driver = Self { process, output };
        let mut lines = driver.output.by_ref().map(Result::unwrap);
        let said = lines.find(|line| line.contains("started successfully on port"))?;
        let port = said.trim_end_matches('.').rsplit(' ').next()?.parse().ok()?;
        Some((driver, port))
    }
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let (driver, port) = Driver::start();
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,1000"];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            // A page of many megabytes takes a busy machine longer than the half minute that is usual.
            "timeouts": { "script": 120_000 },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
        Self { client, _driver: driver }
    }

    async fn extension(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Extension(path, body)).await.unwrap()
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.extension("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// An authenticator with a finger on it (WebAuthn Level 3, section 12).
    pub(crate) async fn add_authenticator(&self) {
        let kind = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "isUserConsenting": true,
        });
        self.extension("webauthn/authenticator", kind).await;
    }

    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Waits until it is at that path, after all that leads there by itself.
    pub(crate) async fn arrive(&self, path: &str) {
        let there = async {
            while self.client.current_url().await.unwrap().path() != path {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, there).await;
        let (at, text) = (self.client.current_url().await.unwrap(), self.text().await);
        assert!(arrived.is_ok(), "at `{at}` instead of `{path}`: {text}");
    }

    pub(crate) async fn find(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no `{css}`: {error}: {}", self.text().await),
        }
    }

    pub(crate) async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.unwrap().is_empty()
    }

    pub(crate) async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap();
    }

    /// What stands in a field.
    pub(crate) async fn value(&self, css: &str) -> String {
        self.find(css).await.prop("value").await.unwrap().unwrap_or_default()
    }

    /// The path that it is at.
    pub(crate) async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// What a page says.
    pub(crate) async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await;
        match body {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Waits until a page says that.
    pub(crate) async fn reads(&self, text: &str) {
        let said = async {
            while !self.text().await.contains(text) {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "not `{text}`: {}", self.text().await);
    }

    /// What a script of the page's returns or resolves to.
    pub(crate) async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let script = format!(
            "const [done, ...given] = [[...arguments].pop(), ...arguments];
             (async () => {{ {script} }})().then(done, (error) => done(`failed: ${{error}}`));"
        );
        self.client.execute_async(&script, arguments).await.unwrap()
    }

    /// What the browser complained about since it was last asked, refused replies and the provider's pages apart: no
    /// script that the policy forbids, no error.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.extension("se/log", json!({ "type": "browser" })).await;
        let entries = log.as_array().unwrap().iter();
        let text = |entry: &Value| entry["message"].as_str().unwrap().to_owned();
        entries
            .map(text)
            .filter(|text| !text.contains("Failed to load resource") && !text.contains("/interaction/"))
            .collect()
    }

    /// Sees that the page has no script but files of the service, and that the browser has nothing to say.
    pub(crate) async fn is_clean(&self) {
        let inline = "return [...document.querySelectorAll('script:not([src]), [style], [onclick], style')]
            .map((element) => element.outerHTML).concat([...document.scripts].map((script) => script.src)
            .filter((from) => from && !from.startsWith(location.origin + '/assets/')));";
        assert_eq!(self.run(inline, vec![]).await, json!([]));
        assert_eq!(self.complaints().await, Vec::<String>::new());
    }
}
