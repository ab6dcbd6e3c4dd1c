//! `messages.yaml`: what a descriptor says of gRPC methods, their request messages and the fields in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::decoded::{Descriptor, Kind};
use super::scalar::{Enum, Scalar};
use super::{Leaf, Path, Step};
use crate::load::LoadError;
use crate::yaml::{self, Located};

/// The file's name in the bundle.
const FILE: &str = "messages.yaml";

/// The deepest way to a field.
const MAX_DEPTH: usize = 32;

/// The whole file, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Messages {
    /// From `package.Service/Method` to the type of its one request message.
    #[serde(default, deserialize_with = "all")]
    methods: BTreeMap<String, Located<String>>,
    /// From type to fields by name.
    #[serde(default, deserialize_with = "all")]
    messages: BTreeMap<String, BTreeMap<String, Located<FieldEntry>>>,
    /// From type to numbers by name.
    #[serde(default, deserialize_with = "all")]
    enums: BTreeMap<String, Located<BTreeMap<String, i32>>>,
}

/// The entries of a section; one without any is empty, as an import leaves it.
fn all<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldEntry {
    number: u32,
    r#type: String,
    #[serde(default)]
    repeated: bool,
    /// Whether a field that is not there can be told from one that holds its default. Messages always can.
    #[serde(default)]
    presence: bool,
    oneof: Option<String>,
}

impl Messages {
    /// Reads `messages.yaml`; without it nothing is read in a message.
    ///
    /// # Errors
    /// All that is wrong with it, each with its line.
    pub(in crate::routes) fn load(text: Option<&str>) -> Result<Self, Vec<LoadError>> {
        let Some(text) = text else { return Ok(Self::default()) };
        let file: Self = yaml::read(FILE, text).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        for (method, Located { value: message, line }) in &file.methods {
            if !file.messages.contains_key(message) {
                errors.push(LoadError::at(FILE, *line, format!("`{method}`: `messages` has no `{message}`")));
            }
        }
        for (message, fields) in &file.messages {
            let mut numbers = BTreeMap::new();
            for (name, Located { value: field, line }) in fields {
                if let Some(unknown) = file.unknown(&field.r#type) {
                    let message = format!(
                        "`{name}`: `messages` and `enums` have no `{unknown}`, and it is no type of its own"
                    );
                    errors.push(LoadError::at(FILE, *line, message));
                }
                if let Some(other) = numbers.insert(field.number, name) {
                    let number = field.number;
                    let twice = format!("`{message}`: `{other}` and `{name}` both have the number {number}");
                    errors.push(LoadError::at(FILE, *line, twice));
                }
            }
        }
        for (name, Located { value: values, line }) in &file.enums {
            // Of two names for one number, neither is the one that others see.
            let numbers: std::collections::BTreeSet<_> = values.values().collect();
            if numbers.len() < values.len() {
                let aliased = format!("`{name}`: two names have one number: leave out all but one");
                errors.push(LoadError::at(FILE, *line, aliased));
            }
        }
        errors.sort_by_key(|error| error.line);
        if errors.is_empty() { Ok(file) } else { Err(errors) }
    }

    /// The way `total.units` in the request message of a method.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(in crate::routes) fn path(&self, method: &str, written: &str) -> Result<Path, String> {
        let Some(Located { value: message, .. }) = self.methods.get(method) else {
            return Err(format!(
                "`{FILE}` describes no request message of `{method}`: `countersign import grpc` writes it from a descriptor"
            ));
        };
        let words: Vec<_> = written.split('.').collect();
        if words.len() > MAX_DEPTH {
            return Err(format!("leads through more than {MAX_DEPTH} messages"));
        }
        let (mut message, mut steps, mut last) = (message, Vec::new(), None);
        for word in words {
            let fields = self.messages.get(message).ok_or_else(|| format!("`{FILE}` has no `{message}`"))?;
            let Some(Located { value: field, .. }) = fields.get(word) else {
                return Err(format!("`{message}` has no field `{word}` in `{FILE}`"));
            };
            steps.push(field.step(fields));
            last = Some(field);
            message = &field.r#type;
        }
        let field = last.ok_or("names no field")?;
        if self.messages.contains_key(&field.r#type) {
            return Ok(Path { steps, leaf: Leaf::Presence });
        }
        let scalar = self.scalar(&field.r#type).ok_or_else(|| {
            format!("is of the type `{}`: facts are texts, whole numbers, `bool` and enums", field.r#type)
        })?;
        let defaults = !field.repeated && !field.presence && field.oneof.is_none();
        Ok(Path { steps, leaf: Leaf::Scalar { scalar, defaults } })
    }

    /// What the request message of a method is made of.
    pub(in crate::routes) fn descriptor(&self, method: &str) -> Descriptor {
        let mut types: Vec<&str> =
            self.methods.get(method).iter().map(|message| message.value.as_str()).collect();
        let mut all = Vec::new();
        while let Some(ty) = types.get(all.len()).copied() {
            let mut fields = BTreeMap::new();
            for (number, ty, repeated) in self.fields(ty) {
                let kind = match ty {
                    "bytes" => Kind::Bytes,
                    "double" => Kind::Double,
                    "float" => Kind::Float,
                    ty => match self.scalar(ty) {
                        Some(scalar) => Kind::Scalar(scalar),
                        None => {
                            Kind::Message(types.iter().position(|known| *known == ty).unwrap_or_else(|| {
                                types.push(ty);
                                types.len() - 1
                            }))
                        }
                    },
                };
                fields.insert(number, (kind, repeated));
            }
            all.push(fields);
        }
        Descriptor(all)
    }

    /// Number, type, and whether it is repeated, of each field of a message or of a map's entry.
    fn fields<'a>(&'a self, ty: &'a str) -> Vec<(u32, &'a str, bool)> {
        match map(ty) {
            Some((key, value)) => vec![(1, key, false), (2, value, false)],
            None => {
                let fields = self.messages.get(ty).into_iter().flatten().map(|(_, field)| &field.value);
                fields.map(|field| (field.number, field.r#type.as_str(), field.repeated)).collect()
            }
        }
    }

    /// What of a type is not described.
    fn unknown<'a>(&self, ty: &'a str) -> Option<&'a str> {
        if let Some((key, value)) = map(ty) {
            return self.unknown(key).or_else(|| self.unknown(value));
        }
        let known = ["bytes", "double", "float"].contains(&ty) || self.messages.contains_key(ty);
        (!known && self.scalar(ty).is_none()).then_some(ty)
    }

    fn scalar(&self, ty: &str) -> Option<Scalar> {
        let named = |values: &BTreeMap<String, i32>| {
            let names = values.iter().map(|(name, number)| (i64::from(*number), name.clone())).collect();
            Scalar::Enum(Arc::new(Enum { names }))
        };
        let values = self.enums.get(ty).map(|values| named(&values.value));
        values.or_else(|| Scalar::parse(ty))
    }
}

/// Key and value of `map<string, shop.Item>`.
fn map(ty: &str) -> Option<(&str, &str)> {
    ty.strip_prefix("map<")?.strip_suffix('>')?.split_once(", ")
}

impl FieldEntry {
    fn step(&self, fields: &BTreeMap<String, Located<Self>>) -> Step {
        let fields = fields.values().map(|field| &field.value);
        let rivals = fields
            .filter(|field| self.oneof.is_some() && field.oneof == self.oneof && field.number != self.number);
        Step {
            number: self.number,
            repeated: self.repeated,
            rivals: rivals.map(|field| field.number).collect(),
        }
    }
}
