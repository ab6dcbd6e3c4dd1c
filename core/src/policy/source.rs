//! A first look at Cedar text, before its parser sees it: where each policy lies, and how deep it nests.
//!
//! Cedar's parser, validator and evaluator recurse, and in WebAssembly nothing guards their stack. So the
//! depth of every expression is bounded here, by a pass that does not recurse. It knows strings, comments
//! and punctuation as Cedar's grammar does, and is never below the depth of Cedar's own tree.

use std::iter::Peekable;
use std::str::CharIndices;

/// One policy's (or one entity's) text and where it lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// Of a policy, from the first annotation to the semicolon.
    pub(super) text: &'a str,
    /// Byte offset of the text in its file.
    pub(super) offset: usize,
    /// The line that it starts at, from 1.
    pub(super) line: usize,
}

/// Text that must not reach a parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A string that is never closed, and where it starts (byte offset).
    OpenString(usize),
    /// An expression that nests too deeply, and where that shows (byte offset).
    TooDeep(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An identifier, keyword or number that adds nothing to the depth.
    Word,
    At,
    Open,
    Close,
    Comma,
    Semicolon,
    /// Joins operands, each of which may be deep: `&&`, `||`, `if`, `when` …
    Joint,
    /// Adds a level to its own operand: `.`, `!`, `==`, `in` …
    Operator,
    /// A string, or punctuation without weight.
    Other,
    /// A string without its end.
    OpenString,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The policies of a `.cedar` file: a semicolon ends one, and occurs nowhere else. What follows the last
/// semicolon is a chunk too, if there is anything, so that the parser can say what is wrong with it.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut cutter = Cutter::new(text);
    for token in tokens(text) {
        cutter.take(token);
        if token.kind == Kind::Semicolon {
            cutter.cut();
        }
    }
    cutter.cut();
    cutter.chunks
}

/// The elements of a JSON array. The text was read as an array before.
pub(super) fn elements(text: &str) -> Vec<Chunk<'_>> {
    let mut cutter = Cutter::new(text);
    let mut depth = 0_usize;
    for token in tokens(text) {
        match (token.kind, depth) {
            (Kind::Open, 0) | (Kind::Comma | Kind::Close, 1) => cutter.cut(),
            _ => cutter.take(token),
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    cutter.chunks
}

/// Cuts a text into chunks of whole tokens.
struct Cutter<'a> {
    text: &'a str,
    chunks: Vec<Chunk<'a>>,
    /// Start and end of the chunk that is being taken.
    current: Option<(usize, usize)>,
}

impl<'a> Cutter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, chunks: Vec::new(), current: None }
    }

    fn take(&mut self, token: Token) {
        self.current = Some((self.current.map_or(token.start, |(start, _)| start), token.end));
    }

    fn cut(&mut self) {
        let Some((start, end)) = self.current.take() else { return };
        // Counted on from the chunk before, so that a long file is walked once.
        let (seen, line) = self.chunks.last().map_or((0, 1), |last| (last.offset, last.line));
        if let (Some(between), Some(text)) = (self.text.get(seen..start), self.text.get(start..end)) {
            self.chunks.push(Chunk { text, offset: start, line: line + between.matches('\n').count() });
        }
    }
}

/// Where the annotation `@key` starts in a policy's text (byte offset).
pub(super) fn annotation(text: &str, key: &str) -> Option<usize> {
    let all: Vec<Token> = tokens(text).take_while(|token| token.kind != Kind::Semicolon).collect();
    all.windows(2).find_map(|pair| match pair {
        [at, name] if at.kind == Kind::At && text.get(name.start..name.end) == Some(key) => Some(at.start),
        _ => None,
    })
}

/// Refuses text (Cedar, Cedar schema or JSON) whose expressions nest deeper than `limit` levels.
pub(super) fn check_nesting(text: &str, limit: usize) -> Result<(), Refused> {
    let mut open = vec![Group::default()];
    for token in tokens(text) {
        let deep = Refused::TooDeep(token.start);
        let Some(group) = open.last_mut() else { return Err(deep) };
        match token.kind {
            Kind::OpenString => return Err(Refused::OpenString(token.start)),
            Kind::Word | Kind::Other | Kind::At => {}
            Kind::Operator => group.operand += 1,
            Kind::Joint => group.end_operand(1),
            Kind::Comma => group.end_segment(),
            Kind::Semicolon => open = vec![Group::default()],
            Kind::Open => {
                group.operand += 1;
                open.push(Group::default());
            }
            Kind::Close => close(&mut open),
        }
        if open.len() > limit || open.last().is_some_and(|group| group.depth() > limit) {
            return Err(deep);
        }
    }
    Ok(())
}

/// Ends the innermost group. A bracket too many is the parser's to report.
fn close(open: &mut Vec<Group>) {
    if let [.., parent, inner] = open.as_mut_slice() {
        parent.nested = parent.nested.max(inner.depth());
        open.pop();
    }
}

/// What stands between two brackets: segments between commas, operands between joints.
#[derive(Default)]
struct Group {
    /// Operators and brackets in the current operand.
    operand: usize,
    /// The deepest group in the current operand.
    nested: usize,
    /// Joints in the current segment: `a || b || c` nests as `(a || b) || c`.
    joints: usize,
    /// The deepest operand of the current segment so far.
    deepest: usize,
    /// The deepest of the segments that have ended.
    widest: usize,
}

impl Group {
    fn end_operand(&mut self, joints: usize) {
        self.deepest = self.deepest.max(self.operand + self.nested);
        (self.operand, self.nested) = (0, 0);
        self.joints += joints;
    }

    fn end_segment(&mut self) {
        *self = Self { widest: self.depth(), ..Self::default() };
    }

    /// Levels below the group's bracket: never less than Cedar's tree has.
    fn depth(&self) -> usize {
        self.widest.max(self.joints + self.deepest.max(self.operand + self.nested))
    }
}

fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (start, first) = chars.next()?;
            let second = chars.peek().map(|&(_, c)| c);
            let kind = match (first, second) {
                (c, _) if c.is_whitespace() => continue,
                ('/', Some('/')) => {
                    skip_while(&mut chars, |c| c != '\n' && c != '\r');
                    continue;
                }
                ('"', _) => string(&mut chars),
                (c, _) if c.is_alphanumeric() || c == '_' => {
                    skip_while(&mut chars, |c| c.is_alphanumeric() || c == '_');
                    Kind::Word
                }
                (first, second) => punctuation(&mut chars, first, second),
            };
            let end = chars.peek().map_or(text.len(), |&(at, _)| at);
            let kind = if kind == Kind::Word { word(text.get(start..end)?) } else { kind };
            return Some(Token { kind, start, end });
        }
    })
}

fn skip_while(chars: &mut Peekable<CharIndices<'_>>, keep: impl Fn(char) -> bool) {
    while chars.next_if(|&(_, c)| keep(c)).is_some() {}
}

fn string(chars: &mut Peekable<CharIndices<'_>>) -> Kind {
    while let Some((_, c)) = chars.next() {
        match c {
            '"' => return Kind::Other,
            '\\' => drop(chars.next()),
            _ => {}
        }
    }
    Kind::OpenString
}

fn punctuation(chars: &mut Peekable<CharIndices<'_>>, first: char, second: Option<char>) -> Kind {
    let double = |kind, chars: &mut Peekable<CharIndices<'_>>| {
        chars.next();
        kind
    };
    match (first, second) {
        ('&', Some('&')) | ('|', Some('|')) => double(Kind::Joint, chars),
        ('=' | '!' | '<' | '>', Some('=')) => double(Kind::Operator, chars),
        (':' | '?', _) => Kind::Other,
        ('@', _) => Kind::At,
        ('(' | '[' | '{', _) => Kind::Open,
        (')' | ']' | '}', _) => Kind::Close,
        (',', _) => Kind::Comma,
        (';', _) => Kind::Semicolon,
        _ => Kind::Operator,
    }
}

fn word(word: &str) -> Kind {
    match word {
        "if" | "then" | "else" | "when" | "unless" => Kind::Joint,
        "in" | "like" | "has" | "is" => Kind::Operator,
        _ => Kind::Word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_in_a_string_or_a_comment_ends_nothing() {
        let text = "// one; two\n@id(\"a;\\\"b\")\npermit (principal, action, resource); // c;\n forbid";
        let found: Vec<_> = chunks(text).iter().map(|chunk| (chunk.offset, chunk.line, chunk.text)).collect();
        let first = "@id(\"a;\\\"b\")\npermit (principal, action, resource);";
        assert_eq!(found, [(12, 2, first), (text.len() - 6, 4, "forbid")]);
        assert_eq!(chunks(" // nothing\n"), []);
    }

    #[test]
    fn the_elements_of_an_array_are_cut_at_their_commas() {
        let text = "[ {\"a\": [1, 2]},\n\"],[\" , -3 ]\n";
        let found: Vec<_> = elements(text).iter().map(|chunk| (chunk.line, chunk.text)).collect();
        assert_eq!(found, [(1, "{\"a\": [1, 2]}"), (2, "\"],[\""), (2, "-3")]);
        assert_eq!(elements(" [ ] "), []);
    }

    #[test]
    fn an_annotation_is_found_where_it_starts() {
        let text = "@id(\"@quorum\") @ quorum(\"2\") forbid (principal, action, resource);";
        assert_eq!(annotation(text, "id"), Some(0));
        assert_eq!(annotation(text, "quorum"), Some(15));
        assert_eq!(annotation(text, "hold"), None);
    }

    #[test]
    fn what_would_recurse_is_counted() {
        let deep = |unit: &str, n: usize| unit.repeat(n);
        let nested = [
            format!("when {{ {}1{} }}", deep("(", 70), deep(")", 70)),
            format!("when {{ {}true }}", deep("!", 70)),
            format!("when {{ context{} }}", deep(".a", 70)),
            format!("when {{ context{} }}", deep("[\"a\"]", 70)),
            format!("when {{ true{} }}", deep(" || true", 70)),
            format!("when {{ {}1 }}", deep("if a then b else ", 70)),
            format!("forbid (p, a, r) {}", deep("when { true } ", 70)),
            format!("type T = {}Long{};", deep("Set<", 70), deep(">", 70)),
            format!("{}{}", deep("{\"a\":", 70), deep("}", 70)),
        ];
        for text in nested {
            assert!(matches!(check_nesting(&text, 64), Err(Refused::TooDeep(_))), "{text}");
        }
    }

    #[test]
    fn what_is_wide_but_flat_is_let_through() {
        let members: Vec<_> = (0..500).map(|n| format!("Team::\"{n}\"")).collect();
        let set = format!("when {{ principal in [{}] }};", members.join(", "));
        let policies = "permit (principal, action, resource) when { a.b == 1 && !c };\n".repeat(500);
        for text in [set.as_str(), &policies, "\"((((\" // ((((\n"] {
            assert_eq!(check_nesting(text, 12), Ok(()));
        }
        assert_eq!(check_nesting("a == \"b", 64), Err(Refused::OpenString(5)));
    }
}
