//! Kubernetes audit logs: `audit.k8s.io/v1` events, as the API server writes them to a file or posts them.

mod event;
mod stages;

use std::collections::VecDeque;
use std::io::Read;

use serde_json::{Deserializer, StreamDeserializer, Value, de::IoRead};

use crate::draft::{Broken, Found, Piece};
use stages::{Stages, Told};

/// The requests of an audit log, each once, in the order in which they ended.
pub(crate) struct Audit<'a, R: Read> {
    values: StreamDeserializer<'a, IoRead<R>, Value>,
    /// Events of a list that was read.
    listed: VecDeque<Value>,
    stages: Stages,
    place: u64,
    /// What the log ended with: it comes after what is held.
    end: Option<Option<Broken>>,
}

impl<R: Read> Audit<'_, R> {
    pub(crate) fn new(input: R) -> Self {
        let values = Deserializer::from_reader(input).into_iter();
        Self { values, listed: VecDeque::new(), stages: Stages::default(), place: 0, end: None }
    }

    fn event(&mut self) -> Option<Result<Value, Broken>> {
        loop {
            if let Some(event) = self.listed.pop_front() {
                return Some(Ok(event));
            }
            let value = match self.values.next()? {
                Ok(value) => value,
                Err(error) if error.is_io() => return Some(Err(Broken::Io(error.into()))),
                Err(error) => {
                    let message = format!("after {} events: {error}: is the file cut short?", self.place);
                    return Some(Err(Broken::Wrong(message)));
                }
            };
            match value {
                Value::Object(mut list) if list.get("items").is_some_and(Value::is_array) => {
                    if let Some(Value::Array(events)) = list.remove("items") {
                        self.listed = events.into();
                    }
                }
                event => return Some(Ok(event)),
            }
        }
    }

    fn read(&mut self) -> Option<Piece> {
        let event = match self.event() {
            Some(Ok(event)) => event,
            ended => {
                self.end = Some(ended.and_then(Result::err));
                return None;
            }
        };
        let place = self.place;
        self.place += 1;
        match self.stages.take(place, event) {
            Told::Again => None,
            Told::Once(place, event) => Some(piece(place, &event)),
        }
    }
}

fn piece(place: u64, event: &Value) -> Piece {
    let found = match event::draft(event) {
        Ok(draft) => Found::Request(Box::new(draft)),
        Err(why) => Found::Nothing(why),
    };
    Piece { place, found }
}

impl<R: Read> Iterator for Audit<'_, R> {
    type Item = Result<Piece, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((place, event)) = self.stages.overdue(self.end.is_some()) {
                return Some(Ok(piece(place, &event)));
            }
            if let Some(end) = &mut self.end {
                return end.take().map(Err);
            }
            if let Some(piece) = self.read() {
                return Some(Ok(piece));
            }
        }
    }
}
