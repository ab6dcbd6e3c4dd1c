//! One operation: the requests that it takes, what they are about, and what they bring.

use countersign_core::digest::{is_secret, is_volatile};
use serde_json::Value;

use super::Skipped;
use super::hosts::{Base, bases};
use crate::import::Arguments;
use crate::import::document::resolve;
use crate::import::model::{Content, Entity, Member, Operation, Requests};
use crate::import::names;
use crate::import::schema::{Kind, Members, Shape, shape};

/// Most members of a context.
const MOST_MEMBERS: usize = 64;
/// Headers that OpenAPI leaves to other parts of the document (3.1.1 section 4.8.12.1), and those of a body.
const NOT_PARAMETERS: [&str; 4] = ["accept", "content-type", "content-encoding", "authorization"];

/// Where an operation stands in a document.
pub(super) struct Source<'a> {
    pub(super) document: &'a Value,
    /// The path item that it is in.
    pub(super) item: &'a Value,
    pub(super) operation: &'a Value,
    pub(super) path: &'a str,
    /// In lower case.
    pub(super) method: &'a str,
    /// The API's.
    pub(super) name: &'a str,
}

/// A parameter, its `$ref` resolved.
struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    required: bool,
    /// Its values are in parameters of their own when there are several.
    exploded: bool,
    schema: Option<&'a Value>,
}

impl<'a> Source<'a> {
    /// The operation, once for each path that its servers put in front; none if a route cannot take it.
    pub(super) fn read(&self, arguments: &Arguments, skipped: &mut Skipped) -> Vec<Operation> {
        let key = format!("{} {}", self.method.to_ascii_uppercase(), self.path);
        let parameters = self.parameters(&key, skipped);
        let template = match Template::of(self.path, &parameters, self.document) {
            Ok(template) => template,
            Err(why) => {
                skipped.tell(&key, why);
                return Vec::new();
            }
        };
        let context = self.context(&key, &parameters, skipped);
        let servers = [self.operation, self.item, self.document]
            .into_iter()
            .find_map(|place| place.get("servers").and_then(Value::as_array).filter(|list| !list.is_empty()));
        let bases = bases(servers.map_or(&[], Vec::as_slice), arguments, &key, skipped);
        let tags = self.operation.get("tags").and_then(Value::as_array).into_iter().flatten();
        let tags: Vec<_> =
            tags.filter_map(Value::as_str).filter(|tag| names::is_id(tag)).map(str::to_owned).collect();
        let id = self.operation.get("operationId").and_then(Value::as_str).filter(|id| names::is_id(id));
        let (resource, parents) = template.entities(self.name);
        let several = bases.len() > 1;
        let placed = |Base { hosts, path }: Base| Operation {
            key: if several { format!("{key} below {path}/") } else { key.clone() },
            action: id.map_or_else(|| key.clone(), str::to_owned),
            tags: tags.clone(),
            hosts,
            requests: Requests::Http {
                method: self.method.to_ascii_uppercase(),
                path: format!("{path}{}", template.text),
            },
            resource: resource.clone(),
            parents: parents.clone(),
            context: context.clone(),
            destructive: self.method == "delete",
        };
        bases.into_iter().map(placed).collect()
    }

    /// Those of the operation, and those of its path that it does not name itself.
    fn parameters(&self, key: &str, skipped: &mut Skipped) -> Vec<Parameter<'a>> {
        let mut all: Vec<Parameter<'a>> = Vec::new();
        for list in [self.operation, self.item].map(|place| place.get("parameters").and_then(Value::as_array))
        {
            for parameter in list.into_iter().flatten() {
                let Some(read) = resolve(self.document, parameter).and_then(Parameter::of) else {
                    skipped.tell(key, "a parameter whose `$ref` leads out of the document");
                    continue;
                };
                if !all.iter().any(|other| (other.name, other.place) == (read.name, read.place)) {
                    all.push(read);
                }
            }
        }
        all
    }

    fn context(&self, key: &str, parameters: &[Parameter<'_>], skipped: &mut Skipped) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        let mut add = |name: &str, prefix: &str, optional: bool, content: Content, skipped: &mut Skipped| {
            let taken = |name: &str| members.iter().any(|member: &Member| member.name == name);
            if members.len() == MOST_MEMBERS {
                skipped.tell(&format!("{key}: {name}"), format!("more than {MOST_MEMBERS} members"));
            } else {
                let name = names::free(name, prefix, &taken);
                members.push(Member { name, optional, content });
            }
        };
        for parameter in parameters.iter().filter(|parameter| parameter.place != "path") {
            match parameter.fact(self.document) {
                Ok(Some((content, nullable))) => {
                    let optional = nullable || !parameter.required;
                    add(parameter.name, parameter.place, optional, content, skipped);
                }
                Ok(None) => {}
                Err(why) => {
                    let (place, name) = (parameter.place, parameter.name);
                    skipped.tell(&format!("{key}: {place} parameter `{name}`"), why);
                }
            }
        }
        for member in self.body(key, skipped) {
            add(&member.name, "body", member.optional, member.content, skipped);
        }
        members
    }

    fn body(&self, key: &str, skipped: &mut Skipped) -> Vec<Member> {
        let Some(body) = self.operation.get("requestBody") else { return Vec::new() };
        let Some(body) = resolve(self.document, body) else {
            skipped.tell(key, "a body whose `$ref` leads out of the document");
            return Vec::new();
        };
        let types = body.get("content").and_then(Value::as_object);
        let essence = |ty: &str| ty.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json =
            |ty: &str| ty == "application/json" || (ty.starts_with("application/") && ty.ends_with("+json"));
        let find = |wanted: &dyn Fn(&str) -> bool| {
            types.into_iter().flatten().find(|(ty, _)| wanted(&essence(ty))).map(|(_, media)| media)
        };
        let (json, form) = (find(&is_json), find(&|ty: &str| ty == "application/x-www-form-urlencoded"));
        for (ty, media) in types.into_iter().flatten() {
            let read = json.or(form).is_some_and(|read| std::ptr::eq(read, media));
            if !read {
                skipped.tell(
                    &format!("{key}: body as `{ty}`"),
                    match json.or(form) {
                        Some(_) => "the body is read in one format; sent in this one, it is refused",
                        None => "the body is neither JSON nor a form, so it brings no facts",
                    },
                );
            }
        }
        let Some(schema) = json.or(form).and_then(|media| media.get("schema")) else { return Vec::new() };
        let required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
        match shape(self.document, schema) {
            Ok(Shape { kind: Kind::Object(object), nullable }) => {
                let mut tell = |place: &str, why: &str| skipped.tell(&format!("{key}: body {place}"), why);
                let kind = if json.is_some() { "body" } else { "form" };
                Members { root: self.document, kind, tell: &mut tell }.of(
                    &object,
                    "",
                    nullable || !required,
                    0,
                )
            }
            Ok(_) => {
                skipped.tell(&format!("{key}: body"), "it is no object");
                Vec::new()
            }
            Err(why) => {
                skipped.tell(&format!("{key}: body"), why);
                Vec::new()
            }
        }
    }
}

impl<'a> Parameter<'a> {
    fn of(parameter: &'a Value) -> Option<Self> {
        let text = |name: &str| parameter.get(name).and_then(Value::as_str);
        let flag = |name: &str| parameter.get(name).and_then(Value::as_bool);
        let form = text("style").is_none_or(|style| style == "form");
        Some(Self {
            name: text("name")?,
            place: text("in")?,
            required: flag("required").unwrap_or(false),
            exploded: form && flag("explode").unwrap_or(true),
            schema: parameter.get("schema"),
        })
    }

    /// Where its value comes from, with its type, and whether it may be null; nothing when it is not for policy.
    fn fact(&self, document: &Value) -> Result<Option<(Content, bool)>, &'static str> {
        let lower = self.name.to_ascii_lowercase();
        let from = match self.place {
            "query" => format!("query:{}", self.name),
            "header" if NOT_PARAMETERS.contains(&lower.as_str()) => return Ok(None),
            "header" if is_secret(&lower, &[]) => return Err("it is a credential, which nobody sees"),
            "header" if is_volatile(&lower, &[]) => {
                return Err("it may change between tries, so no approval binds it");
            }
            "header" => format!("header:{lower}"),
            _ => return Err("cookies are no facts"),
        };
        let Shape { nullable, kind } = shape(document, self.schema.ok_or("it has no plain schema")?)?;
        let ty = match (&kind, self.place) {
            (Kind::Object(_), _) => return Err("it is an object"),
            // Several values in one text.
            (Kind::Set(_), "query") if !self.exploded => "String".to_owned(),
            _ => kind.cedar().unwrap_or_default(),
        };
        Ok(Some((Content::Fact(from, ty), nullable)))
    }
}

/// A path template in the terms of routes.
struct Template {
    text: String,
    segments: Vec<Segment>,
}

/// A segment of a path.
enum Segment {
    Literal(String),
    /// A parameter, by the name that routes give it.
    Place(String),
}

impl Template {
    fn of(path: &str, parameters: &[Parameter<'_>], document: &Value) -> Result<Self, String> {
        let inside = path.strip_prefix('/').unwrap_or(path);
        let count = inside.split('/').count();
        let (mut text, mut segments, mut taken) = (String::new(), Vec::new(), Vec::new());
        for (place, segment) in inside.split('/').enumerate() {
            let last = place + 1 == count;
            let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                text.push_str(&format!("/{}", literal(segment, last)?));
                segments.extend((!segment.is_empty()).then(|| Segment::Literal(segment.to_owned())));
                continue;
            };
            if name.contains(['{', '}']) {
                return Err(format!("`{segment}`: a route's parameter takes a whole segment"));
            }
            let (name, tail) = name.strip_suffix(['+', '*']).map_or((name, false), |name| (name, true));
            if tail && !last {
                return Err(format!("`{segment}` is more than a segment, and not the last"));
            }
            let own = names::free(name, "p", &|name| taken.iter().any(|other| other == name));
            let ty = parameters.iter().find(|parameter| (parameter.name, parameter.place) == (name, "path"));
            let kind =
                ty.and_then(|parameter| shape(document, parameter.schema?).ok()).map(|shape| shape.kind);
            let suffix = match (tail, kind) {
                (true, _) => "*",
                (_, Some(Kind::Scalar("Long"))) => ":Long",
                (_, Some(Kind::Uuid)) => ":uuid",
                _ => "",
            };
            text.push_str(&format!("/{{{own}{suffix}}}"));
            taken.push(own.clone());
            segments.push(Segment::Place(own));
        }
        Ok(Self { text, segments })
    }

    /// What the path is about, and what that lies in: a collection, if it ends with a word, else something of it.
    fn entities(&self, api: &str) -> (Entity, Vec<Entity>) {
        let root = Entity { ty: "Api".into(), id: api.to_owned() };
        let mut all = vec![root];
        let mut word = None;
        let mut places: Vec<&str> = Vec::new();
        for (place, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(place + 1);
            match segment {
                Segment::Literal(literal) => {
                    word = Some(literal.as_str());
                    if !matches!(next, Some(Segment::Literal(_))) {
                        all.push(Entity { ty: "Collection".into(), id: self.prefix(place + 1) });
                    }
                }
                Segment::Place(name) => {
                    places.push(name);
                    if !matches!(next, Some(Segment::Place(_))) {
                        let ids: Vec<_> = places.iter().map(|name| format!("{{path.{name}}}")).collect();
                        all.push(Entity { ty: item(word), id: ids.join("/") });
                    }
                }
            }
        }
        let resource = all.pop().unwrap_or(Entity { ty: "Api".into(), id: api.to_owned() });
        (resource, all)
    }

    fn prefix(&self, count: usize) -> String {
        let text = |segment: &Segment| match segment {
            Segment::Literal(literal) => literal.clone(),
            Segment::Place(name) => format!("{{path.{name}}}"),
        };
        self.segments.iter().take(count).map(text).collect::<Vec<_>>().join("/")
    }
}

/// The type of what is found below a word of the path; never one that the import gives another meaning.
fn item(word: Option<&str>) -> String {
    let name = word.and_then(names::pascal).unwrap_or_else(|| "Item".into());
    match name.as_str() {
        "Api" | "Collection" | "Agent" | "User" => format!("{name}Item"),
        _ => name,
    }
}

/// A literal segment as a route takes it: decoded, and nothing else than a segment.
fn literal(segment: &str, last: bool) -> Result<&str, String> {
    let odd =
        segment.contains(['{', '}', '%', '?', '#', '\\', ';', '"']) || segment.chars().any(char::is_control);
    let dots = segment == "." || segment == "..";
    if odd || dots || (segment.is_empty() && !last) {
        return Err(format!("`{segment}`: no route has such a segment"));
    }
    Ok(segment)
}
