//! Cassettes of Ruby's VCR and of vcrpy, YAML or JSON.

mod interaction;
mod node;
mod yaml;

use std::io::BufRead;

use serde_json::Value;

use crate::draft::{Broken, Found, Piece, Pieces};
use crate::elements::Elements;
use interaction::{Dialect, draft};

/// Where the interactions are.
const PATH: &[&[&str]] = &[&["http_interactions", "interactions"]];

/// Interactions, one in memory at a time.
trait Interactions {
    /// The next one.
    fn next(&mut self) -> Result<Option<Value>, Broken>;
    /// The name of the array that they are in.
    fn array(&self) -> &str;
}

impl<R: BufRead> Interactions for Elements<R> {
    fn next(&mut self) -> Result<Option<Value>, Broken> {
        Elements::next(self)
    }

    fn array(&self) -> &str {
        &self.array
    }
}

/// Reads a cassette that begins with `head`.
pub(crate) fn pieces<'a>(input: impl BufRead + 'a, head: &[u8]) -> Box<dyn Pieces + 'a> {
    if head.trim_ascii_start().first() == Some(&b'{') {
        Box::new(Cassette { interactions: Elements::new(input, PATH, &[]), place: 0 })
    } else {
        Box::new(Cassette { interactions: yaml::Yaml::new(input), place: 0 })
    }
}

struct Cassette<I> {
    interactions: I,
    place: u64,
}

impl<I: Interactions> Iterator for Cassette<I> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let interaction = match self.interactions.next() {
            Ok(interaction) => interaction?,
            Err(Broken::Wrong(message)) => {
                return Some(Err(Broken::Wrong(format!("after {} interactions: {message}", self.place))));
            }
            Err(error) => return Some(Err(error)),
        };
        let dialect =
            if self.interactions.array() == "http_interactions" { Dialect::Ruby } else { Dialect::Python };
        let place = self.place;
        self.place += 1;
        let found = match draft(&interaction, dialect) {
            Ok(draft) => Found::Request(Box::new(draft)),
            Err(why) => Found::Nothing(why),
        };
        Some(Ok(Piece { place, found }))
    }
}
