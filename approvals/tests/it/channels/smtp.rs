//! A mail server: speaks SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte on (RFC 8314) where a
//! test wants it, with AUTH PLAIN, and refuses what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::until;

/// A letter that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
    pub(crate) encrypted: bool,
    /// What was given to log in with, base64.
    pub(crate) login: Option<String>,
}

#[derive(Default)]
struct Plan {
    letters: Vec<Letter>,
    /// What to answer at the end of the next letters instead of taking them.
    refusals: VecDeque<&'static str>,
}

/// Whether it encrypts, from when on, and with what.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    Starttls(TlsAcceptor),
    Tls(TlsAcceptor),
}

#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) port: u16,
    plan: Arc<Mutex<Plan>>,
}

impl MailServer {
    pub(crate) async fn start(encryption: Encryption) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let server = Self { port, plan };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, encryption) = (serving.clone(), encryption.clone());
                // A client that goes away in the middle is none of this server's trouble.
                tokio::spawn(async move { server.greet(stream, encryption).await.ok() });
            }
        });
        server
    }

    pub(crate) fn refuse(&self, replies: &[&'static str]) {
        self.plan.lock().unwrap().refusals.extend(replies);
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.plan.lock().unwrap().letters.clone()
    }

    pub(crate) async fn wait(&self, count: usize) -> Vec<Letter> {
        until(&format!("{count} letters"), async || Some(self.letters()).filter(|all| all.len() >= count))
            .await
    }

    async fn greet(&self, stream: TcpStream, encryption: Encryption) -> std::io::Result<()> {
        match encryption {
            Encryption::None => self.hello(stream, false).await?.listen(false).await.map(drop),
            Encryption::Tls(tls) => {
                self.hello(tls.accept(stream).await?, true).await?.listen(false).await.map(drop)
            }
            Encryption::Starttls(tls) => {
                let mut talk = self.hello(stream, false).await?;
                if talk.listen(true).await? {
                    let stream = BufReader::new(tls.accept(talk.stream.into_inner()).await?);
                    Talk { server: self, stream, encrypted: true, login: None }.listen(false).await?;
                }
                Ok(())
            }
        }
    }

    async fn hello<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        encrypted: bool,
    ) -> std::io::Result<Talk<'_, S>> {
        stream.write_all(b"220 mail.example ESMTP\r\n").await?;
        Ok(Talk { server: self, stream: BufReader::new(stream), encrypted, login: None })
    }
}

struct Talk<'a, S> {
    server: &'a MailServer,
    stream: BufReader<S>,
    encrypted: bool,
    login: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        assert!(line.ends_with("\r\n"), "{line:?}");
        // RFC 5321, section 4.5.3.1.6.
        assert!(line.len() <= 1000, "{line:?}");
        Ok(line.trim_end().to_owned())
    }

    /// Until the client quits, or wants TLS.
    async fn listen(&mut self, starttls: bool) -> std::io::Result<bool> {
        let (mut from, mut to) = (String::new(), Vec::new());
        loop {
            let line = self.line().await?;
            let verb = line.split([' ', ':']).next().unwrap().to_uppercase();
            match verb.as_str() {
                "EHLO" if starttls => self.say("250-mail.example\r\n250 STARTTLS").await?,
                "EHLO" => self.say("250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN").await?,
                "STARTTLS" if starttls => {
                    self.say("220 go ahead").await?;
                    return Ok(true);
                }
                "AUTH" => {
                    self.login = line.split(' ').nth(2).map(str::to_owned);
                    self.say("235 welcome").await?;
                }
                "MAIL" => {
                    from = address(&line);
                    self.say("250 ok").await?;
                }
                "RCPT" => {
                    to.push(address(&line));
                    self.say("250 ok").await?;
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    let text = self.data().await?;
                    let reply = self.take(Letter {
                        from: std::mem::take(&mut from),
                        to: std::mem::take(&mut to),
                        text,
                        encrypted: self.encrypted,
                        login: self.login.clone(),
                    });
                    self.say(reply).await?;
                }
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(false);
                }
                _ => self.say("250 ok").await?,
            }
        }
    }

    /// The letter up to the dot, dots that were doubled undone (RFC 5321, section 4.5.2).
    async fn data(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                return Ok(text);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
        }
    }

    fn take(&self, letter: Letter) -> &'static str {
        let mut plan = self.server.plan.lock().unwrap();
        match plan.refusals.pop_front() {
            Some(refusal) => refusal,
            None => {
                plan.letters.push(letter);
                "250 taken"
            }
        }
    }
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap().to_owned()
}
