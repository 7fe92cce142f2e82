//! A real Chromium without a window, spoken to over its debugging pipe: JSON messages that end with a zero byte. Two named pipes
//! bring them to the file descriptors 3 and 4 that Chromium expects, so that no other library is needed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where Chromium is; `None`, with a message, where it is not. `PITA_BENCH_REQUIRE=chromium` makes that a failure.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var("PITA_BENCH_REQUIRE").is_ok_and(|r| r.contains("chromium"));
        assert!(!required, "PITA_BENCH_REQUIRE asks for chromium");
        println!("skipped: no {} in PATH", NAMES.join(", "));
    }
    found
}

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    events: Vec<Value>,
    _folder: tempfile::TempDir,
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [questions, answers] = ["in", "out"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").args([&questions, &answers]).status().unwrap().success());
        let line = "exec \"$1\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --remote-debugging-pipe \
                    --no-first-run --user-data-dir=\"$2\" about:blank 3<\"$3\" 4>\"$4\"";
        let child = Command::new("sh")
            .args(["-c", line, "sh"])
            .args([program, &folder.path().join("profile"), &questions, &answers])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let to = File::options().write(true).open(&questions).unwrap();
        let answers = File::open(&answers).unwrap();
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let Ok(message) = message else { return };
                if send.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from, session: None, sent: 0, events: vec![], _folder: folder };
        let targets = browser.ask("Target.getTargets", &json!({}));
        let page = targets["targetInfos"].as_array().unwrap().iter().find(|t| t["type"] == "page").unwrap();
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", &attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// A command of the DevTools protocol and its answer; what else the browser says meanwhile is kept.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        loop {
            let mut answer = self.from.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{method}: {e}"));
            if answer["id"] == self.sent {
                assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens a file at a place (`#...`, or nothing), always anew, and waits until it is loaded.
    pub fn open(&mut self, file: &Path, place: &str) {
        self.go("about:blank");
        let url = format!("file://{}{place}", file.canonicalize().unwrap().display());
        self.go(&url);
    }

    fn go(&mut self, url: &str) {
        let loaded = |e: &Value| e["method"] == "Page.loadEventFired";
        self.events.retain(|e| !loaded(e));
        let answer = self.ask("Page.navigate", &json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{answer}");
        while !self.events.iter().any(loaded) {
            let event = self.from.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("{url}: {e}"));
            self.events.push(event);
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask("Runtime.evaluate", &params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Size of the window, and whether the reader has dark colours.
    pub fn window(&mut self, width: u32, height: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The middle of the first element of a selector, scrolled into view; what scrolling causes has happened then.
    fn place(&mut self, selector: &str) -> (f64, f64) {
        let found = self.eval(&format!(
            "(async () => {{ const e = document.querySelector({}); if (!e) return null; \
             e.scrollIntoView({{ block: 'center', inline: 'center', behavior: 'instant' }}); \
             await new Promise(done => setTimeout(done, 50)); \
             const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()",
            json!(selector)
        ));
        let at = |i: usize| found[i].as_f64().unwrap_or_else(|| panic!("{selector} is not in the page"));
        (at(0), at(1))
    }

    /// Moves the mouse to an element.
    pub fn point(&mut self, selector: &str) {
        let (x, y) = self.place(selector);
        self.ask("Input.dispatchMouseEvent", &json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// Clicks an element.
    pub fn click(&mut self, selector: &str) {
        let (x, y) = self.place(selector);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    /// Types into what has the focus.
    pub fn write(&mut self, text: &str) {
        self.ask("Input.insertText", &json!({ "text": text }));
    }

    /// Presses Escape.
    pub fn escape(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27 });
            self.ask("Input.dispatchKeyEvent", &key);
        }
    }

    /// Keeps what the window shows as a file for people to look at.
    pub fn keep(&mut self, file: &Path) {
        let shot = self.ask("Page.captureScreenshot", &json!({}));
        std::fs::write(file, decoded(shot["data"].as_str().unwrap())).unwrap();
    }

    /// Keeps the page as it prints.
    pub fn print(&mut self, file: &Path) {
        let paper = self.ask("Page.printToPDF", &json!({ "preferCSSPageSize": true, "printBackground": true }));
        std::fs::write(file, decoded(paper["data"].as_str().unwrap())).unwrap();
    }

    /// Errors and warnings on the console, exceptions, refused requests.
    pub fn complaints(&self) -> Vec<String> {
        let bad = |e: &&Value| match e["method"].as_str().unwrap_or_default() {
            "Runtime.consoleAPICalled" => e["params"]["type"] == "error" || e["params"]["type"] == "warning",
            "Runtime.exceptionThrown" | "Log.entryAdded" => true,
            _ => false,
        };
        self.events.iter().filter(bad).map(|e| e["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes from base64.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => u32::from(b - b'A'),
        b'a'..=b'z' => u32::from(b - b'a') + 26,
        b'0'..=b'9' => u32::from(b - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|b| *b != b'=').map(digit).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let whole = four.iter().enumerate().fold(0, |sum, (i, d)| sum | d << (18 - 6 * i));
        [16, 8, 0].into_iter().take(four.len() - 1).map(move |shift| (whole >> shift) as u8)
    });
    bytes.collect()
}
