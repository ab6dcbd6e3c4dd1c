//! The flags of `curl` that people copy, from its manual page: which take a value, and what each means for the
//! request.

/// What a flag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// Nothing to the request; whether a value follows.
    Nothing { value: bool },
    /// `-X`.
    Method,
    /// `-H`.
    Header,
    /// `--url`.
    Url,
    /// `-d`: `@` reads a file, without its line ends.
    Data,
    /// `--data-raw`: as it is.
    DataRaw,
    /// `--data-binary`: `@` reads a file, as it is.
    DataBinary,
    /// `--data-urlencode`.
    DataEncoded,
    /// `--json`.
    Json,
    /// `-G`.
    Get,
    /// `-I`.
    Head,
    /// `-u`.
    User,
    /// `--oauth2-bearer`.
    Bearer,
    /// `-b`.
    Cookie,
    /// `-A`.
    UserAgent,
    /// `-e`.
    Referer,
    /// `-r`.
    Range,
    /// `--compressed`.
    Compressed,
    /// `-g`.
    NoGlob,
}

impl Flag {
    /// Whether a value follows.
    pub(super) fn takes_value(self) -> bool {
        !matches!(
            self,
            Self::Nothing { value: false } | Self::Get | Self::Head | Self::Compressed | Self::NoGlob
        )
    }
}

const PLAIN: Flag = Flag::Nothing { value: false };
const VALUE: Flag = Flag::Nothing { value: true };

/// Short and long name.
const FLAGS: [(char, &str, Flag); 52] = [
    ('X', "request", Flag::Method),
    ('H', "header", Flag::Header),
    (' ', "url", Flag::Url),
    ('d', "data", Flag::Data),
    (' ', "data-ascii", Flag::Data),
    (' ', "data-raw", Flag::DataRaw),
    (' ', "data-binary", Flag::DataBinary),
    (' ', "data-urlencode", Flag::DataEncoded),
    (' ', "json", Flag::Json),
    ('G', "get", Flag::Get),
    ('I', "head", Flag::Head),
    ('u', "user", Flag::User),
    (' ', "oauth2-bearer", Flag::Bearer),
    ('b', "cookie", Flag::Cookie),
    ('A', "user-agent", Flag::UserAgent),
    ('e', "referer", Flag::Referer),
    ('r', "range", Flag::Range),
    (' ', "compressed", Flag::Compressed),
    ('g', "globoff", Flag::NoGlob),
    ('k', "insecure", PLAIN),
    ('s', "silent", PLAIN),
    ('S', "show-error", PLAIN),
    ('v', "verbose", PLAIN),
    ('L', "location", PLAIN),
    ('i', "include", PLAIN),
    (' ', "show-headers", PLAIN),
    ('f', "fail", PLAIN),
    (' ', "fail-with-body", PLAIN),
    ('N', "no-buffer", PLAIN),
    ('#', "progress-bar", PLAIN),
    (' ', "no-progress-meter", PLAIN),
    ('0', "http1.0", PLAIN),
    (' ', "http1.1", PLAIN),
    (' ', "http2", PLAIN),
    (' ', "http2-prior-knowledge", PLAIN),
    (' ', "http3", PLAIN),
    ('4', "ipv4", PLAIN),
    ('6', "ipv6", PLAIN),
    ('O', "remote-name", PLAIN),
    (' ', "basic", PLAIN),
    ('q', "disable", PLAIN),
    ('o', "output", VALUE),
    ('w', "write-out", VALUE),
    ('D', "dump-header", VALUE),
    ('c', "cookie-jar", VALUE),
    ('m', "max-time", VALUE),
    (' ', "connect-timeout", VALUE),
    (' ', "retry", VALUE),
    (' ', "retry-delay", VALUE),
    (' ', "cacert", VALUE),
    (' ', "resolve", VALUE),
    (' ', "connect-to", VALUE),
];

/// The flag `--name`.
pub(super) fn long(name: &str) -> Option<Flag> {
    FLAGS.iter().find(|(_, long, _)| *long == name).map(|(_, _, flag)| *flag)
}

/// The flag `-letter`.
pub(super) fn short(letter: char) -> Option<Flag> {
    FLAGS.iter().find(|(short, _, _)| *short == letter && letter != ' ').map(|(_, _, flag)| *flag)
}
