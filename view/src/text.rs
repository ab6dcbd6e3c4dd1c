//! A view as text: what terminals print, what is hashed, and what an auditor renders again.

use std::fmt;

use crate::visible::{Lines, Visible};
use crate::{Bytes, Label, Part, Row, VERSION, Value, View};

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "countersign view {VERSION}")?;
        writeln!(f, "question {}", self.question)?;
        self.parts.iter().try_for_each(|part| part.fmt(f))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.topic.title())?;
        self.rows.iter().try_for_each(|row| row.fmt(f))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(label) => f.write_str(label),
            Self::Field(label) => Visible(label, Lines::One).fmt(f),
            // Quoted, or it could pass for a label of the rendering's own.
            Self::Parameter(label) => {
                Visible(&serde_json::Value::from(label.as_str()).to_string(), Lines::One).fmt(f)
            }
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:", self.label)?;
        match &self.value {
            Value::Line(text) => writeln!(f, " {}", Visible(text, Lines::One))?,
            // No text of the request's has this bracket: it is always named there.
            Value::Redacted { bytes } => writeln!(f, " ⟨redacted at the gateway, {bytes} bytes⟩")?,
            Value::Nothing => writeln!(f, " ⟨nothing⟩")?,
            Value::Bytes(bytes) => writeln!(f, " ⟨{bytes}⟩")?,
            Value::Lines(text) => {
                writeln!(f)?;
                // Each line has a mark of its own, so that none passes for one of the rendering's.
                text.split('\n').try_for_each(|line| writeln!(f, "    | {}", Visible(line, Lines::Many)))?;
            }
            Value::Tree(node, _) => {
                writeln!(f)?;
                node.write(f, 2)?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "    ! {}", note.says()))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map(|kind| format!(", it begins like {kind}")).unwrap_or_default();
        write!(f, "{} bytes that are no text{kind}, SHA-256 {}", self.len, self.sha256)
    }
}
