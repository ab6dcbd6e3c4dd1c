//! `countersign record`: what other tools recorded becomes a recording without secrets.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign_cli::failure::Failure;
use countersign_cli::output;
use countersign_recordings::{
    Format, ImportError, Imported, Key, Options, Scrubber, Secrets, Unreadable, in_order, native, open,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// HAR, Envoy taps, VCR cassettes, Kubernetes audit logs, recordings; `-` is the standard input.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The recording to write, such as `shop.jsonl`.
    #[arg(short, long)]
    output: PathBuf,
    /// What the inputs are: `native`, `har`, `envoy-tap`, `vcr` or `kubernetes-audit`. Found out when left out.
    #[arg(long)]
    format: Option<Format>,
    /// A header field that is secret too, beside `authorization`, `cookie` and the like.
    #[arg(long, value_name = "NAME")]
    scrub_header: Vec<String>,
    /// A query parameter, form field or JSON member that is secret too, beside `password`, `token` and the like.
    #[arg(long, value_name = "NAME")]
    scrub_name: Vec<String>,
    /// A JSON pointer to what is secret in JSON bodies; `*` stands for every member or element.
    #[arg(long, value_name = "POINTER")]
    scrub_pointer: Vec<String>,
    /// A file with the key of pseudonyms, at least 16 bytes, for recordings that must agree. Random when left out.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Take out bodies in which secrets cannot be looked for, where otherwise their entries are refused.
    #[arg(long)]
    take_out_bodies: bool,
}

/// How many entries became what.
#[derive(Debug, Default)]
struct Count {
    written: u64,
    skipped: u64,
    refused: u64,
}

impl Record {
    /// Writes the recording. The exit code is 1 when an entry was refused.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let mut scrubber = Scrubber::new(self.secrets()?, &self.key()?);
        if let Some(input) = self.inputs.iter().find(|input| is_same(input, &self.output)) {
            let message = format!(
                "`--output` is the input `{}`, which would be lost: write to another file",
                input.display()
            );
            return Err(Failure::Usage(message));
        }
        // A secret may be in an entry before the one that tells that it is secret.
        if !self.inputs.iter().any(|input| is_stdin(input)) {
            let entries = self.items().filter_map(Result::ok);
            entries.for_each(|item| {
                if let Imported::Entry(entry) = item {
                    scrubber.learn(&entry);
                }
            });
        }
        let mut part = self.output.clone().into_os_string();
        part.push(".part");
        let written = self.write(&mut scrubber, Path::new(&part)).and_then(|count| {
            std::fs::rename(&part, &self.output).map_err(|error| unwritable(&self.output, error))?;
            Ok(count)
        });
        let Count { written, skipped, refused } = written.inspect_err(|_| {
            // It may never have been made.
            _ = std::fs::remove_file(&part);
        })?;
        output::say(format!("{written} entries written, {skipped} skipped, {refused} refused"));
        Ok(if refused > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn write(&self, scrubber: &mut Scrubber, part: &Path) -> Result<Count, Failure> {
        let file = File::create(part).map_err(|error| unwritable(&self.output, error))?;
        let mut file = native::Writer::new(file);
        let mut count = Count::default();
        for item in in_order(self.items()) {
            let mut entry = match item.map_err(Failure::unreadable)? {
                Imported::Entry(entry) => entry,
                Imported::Skipped(note) => {
                    output::say(note);
                    count.skipped += 1;
                    continue;
                }
            };
            if let Err(refusal) = scrubber.scrub(&mut entry) {
                output::say(refusal);
                count.refused += 1;
                continue;
            }
            file.write(&entry).map_err(|error| unwritable(&self.output, error))?;
            count.written += 1;
        }
        file.finish().map_err(|error| unwritable(&self.output, error))?;
        Ok(count)
    }

    /// All inputs, one after another.
    fn items(&self) -> impl Iterator<Item = Result<Imported, ImportError>> {
        let names = self.inputs.iter().map(|input| ids(input)).collect::<Vec<_>>();
        self.inputs.iter().enumerate().flat_map(move |(at, input)| {
            let name = input.display().to_string();
            let twice = names.iter().enumerate().any(|(other, ids)| other < at && Some(ids) == names.get(at));
            let ids = names.get(at).map(|ids| if twice { format!("{ids}-{at}") } else { ids.clone() });
            let options = Options { format: self.format, name: Some(name.clone()), ids };
            let source: Result<Box<dyn Read>, _> = if is_stdin(input) {
                Ok(Box::new(std::io::stdin().lock()))
            } else {
                File::open(input).map(|file| Box::new(file) as Box<dyn Read>)
            };
            let opened = source
                .map_err(|error| ImportError::Io { name, error })
                .and_then(|source| open(source, &options));
            let (opened, failed) = match opened {
                Ok(opened) => (Some(opened), None),
                Err(error) => (None, Some(Err(error))),
            };
            opened.into_iter().flatten().chain(failed)
        })
    }

    fn secrets(&self) -> Result<Secrets, Failure> {
        let mut secrets = Secrets::default();
        for name in &self.scrub_header {
            // RFC 9110, section 5.1.
            if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
                || name.is_empty()
            {
                let message = format!(
                    "`--scrub-header {name}` is no name of a header field: write one such as `x-api-key`"
                );
                return Err(Failure::Usage(message));
            }
            secrets = secrets.header(name);
        }
        for name in &self.scrub_name {
            secrets = secrets.name(name);
        }
        for pointer in &self.scrub_pointer {
            secrets = secrets
                .pointer(pointer)
                .map_err(|why| Failure::Usage(format!("`--scrub-pointer {pointer}`: {why}")))?;
        }
        if self.take_out_bodies {
            secrets = secrets.unreadable(Unreadable::TakeOut);
        }
        Ok(secrets)
    }

    fn key(&self) -> Result<Key, Failure> {
        let Some(file) = &self.key_file else { return Key::random().map_err(Failure::unreadable) };
        let unread = |error: &dyn std::fmt::Display| {
            Failure::Unreadable(format!("`--key-file`: cannot use `{}`: {error}", file.display()))
        };
        let bytes = std::fs::read(file).map_err(|error| unread(&error))?;
        Key::new(&bytes).map_err(|error| unread(&error))
    }
}

fn unwritable(file: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Unreadable(format!("cannot write `{}`: {error}", file.display()))
}

/// Whether both name one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

fn is_stdin(input: &Path) -> bool {
    input == Path::new("-")
}

/// What the ids of an input's entries begin with: the name of its file.
fn ids(input: &Path) -> String {
    let stem = input.file_stem().filter(|_| !is_stdin(input));
    stem.map_or_else(|| "stdin".into(), |stem| stem.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use countersign_cli::failure::{UNREADABLE, USAGE};

    use super::*;

    fn record(inputs: Vec<PathBuf>, output: PathBuf) -> Record {
        let (format, key_file) = (None, None);
        let (scrub_header, scrub_name, scrub_pointer) = (vec!["x-partner".into()], vec![], vec![]);
        Record {
            inputs,
            output,
            format,
            scrub_header,
            scrub_name,
            scrub_pointer,
            key_file,
            take_out_bodies: false,
        }
    }

    fn har(url: &str, field: &str) -> String {
        format!(
            r#"{{"log":{{"entries":[{{"startedDateTime":"2026-01-02T03:04:05Z","request":{{"method":"GET","url":"{url}","headers":[{{"name":"x-partner","value":"{field}"}}]}}}}]}}}}"#
        )
    }

    #[test]
    fn inputs_become_one_recording_without_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("more")).unwrap();
        // The first has in its path what only the second says to be secret.
        std::fs::write(at("a.har"), har("https://a.example/partner-secret", "")).unwrap();
        std::fs::write(at("more/a.har"), har("https://a.example/", "partner-secret")).unwrap();
        let code = record(vec![at("a.har"), at("more/a.har")], at("out.jsonl")).run().unwrap();
        assert_eq!(code, ExitCode::SUCCESS);
        let text = std::fs::read_to_string(at("out.jsonl")).unwrap();
        assert!(!text.contains("partner-secret"), "{text}");
        let ids: Vec<_> =
            native::Reader::new("out.jsonl", text.as_bytes()).map(|entry| entry.unwrap().id).collect();
        assert_eq!(ids, ["a-0", "a-1-0"]);
    }

    #[test]
    fn what_is_read_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.har");
        std::fs::write(&file, har("https://a.example/", "")).unwrap();
        let other = folder.path().join(".").join("a.har");
        assert_eq!(record(vec![file.clone()], other).run().unwrap_err().code(), ExitCode::from(USAGE));
        assert_eq!(std::fs::read_to_string(file).unwrap(), har("https://a.example/", ""));
    }

    #[test]
    fn what_cannot_be_read_or_scrubbed_has_its_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("cut.har"), "{\"log\":{\"entries\":[").unwrap();
        for input in ["cut.har", "missing.har"] {
            let code = record(vec![at(input)], at("out.jsonl")).run().unwrap_err().code();
            assert_eq!(code, ExitCode::from(UNREADABLE));
            assert!(!at("out.jsonl").exists() && !at("out.jsonl.part").exists());
        }
        let mut other = record(vec![at("cut.har")], at("no/folder/out.jsonl"));
        other.scrub_pointer = vec!["a".into()];
        assert_eq!(other.run().unwrap_err().code(), ExitCode::from(USAGE));
        other.scrub_pointer = vec![];
        for name in [":path", "x y", ""] {
            other.scrub_header = vec![name.into()];
            assert_eq!(other.run().unwrap_err().code(), ExitCode::from(USAGE), "{name}");
        }
        other.scrub_header = vec![];
        other.key_file = Some(at("missing"));
        assert!(other.run().unwrap_err().to_string().contains("`--key-file`"));
        other.key_file = None;
        assert!(other.run().unwrap_err().to_string().starts_with("cannot write `"));
        std::fs::write(at("host.har"), har("https://partner.example/", "partner.example")).unwrap();
        assert_eq!(record(vec![at("host.har")], at("out.jsonl")).run().unwrap(), ExitCode::FAILURE);
        assert_eq!(std::fs::read_to_string(at("out.jsonl")).unwrap(), "");
    }
}
