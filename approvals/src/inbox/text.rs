//! Untrusted text and trees of it on a page: escaped, and with every character named that could hide or reorder others.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use countersign_view::Node;
use countersign_view::visible::{Lines, Piece, pieces};

/// Text from outside, as markup that shows all of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible<'a> {
    text: &'a str,
    lines: Lines,
}

impl<'a> Visible<'a> {
    /// Text on one line: a line feed is marked like any other control character.
    pub(super) fn line(text: &'a str) -> Self {
        Self { text, lines: Lines::One }
    }

    /// Text with lines: line feeds and tabs are what they are.
    pub(super) fn lines(text: &'a str) -> Self {
        Self { text, lines: Lines::Many }
    }
}

/// It escapes by itself.
impl HtmlSafe for Visible<'_> {}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        pieces(self.text, self.lines).try_for_each(|piece| match piece {
            Piece::Text(text) => escaped(f, text),
            Piece::Unseen(c) => {
                write!(
                    f,
                    "<span class=\"unseen\" title=\"a character that is invisible or changes how others look\">U+{:04X}</span>",
                    u32::from(c)
                )
            }
        })
    }
}

fn escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|c| match c {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&#34;"),
        '\'' => f.write_str("&#39;"),
        c => f.write_char(c),
    })
}

/// The longest leaf of a tree that stands on the line of its name, bytes.
const LONG: usize = 1000;

/// JSON as lists within lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'a>(pub(super) &'a Node);

impl Tree<'_> {
    fn row(self, f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display) -> fmt::Result {
        let (count, what) = match self.0 {
            // Browsers do not break a line of megabytes within a line.
            Node::Leaf(raw) if raw.len() > LONG => {
                return write!(f, "<li>{name} <pre tabindex=\"0\">{}</pre></li>", Visible::line(raw));
            }
            Node::Leaf(raw) => return write!(f, "<li>{name} <code>{}</code></li>", Visible::line(raw)),
            Node::Object(members) => (members.len(), if members.len() == 1 { "member" } else { "members" }),
            Node::Array(items) => (items.len(), if items.len() == 1 { "item" } else { "items" }),
        };
        let head = format_args!("{name} <small>{count} {what}</small>");
        if count == 0 {
            return write!(f, "<li>{head}</li>");
        }
        write!(f, "<li><details open><summary>{head}</summary>{self}</details></li>")
    }
}

/// It escapes by itself.
impl HtmlSafe for Tree<'_> {}

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<ul>")?;
        match self.0 {
            Node::Object(members) => members.iter().try_for_each(|(name, node)| {
                Tree(node).row(f, &format_args!("<b>{}</b>", Visible::line(name)))
            })?,
            Node::Array(items) => {
                let mut items = items.iter().enumerate();
                items.try_for_each(|(n, node)| Tree(node).row(f, &format_args!("<i>{n}</i>")))?;
            }
            Node::Leaf(raw) => write!(f, "<li><code>{}</code></li>", Visible::line(raw))?,
        }
        f.write_str("</ul>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        let text = "<script>alert(\"&'\")</script>";
        let shown = Visible::line(text).to_string();
        assert_eq!(shown, "&lt;script&gt;alert(&#34;&amp;&#39;&#34;)&lt;/script&gt;");
    }

    #[test]
    fn what_hides_or_reorders_is_named() {
        for c in ['\u{202e}', '\u{200b}', '\r'] {
            let shown = Visible::lines(&format!("a{c}b")).to_string();
            assert!(!shown.contains(c), "{shown}");
            assert!(shown.contains(&format!(">U+{:04X}</span>", u32::from(c))), "{shown}");
        }
        assert_eq!(Visible::lines("a\n\tb").to_string(), "a\n\tb");
    }

    #[test]
    fn every_member_is_there_and_none_is_markup() {
        let tree =
            Node::parse(r#" {"a":1, "a":12345678901234567890123, "b":[{"<i>":"\u202e"}],"c":{}} "#).unwrap();
        let shown = Tree(&tree).to_string();
        assert_eq!(shown.matches("<b>a</b>").count(), 2);
        assert!(shown.contains("<code>12345678901234567890123</code>"));
        assert!(shown.contains("<b>&lt;i&gt;</b> <code>&#34;\\u202e&#34;</code>"), "{shown}");
        assert!(shown.contains("<b>c</b> <small>0 members</small></li>"), "{shown}");
    }
}
