//! The program itself: prepares a folder, serves from it, and keeps secrets to its owner.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::databases::address;
use crate::harness::{PASSWORD, Service, TOTP, question};

pub(crate) fn program(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-approvals"));
    command.arg("--data").arg(data).args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(data: &Path, arguments: &[&str], input: &str) -> Value {
    let mut child = program(data, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A running program, ended with the test.
pub(crate) struct Serving(pub(crate) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn serve(data: &Path) -> (Serving, Value) {
    let mut serving = Serving(program(data, &["--listen", "127.0.0.1:0"]).spawn().unwrap());
    let ready = ready(&mut serving);
    (serving, ready)
}

/// What a program says once it can be spoken to.
pub(crate) fn ready(serving: &mut Serving) -> Value {
    let mut line = String::new();
    BufReader::new(serving.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

fn healthy(ready: &Value) -> bool {
    let mut stream = TcpStream::connect(ready["listening"].as_str().unwrap()).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.starts_with("HTTP/1.1 200 ")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_first_run_makes_everything_and_says_so_once() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let (mut serving, ready) = serve(&data);
    assert!(healthy(&ready));
    serving.0.kill().unwrap();
    let mut said = String::new();
    serving.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    for part in ["log in as", "otpauth://totp/Countersign:admin?", "gateway token", "signing-key.json"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(mode(&data), 0o700);
    for file in ["signing-key.json", "countersign.db"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let (mut second, again) = serve(&data);
    assert_eq!(again["jwk"], ready["jwk"]);
    second.0.kill().unwrap();
    let mut said = String::new();
    second.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("password"), "{said}");
}

#[test]
fn what_is_shown_once_is_not_made_by_a_run_that_cannot_show_it() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let failed = program(folder.path(), &["--listen", &listen]).output().unwrap();
    assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains(&listen));
    assert!(!folder.path().join("countersign.db").exists());
}

#[tokio::test]
async fn a_command_leaves_what_lapses_to_the_services() {
    let service = Service::start().await;
    service.open(question()).await;
    service.sql("UPDATE tickets SET answer_by = 1").await;
    let database = address(&service.database);
    let command = ["--database", &database, "group", "add", "sre", "eve"];
    let done = program(service.folder.path(), &command).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let lapsed = "SELECT count(*) FROM history WHERE event = 'expired'";
    assert_eq!(service.count(lapsed).await, 0, "a command knows no channels to tell");
    service.open(question()).await;
    assert_eq!(service.count(lapsed).await, 1);
}

#[test]
fn a_prepared_folder_is_served_as_it_is() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    let add = ["user", "add", "ada", "--group", "sre", "--password-stdin", "--totp-secret", TOTP];
    let ada = run(data, &add, &format!("{PASSWORD}\n"));
    assert_eq!(
        (&ada["user"], &ada["password"], &ada["totp"]),
        (&"ada".into(), &PASSWORD.into(), &TOTP.into())
    );
    assert!(!program(data, &add).status().unwrap().success(), "a name is taken once");
    let gateway = run(data, &["gateway", "add", "edge", "--audience", "prod"], "");
    assert_eq!(gateway["token"].as_str().unwrap().len(), 64);
    let key = run(data, &["key"], "");
    let (_serving, ready) = serve(data);
    assert_eq!((&ready["jwk"], &ready["issuer"]), (&key, &"local".into()));
    let users = program(data, &["user", "list"]).output().unwrap();
    let users = String::from_utf8(users.stdout).unwrap();
    assert!(users.contains("\"ada\"") && !users.contains("admin"), "{users}");
}
