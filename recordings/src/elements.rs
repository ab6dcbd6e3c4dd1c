//! The elements of an array somewhere in a JSON document, one at a time.

use std::io::BufRead;

use serde_json::{Map, Value};
use struson::reader::{JsonReader as _, JsonStreamReader, ReaderError};
use struson::serde::DeserializerError;

use crate::draft::Broken;
use crate::surrogates::Surrogates;

/// Reads the elements. Only one is in memory.
pub(crate) struct Elements<R: BufRead> {
    json: JsonStreamReader<Surrogates<R>>,
    /// Where the array is: the names that an object may have for it, at each level.
    path: &'static [&'static [&'static str]],
    opened: bool,
    /// What [`Elements::kept`] has of the object that holds the array.
    keep: &'static [&'static str],
    /// Members of the object that holds the array which came before it.
    pub(crate) kept: Map<String, Value>,
    /// The name of the array.
    pub(crate) array: String,
}

impl<R: BufRead> Elements<R> {
    pub(crate) fn new(
        input: R,
        path: &'static [&'static [&'static str]],
        keep: &'static [&'static str],
    ) -> Self {
        let json = JsonStreamReader::new(Surrogates::new(input));
        Self { json, path, opened: false, keep, kept: Map::new(), array: String::new() }
    }

    /// The next element.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, Broken> {
        if !self.opened {
            for names in self.path {
                self.find(names)?;
            }
            self.json.begin_array().map_err(wrong)?;
            self.opened = true;
        }
        if !self.json.has_next().map_err(wrong)? {
            return Ok(None);
        }
        self.json.deserialize_next().map(Some).map_err(not_json)
    }

    fn find(&mut self, names: &[&str]) -> Result<(), Broken> {
        self.json.begin_object().map_err(wrong)?;
        while self.json.has_next().map_err(wrong)? {
            let name = self.json.next_name_owned().map_err(wrong)?;
            if names.contains(&name.as_str()) {
                self.array = name;
                return Ok(());
            }
            if self.keep.contains(&name.as_str()) {
                let value = self.json.deserialize_next().map_err(not_json)?;
                self.kept.insert(name, value);
            } else {
                self.json.skip_value().map_err(wrong)?;
            }
        }
        Err(Broken::Wrong(format!(
            "has no `{}`: it is another format, or was cut short",
            names.join("` or `")
        )))
    }
}

fn wrong(error: ReaderError) -> Broken {
    match error {
        ReaderError::IoError { error, .. } if error.kind() != std::io::ErrorKind::InvalidData => {
            Broken::Io(error)
        }
        error => Broken::Wrong(format!("is no whole JSON document: {error}")),
    }
}

fn not_json(error: DeserializerError) -> Broken {
    match error {
        DeserializerError::ReaderError(error) => wrong(error),
        error => Broken::Wrong(format!("cannot be read: {error}")),
    }
}
