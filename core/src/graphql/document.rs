//! A document: its operations and fragments, and the fields at the roots of the former.
//!
//! The parser recurses, and in WebAssembly nothing guards its stack. So brackets are counted first, by its own lexer.

use std::collections::{BTreeMap, BTreeSet};

use apollo_parser::cst::{Definition, Selection, SelectionSet};
use apollo_parser::{Lexer, Parser, TokenKind, cst};

use super::budget::Budget;
use super::literal::{self, Variables};
use super::{MAX_FIELDS, Operation, RootField, bad};
use crate::denial::Denial;
use crate::routes::json::Json;

/// The deepest nesting of selections, lists and objects.
const MAX_DEPTH: usize = 32;

/// A document that was read.
pub(super) struct Document {
    operations: Vec<(Operation, cst::OperationDefinition)>,
    fragments: BTreeMap<String, SelectionSet>,
}

impl Document {
    /// Reads a document.
    pub(super) fn parse(text: &str, budget: &Budget) -> Result<Self, Denial> {
        check(text, budget)?;
        let tree = Parser::new(text).recursion_limit(2 * MAX_DEPTH).parse();
        if let Some(error) = tree.errors().next() {
            let line = 1 + text.bytes().take(error.index()).filter(|&byte| byte == b'\n').count();
            return Err(bad(format!("the document is no GraphQL at its line {line}")));
        }
        let mut document = Self { operations: Vec::new(), fragments: BTreeMap::new() };
        let mut names = BTreeSet::new();
        for definition in tree.document().definitions() {
            let name = definition.name().map(|name| name.text().to_string());
            match definition {
                Definition::OperationDefinition(operation) => {
                    if !names.insert(name) {
                        return Err(bad("two operations of a document have one name"));
                    }
                    document.operations.push((kind(&operation), operation));
                }
                Definition::FragmentDefinition(fragment) => {
                    let (Some(name), Some(selections)) = (name, fragment.selection_set()) else {
                        return Err(bad("a fragment without name or selection"));
                    };
                    if document.fragments.insert(name, selections).is_some() {
                        return Err(bad("two fragments of a document have one name"));
                    }
                }
                _ => return Err(bad("a document holds operations and fragments, and no types")),
            }
        }
        if document.operations.is_empty() {
            return Err(bad("the document has no operation"));
        }
        if names.len() > 1 && names.contains(&None) {
            return Err(bad("an operation without name is the only one of its document"));
        }
        Ok(document)
    }

    /// The root fields of all operations: which of them runs, the server decides.
    pub(super) fn root_fields(
        &self,
        values: &BTreeMap<String, Json>,
        budget: &Budget,
    ) -> Result<Vec<RootField>, Denial> {
        let mut fields = Vec::new();
        for (operation, definition) in &self.operations {
            let variables = Variables::of(definition, values, budget)?;
            let selections =
                definition.selection_set().ok_or_else(|| bad("an operation without selection"))?;
            let mut walk = Walk {
                document: self,
                operation: *operation,
                variables,
                depth: 0,
                spread: Vec::new(),
                seen: BTreeSet::new(),
            };
            walk.select(&selections, &mut fields)?;
        }
        Ok(fields)
    }
}

fn kind(operation: &cst::OperationDefinition) -> Operation {
    match operation.operation_type() {
        Some(ty) if ty.mutation_token().is_some() => Operation::Mutation,
        Some(ty) if ty.subscription_token().is_some() => Operation::Subscription,
        _ => Operation::Query,
    }
}

/// Counts tokens and open brackets, without recursion.
fn check(text: &str, budget: &Budget) -> Result<(), Denial> {
    // Where a line ends decides what is in a comment. Some end it at these too (section 2.1.4).
    let returns = text.split('\r').skip(1).all(|rest| rest.starts_with('\n'));
    if !returns {
        return Err(bad("the document has a carriage return that no line feed follows"));
    }
    let mut depth = 0_usize;
    for token in Lexer::new(text) {
        let token = token.map_err(|_| bad("the document is no GraphQL"))?;
        budget.token()?;
        let breaks = |c: char| (c.is_control() && !"\t\r\n".contains(c)) || "\u{2028}\u{2029}".contains(c);
        match token.kind() {
            TokenKind::Comment if token.data().contains(breaks) => {
                return Err(bad("a comment has a character that ends a line to some servers"));
            }
            TokenKind::LCurly | TokenKind::LBracket | TokenKind::LParen => depth += 1,
            TokenKind::RCurly | TokenKind::RBracket | TokenKind::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(bad(format!("the document is nested more than {MAX_DEPTH} deep")));
        }
    }
    Ok(())
}

/// One operation's root: its selections, and those of fragments that are spread there.
struct Walk<'a> {
    document: &'a Document,
    operation: Operation,
    variables: Variables<'a>,
    /// How many selections are open.
    depth: usize,
    /// Fragments that are open.
    spread: Vec<String>,
    /// Fragments that were spread: again, they are the same fields.
    seen: BTreeSet<String>,
}

impl Walk<'_> {
    fn select(&mut self, selections: &SelectionSet, fields: &mut Vec<RootField>) -> Result<(), Denial> {
        if self.depth == MAX_DEPTH {
            return Err(bad(format!("fragments at the root are more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let done = selections.selections().try_for_each(|selection| self.one(selection, fields));
        self.depth -= 1;
        done
    }

    fn one(&mut self, selection: Selection, fields: &mut Vec<RootField>) -> Result<(), Denial> {
        self.variables.budget.value()?;
        match selection {
            Selection::Field(field) => {
                if fields.len() == MAX_FIELDS {
                    return Err(bad(format!("more than {MAX_FIELDS} root fields")));
                }
                fields.push(self.field(&field)?);
            }
            // What type the root has, the server knows: fields under any condition count.
            Selection::InlineFragment(inline) => {
                if let Some(selections) = inline.selection_set() {
                    self.select(&selections, fields)?;
                }
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name().and_then(|name| name.name());
                let name = name.map(|name| name.text().to_string()).unwrap_or_default();
                self.fragment(name, fields)?;
            }
        }
        Ok(())
    }

    fn fragment(&mut self, name: String, fields: &mut Vec<RootField>) -> Result<(), Denial> {
        if self.spread.contains(&name) {
            return Err(bad(format!("the fragment `{}` contains itself", shown(&name))));
        }
        let Some(selections) = self.document.fragments.get(&name) else {
            return Err(bad(format!("the document has no fragment `{}`", shown(&name))));
        };
        if !self.seen.insert(name.clone()) {
            return Ok(());
        }
        self.spread.push(name);
        let done = self.select(selections, fields);
        self.spread.pop();
        done
    }

    fn field(&self, field: &cst::Field) -> Result<RootField, Denial> {
        let name = field.name().ok_or_else(|| bad("a field without name"))?.text().to_string();
        let mut arguments = BTreeMap::new();
        for argument in field.arguments().into_iter().flat_map(|list| list.arguments()) {
            let (Some(key), Some(value)) = (argument.name(), argument.value()) else {
                return Err(bad("an argument without name or value"));
            };
            let key = key.text().to_string();
            let value = literal::value(&value, &self.variables)?;
            if arguments.insert(key, value).is_some() {
                return Err(bad(format!("an argument of `{}` twice", shown(&name))));
            }
        }
        let given = arguments.into_iter().filter_map(|(key, value)| Some((key, value?)));
        Ok(RootField { operation: self.operation, arguments: given.collect(), name })
    }
}

/// As much of a name as a message shows.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}
