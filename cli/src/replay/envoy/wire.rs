//! HTTP/1.1 byte by byte, as far as a gateway speaks it: a library would mend or reorder what a replay compares.

use std::io::{Error, ErrorKind, Result};

use countersign_host_test::Fields;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The largest head that is read, bytes: Envoy's own limit is 60 KiB of header fields.
const LONGEST_HEAD: usize = 1 << 20;

/// A connection that messages are read from.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: S,
    buffered: Vec<u8>,
}

/// The first line of a message and its fields, names in lower case.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) line: Vec<u8>,
    pub(super) fields: Fields,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    /// With the connection.
    Close,
}

impl Head {
    /// The first value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The words of the first line, three at most.
    pub(super) fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.line.splitn(3, |byte| *byte == b' ')
    }

    /// The status of a response; 0 when it is none.
    pub(super) fn status(&self) -> u16 {
        let status = self.words().nth(1).and_then(|word| str::from_utf8(word).ok()?.parse().ok());
        status.unwrap_or(0)
    }

    /// How the body ends, when there is one and the fields say so.
    pub(super) fn framing(&self) -> Option<Framing> {
        if self.field("transfer-encoding").is_some() {
            return Some(Framing::Chunked);
        }
        let length = str::from_utf8(self.field("content-length")?).ok()?;
        length.parse().ok().map(Framing::Length)
    }
}

impl<S: AsyncRead + Unpin> Reader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, buffered: Vec::new() }
    }

    /// The next head; nothing at the end of the connection.
    pub(super) async fn head(&mut self) -> Result<Option<Head>> {
        let end = loop {
            if let Some(end) = self.buffered.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.buffered.len() > LONGEST_HEAD {
                return Err(ErrorKind::InvalidData.into());
            }
            match self.more().await {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.buffered.is_empty() => {
                    return Ok(None);
                }
                other => other?,
            }
        };
        let text: Vec<u8> = self.buffered.drain(..end + 4).collect();
        let mut lines = lines(&text);
        let line = lines.next().unwrap_or_default().to_vec();
        Ok(Some(Head { line, fields: lines.filter_map(field).collect() }))
    }

    /// Adds what comes of a body to `body`, as it comes, and gives the trailer fields.
    pub(super) async fn body(&mut self, framing: Framing, body: &mut Vec<u8>) -> Result<Fields> {
        match framing {
            Framing::Length(length) => self.take(length, body).await.map(|()| Fields::new()),
            Framing::Chunked => self.chunks(body).await,
            Framing::Close => loop {
                body.append(&mut self.buffered);
                match self.more().await {
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Fields::new()),
                    other => other?,
                }
            },
        }
    }

    /// Waits until the other side closes the connection; what it sends meanwhile is kept.
    pub(super) async fn closed(&mut self) {
        while self.more().await.is_ok() {}
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Result<Fields> {
        loop {
            let line = self.line().await?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size =
                str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
            match size.ok_or(ErrorKind::InvalidData)? {
                0 => break,
                size => self.take(size, body).await?,
            }
            self.line().await?;
        }
        let mut trailers = Fields::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.extend(field(&line));
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffered.windows(2).position(|bytes| bytes == b"\r\n") {
                let mut line: Vec<u8> = self.buffered.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, mut size: usize, into: &mut Vec<u8>) -> Result<()> {
        loop {
            let here = size.min(self.buffered.len());
            into.extend(self.buffered.drain(..here));
            size -= here;
            if size == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffered).await? {
            0 => Err(Error::from(ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn field(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    Some((name.to_ascii_lowercase(), value.get(1..)?.trim_ascii().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (Head, Vec<u8>, Fields) {
        let mut reader = Reader::new(bytes);
        let head = reader.head().await.unwrap().unwrap();
        let mut body = Vec::new();
        let trailers = reader.body(head.framing().unwrap_or(Framing::Close), &mut body).await.unwrap();
        (head, body, trailers)
    }

    #[tokio::test]
    async fn fields_keep_their_order_and_bytes() {
        let (head, body, _) =
            read(b"POST /a?b HTTP/1.1\r\nB: 1\r\na:\xff \r\ncontent-length: 2\r\n\r\nhi!").await;
        assert_eq!(head.words().collect::<Vec<_>>(), [&b"POST"[..], b"/a?b", b"HTTP/1.1"]);
        assert_eq!(head.fields[..2], [(b"b".to_vec(), b"1".to_vec()), (b"a".to_vec(), b"\xff".to_vec())]);
        assert_eq!(body, b"hi");
    }

    #[tokio::test]
    async fn chunks_have_trailers() {
        let text =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\nt: 1\r\n\r\n";
        let (_, body, trailers) = read(text).await;
        assert_eq!((body.as_slice(), trailers), (&b"abcd"[..], vec![(b"t".to_vec(), b"1".to_vec())]));
    }

    #[tokio::test]
    async fn what_came_of_a_body_that_is_cut_is_kept() {
        let mut reader = Reader::new(&b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"[..]);
        let head = reader.head().await.unwrap().unwrap();
        let mut body = Vec::new();
        assert!(reader.body(head.framing().unwrap(), &mut body).await.is_err());
        assert_eq!(body, b"abc");
        assert!(reader.head().await.unwrap().is_none());
    }
}
