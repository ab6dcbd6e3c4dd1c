//! The paths that a Rust source names (`std::fs::read`), read from its tokens: also in macros and in trees of
//! `use`, never in comments and strings.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A path as it is written, with the line where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// From 1.
    pub(crate) line: usize,
}

/// All paths of `source`.
///
/// # Errors
/// When it is no Rust.
pub(crate) fn paths(source: &str) -> Result<Vec<Path>, proc_macro2::LexError> {
    let mut found = Vec::new();
    walk(TokenStream::from_str(source)?, &[], &mut found);
    Ok(found)
}

/// Adds the paths of `tokens`; `prefix` is what stands before the braces that hold them (`use std::{…}`).
fn walk(tokens: TokenStream, prefix: &[String], found: &mut Vec<Path>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.next() {
        let line = token.span().start().line;
        match token {
            TokenTree::Ident(ident) => {
                path.push(ident.to_string());
                if !tokens.peek().is_some_and(joins) {
                    found.push(Path { segments: std::mem::replace(&mut path, prefix.to_vec()), line });
                }
            }
            TokenTree::Group(group) => {
                let tree = path.len() > prefix.len() && group.delimiter() == Delimiter::Brace;
                walk(group.stream(), if tree { &path } else { &[] }, found);
                path = prefix.to_vec();
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            // Ends a path that has no name of its own: `use std::fs::*`, `Vec::<u8>::new`.
            TokenTree::Punct(_) | TokenTree::Literal(_) if path.len() > prefix.len() => {
                found.push(Path { segments: std::mem::replace(&mut path, prefix.to_vec()), line });
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether a token is the first half of `::`.
fn joins(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let source = r#"
            use std::{fs, net::{IpAddr, TcpStream as S}};
            // std::env
            use std::io::*; fn f(a: u8) { let s = "std::process"; g!(std::time::SystemTime::now()) }
        "#;
        let found: Vec<_> = paths(source).unwrap().iter().map(|path| path.segments.join("::")).collect();
        for expected in
            ["std::fs", "std::io", "std::net::IpAddr", "std::net::TcpStream", "std::time::SystemTime::now"]
        {
            assert!(found.contains(&expected.to_owned()), "{found:?}");
        }
        assert!(!found.iter().any(|path| path.contains("env") || path.contains("process")), "{found:?}");
    }
}
