//! Receivers that take a connection and then say nothing, or not all: each try ends, and nothing else waits for it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::receiver::Receiver;
use super::{Configured, SECRET, until};
use crate::harness::{Service, question};

/// Keeps every connection, and says no more than this after the first bytes of a client.
async fn says(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(text.as_bytes()).await;
                std::future::pending::<()>().await;
            });
        }
    });
    port
}

fn hook(name: &str, port: u16) -> String {
    format!(
        "[channels.{name}]\nkind = \"webhook\"\ngroups = [\"sre\"]\nurl = \"http://127.0.0.1:{port}\"\n\
         secrets = [{{ file = \"s\" }}]\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_hangs_fails_the_try_and_holds_up_no_other() {
    let there = Receiver::start().await;
    let port = there.url.rsplit(':').next().unwrap().parse().unwrap();
    let text = hook("there", port)
        + &hook("mute", says("").await)
        + &hook("half", says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await)
        + &format!(
            "[channels.mail]\nkind = \"mail\"\ngroups = [\"sre\"]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
             from = \"countersign@example.com\"\nto = [\"sre@example.com\"]\n",
            says("").await
        );
    let service = Service::told(&Configured::new(&text, &[("s", SECRET)]).read()).await;
    service.open(question()).await;
    let under_way = "SELECT count(*) FROM outbox WHERE lease IS NOT NULL AND error IS NULL";
    until("three hang", async || (service.count(under_way).await == 3).then_some(())).await;
    service.open(question()).await;
    there.wait(2).await;
    let late = "SELECT count(DISTINCT channel) FROM outbox WHERE error = 'no reply within 10 s'";
    until("they are too late", async || (service.count(late).await == 2).then_some(())).await;
    let mail =
        "SELECT count(DISTINCT channel) FROM outbox WHERE channel = 'mail' AND error = 'no end within 20 s'";
    until("the mail server, too", async || (service.count(mail).await == 1).then_some(())).await;
    assert_eq!(service.count("SELECT count(*) FROM outbox WHERE state = 'sent'").await, 2, "of one channel");
}
