//! What is different between two requests, field by field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::{Label, Node, Topic, Value, View};

/// The most of one name to show on the way to a field, bytes.
const LONGEST_NAME: usize = 100;

/// One field that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The way to the field: untrusted text.
    pub field: String,
    /// What it was; nothing where it was not there.
    pub before: Option<String>,
    /// What it is; nothing where it is not there any more.
    pub now: Option<String>,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The first fields, in the order in which people read them; what is there no more comes last.
    pub first: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

/// The fields that are different, but for what the policy saw of them; no more than `most` are named.
#[must_use]
pub fn changes(before: &View, now: &View, most: usize) -> Changes {
    let mut comparison = Comparison { found: Changes { first: Vec::new(), more: 0 }, most };
    for (key, was, is) in paired(rows(before), rows(now)) {
        comparison.compare(&Way { parent: None, key }, was, is);
    }
    comparison.found
}

/// Something that has text or fields of its own.
enum Field<'a> {
    Text(Cow<'a, str>),
    Json(&'a Node),
}

/// One step of the way to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step<'a> {
    Row(Topic, &'a Label),
    Member(&'a str),
    Item(usize),
}

/// A step, and how many before it have the same name.
type Key<'a> = (Step<'a>, usize);

/// The way to a field. It is written out only for what is shown: a way can be far longer than what it leads to.
struct Way<'a> {
    parent: Option<&'a Self>,
    key: Key<'a>,
}

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parent.iter().try_for_each(|parent| parent.fmt(f))?;
        let (step, before) = self.key;
        match step {
            Step::Row(topic, label) => write!(f, "{}: {}", topic.title(), cut(label.to_string()))?,
            Step::Member(name) => write!(f, ".{}", cut(member(name)))?,
            Step::Item(n) => write!(f, "[{n}]")?,
        }
        if before > 0 { write!(f, " ({})", before + 1) } else { Ok(()) }
    }
}

/// A name that could be a way itself is quoted.
fn member(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        serde_json::Value::from(name).to_string()
    }
}

fn cut(mut name: String) -> String {
    if name.len() > LONGEST_NAME {
        name.truncate(name.floor_char_boundary(LONGEST_NAME));
        name.push('…');
    }
    name
}

struct Comparison {
    found: Changes,
    most: usize,
}

impl Comparison {
    fn compare(&mut self, way: &Way<'_>, was: Option<Field<'_>>, is: Option<Field<'_>>) {
        let ((was, was_inside), (is, is_inside)) = (open(was), open(is));
        if was != is && self.found.first.len() == self.most {
            self.found.more += 1;
        } else if was != is {
            let [before, now] = [was, is].map(|text| text.map(Cow::into_owned));
            self.found.first.push(Change { field: way.to_string(), before, now });
        }
        for (key, was, is) in paired(was_inside, is_inside) {
            self.compare(&Way { parent: Some(way), key }, was, is);
        }
    }
}

/// What a view has, but for what the policy saw: that is made of the rest, and would say it all twice.
fn rows(view: &View) -> Vec<(Step<'_>, Field<'_>)> {
    let parts = view.parts.iter().filter(|part| part.topic != Topic::Facts);
    let rows = parts.flat_map(|part| part.rows.iter().map(|row| (part.topic, row)));
    rows.map(|(topic, row)| (Step::Row(topic, &row.label), field(&row.value))).collect()
}

fn field(value: &Value) -> Field<'_> {
    match value {
        Value::Tree(node, _) => Field::Json(node),
        Value::Line(text) | Value::Lines(text) => Field::Text(text.into()),
        Value::Bytes(bytes) => Field::Text(bytes.to_string().into()),
        Value::Redacted { bytes } => Field::Text(format!("redacted, {bytes} bytes").into()),
        Value::Nothing => Field::Text("".into()),
    }
}

/// The text of a field, or the fields in it.
fn open<'a>(field: Option<Field<'a>>) -> (Option<Cow<'a, str>>, Vec<(Step<'a>, Field<'a>)>) {
    let text = match field {
        None => return (None, Vec::new()),
        Some(Field::Text(text)) => text,
        Some(Field::Json(Node::Leaf(raw))) => raw.into(),
        Some(Field::Json(Node::Object(members))) if members.is_empty() => "{}".into(),
        Some(Field::Json(Node::Array(items))) if items.is_empty() => "[]".into(),
        Some(Field::Json(Node::Object(members))) => {
            let member = |(name, node): &'a (String, Node)| (Step::Member(name), Field::Json(node));
            return (None, members.iter().map(member).collect());
        }
        Some(Field::Json(Node::Array(items))) => {
            let item = |(n, node)| (Step::Item(n), Field::Json(node));
            return (None, items.iter().enumerate().map(item).collect());
        }
    };
    (Some(text), Vec::new())
}

/// Fields of the same way side by side, then those that are there no more.
fn paired<'a>(
    was: Vec<(Step<'a>, Field<'a>)>,
    is: Vec<(Step<'a>, Field<'a>)>,
) -> Vec<(Key<'a>, Option<Field<'a>>, Option<Field<'a>>)> {
    let mut was: BTreeMap<_, _> = numbered(was).into_iter().collect();
    let is = numbered(is).into_iter();
    let mut pairs: Vec<_> = is.map(|(key, now)| (key, was.remove(&key), Some(now))).collect();
    pairs.extend(was.into_iter().map(|(key, then)| (key, Some(then), None)));
    pairs
}

fn numbered<'a>(fields: Vec<(Step<'a>, Field<'a>)>) -> Vec<(Key<'a>, Field<'a>)> {
    let mut seen = BTreeMap::new();
    let number = |(step, field)| {
        let times = seen.entry(step).or_insert(0_usize);
        *times += 1;
        ((step, *times - 1), field)
    };
    fields.into_iter().map(number).collect()
}
