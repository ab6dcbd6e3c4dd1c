//! The interactions of a cassette in YAML, one at a time.

use std::cell::RefCell;
use std::io::BufRead;
use std::rc::Rc;

use granit_parser::input::BufferedInput;
use granit_parser::{Event, Parser};
use serde_json::Value;

use super::node::Nodes;
use super::{Interactions, PATH};
use crate::draft::Broken;

/// Reads interactions; only one is in memory.
pub(super) struct Yaml<R: BufRead> {
    parser: Parser<'static, BufferedInput<Characters<R>>>,
    failed: Rc<RefCell<Option<std::io::Error>>>,
    nodes: Nodes,
    array: String,
}

impl<R: BufRead> Yaml<R> {
    pub(super) fn new(input: R) -> Self {
        let failed = Rc::default();
        let characters = Characters { input, line: String::new(), at: 0, failed: Rc::clone(&failed) };
        Self {
            parser: Parser::new_from_iter(characters),
            failed,
            nodes: Nodes::default(),
            array: String::new(),
        }
    }

    /// Goes to the first interaction.
    fn find(&mut self) -> Result<(), String> {
        loop {
            match self.event()? {
                Event::MappingStart(..) => break,
                Event::StreamStart | Event::DocumentStart(..) => {}
                _ => return Err("is no mapping at its top".into()),
            }
        }
        let [names] = PATH else { return Err("has no array".into()) };
        loop {
            let name = match self.event()? {
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(format!("has no `{}`", names.join("` or `"))),
            };
            let event = self.event()?;
            if names.contains(&name.as_str()) {
                self.array = name;
                return match event {
                    Event::SequenceStart(..) => Ok(()),
                    _ => Err(format!("`{}` is no list", self.array)),
                };
            }
            self.node(event)?;
        }
    }

    fn read(&mut self) -> Result<Option<Value>, String> {
        if self.array.is_empty() {
            self.find()?;
        }
        match self.event()? {
            Event::SequenceEnd => Ok(None),
            event => self.node(event).map(Some),
        }
    }

    fn node(&mut self, event: Event<'static>) -> Result<Value, String> {
        let parser = &mut self.parser;
        self.nodes.read(event, &mut || next(parser))
    }

    fn event(&mut self) -> Result<Event<'static>, String> {
        next(&mut self.parser)
    }
}

fn next<R: BufRead>(
    parser: &mut Parser<'static, BufferedInput<Characters<R>>>,
) -> Result<Event<'static>, String> {
    match parser.next_event() {
        Some(Ok((event, _))) => Ok(event),
        Some(Err(error)) => Err(format!("is no YAML: {error}")),
        None => Err("is cut short".into()),
    }
}

impl<R: BufRead> Interactions for Yaml<R> {
    fn next(&mut self) -> Result<Option<Value>, Broken> {
        let read = self.read();
        match self.failed.borrow_mut().take() {
            Some(error) => Err(Broken::Io(error)),
            None => read.map_err(Broken::Wrong),
        }
    }

    fn array(&self) -> &str {
        &self.array
    }
}

/// Characters, read a line at a time. What fails is told by `failed`, because the parser knows only an end.
struct Characters<R> {
    input: R,
    line: String,
    at: usize,
    failed: Rc<RefCell<Option<std::io::Error>>>,
}

impl<R: BufRead> Iterator for Characters<R> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            let rest = self.line.get(self.at..)?;
            if let Some(character) = rest.chars().next() {
                self.at += character.len_utf8();
                return Some(character);
            }
            self.line.clear();
            self.at = 0;
            match self.input.read_line(&mut self.line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    *self.failed.borrow_mut() = Some(error);
                    return None;
                }
            }
        }
    }
}
