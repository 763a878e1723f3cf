//! Chromium, driven as `WebDriver` has it (W3C).

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use fantoccini::{Client, ClientBuilder, Locator, key::Key, wd::WebDriverCompatibleCommand};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use undertone_tests::{
    Result,
    lab::{Process, wait_for},
};
use url::Url;

use super::{SOON, other};

/// How long Chromium may take to start on a busy machine.
const START: Duration = Duration::from_secs(30);

/// A browser with one window. It ends with its driver.
pub(super) struct Browser {
    runtime: Runtime,
    client: Client,
    origin: String,
    _driver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// One that takes the certificate of `origin` as it is.
    pub(super) fn open(origin: &str) -> Result<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0");
        let mut driver = Process::spawn("chromedriver", command)?;
        let line = driver.wait_for_line("started successfully on port", START)?;
        let port = line.rsplit(' ').next().map(|port| port.trim_end_matches('.').to_owned()).unwrap_or_default();
        let profile = tempfile::tempdir().map_err(other)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(other)?;
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&profile));
        let client = runtime.block_on(builder.connect(&format!("http://127.0.0.1:{port}"))).map_err(other)?;
        Ok(Self { runtime, client, origin: origin.into(), _driver: driver, _profile: profile })
    }

    pub(super) fn go(&self, path: &str) -> Result<()> {
        self.runtime.block_on(self.client.goto(&format!("{}{path}", self.origin))).map_err(other)
    }

    pub(super) fn set_size(&self, width: u32, height: u32) -> Result<()> {
        self.runtime.block_on(self.client.set_window_size(width, height)).map_err(other)
    }

    /// What a script returns, which is the body of a function.
    pub(super) fn run(&self, script: &str) -> Result<Value> {
        self.runtime.block_on(self.client.execute(script, Vec::new())).map_err(other)
    }

    /// What a script gives to its last argument, a function.
    pub(super) fn run_until_done(&self, script: &str) -> Result<Value> {
        self.runtime.block_on(self.client.execute_async(script, Vec::new())).map_err(other)
    }

    /// Has pages be light or dark from now on.
    pub(super) fn set_scheme(&self, scheme: &str) -> Result<()> {
        // Without motion, so that no picture is of a colour on its way to another.
        let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
        let features = features.map(|(name, value)| json!({ "name": name, "value": value }));
        let media = json!({ "features": features });
        let command = DevTools(json!({ "cmd": "Emulation.setEmulatedMedia", "params": media }));
        self.runtime.block_on(self.client.issue_cmd(command)).map(drop).map_err(other)
    }

    /// Waits until what is to be seen has a text, and gives all of it.
    pub(super) fn wait_for_text(&self, text: &str) -> Result<String> {
        let found = wait_for(&format!("the page to show \"{text}\""), SOON, || {
            self.text().ok().filter(|all| all.contains(text))
        });
        if found.is_err() {
            println!("the page shows: {}", self.text().unwrap_or_default());
        }
        found
    }

    /// What is to be seen.
    pub(super) fn text(&self) -> Result<String> {
        let text = self.run("return document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// The names of the buttons that there are, those for assistive technology.
    pub(super) fn buttons(&self) -> Result<Vec<String>> {
        let script = "return [...document.querySelectorAll('main button, aside button, section button')]
            .map(button => button.getAttribute('aria-label') ?? button.innerText.split('\\n')[0])";
        let names = self.run(script)?;
        Ok(names.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(Into::into)).collect())
    }

    /// Presses a button by the beginning of its name.
    pub(super) fn press(&self, name: &str) -> Result<()> {
        let path = format!("//button[starts-with(normalize-space(.), '{name}') or starts-with(@aria-label, '{name}')]");
        wait_for(&format!("the button \"{name}\""), SOON, || {
            let pressed = async { self.client.find(Locator::XPath(&path)).await?.click().await };
            self.runtime.block_on(pressed).ok()
        })
    }

    /// Types into the field of a name, as its form has it.
    pub(super) fn fill(&self, field: &str, text: &str) -> Result<()> {
        let selector = format!("input[name={field}]");
        wait_for(&format!("the field {field}"), SOON, || {
            let typed = async {
                let field = self.client.find(Locator::Css(&selector)).await?;
                field.clear().await?;
                field.send_keys(text).await
            };
            self.runtime.block_on(typed).ok()
        })
    }

    /// Presses a key where the focus is.
    pub(super) fn key(&self, key: char) -> Result<()> {
        let typed = async { self.client.active_element().await?.send_keys(&key.to_string()).await };
        self.runtime.block_on(typed).map_err(other)
    }

    pub(super) fn enter(&self) -> Result<()> {
        self.key(char::from(Key::Enter))
    }

    /// Keeps a picture of the window, below `target/portal-pictures`.
    pub(super) fn picture(&self, name: &str) -> Result<PathBuf> {
        let test = env::current_exe().map_err(other)?;
        let target = test.ancestors().nth(3).ok_or_else(|| other("the test stands in no target folder"))?;
        let folder = target.join("portal-pictures");
        fs::create_dir_all(&folder).map_err(other)?;
        let picture = self.runtime.block_on(self.client.screenshot()).map_err(other)?;
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, picture).map_err(other)?;
        Ok(path)
    }
}

/// A command of Chromium's own.
#[derive(Debug)]
struct DevTools(Value);

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> std::result::Result<Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.0.to_string()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

fn capabilities(profile: &tempfile::TempDir) -> serde_json::Map<String, Value> {
    let arguments = [
        "--headless=new".to_owned(),
        // Tests may run as root, for whom Chromium has no sandbox; what it shows is ours.
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--window-size=1280,900".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    let capabilities = json!({
        "acceptInsecureCerts": true,
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        _ => serde_json::Map::new(),
    }
}
