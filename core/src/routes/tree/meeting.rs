//! Which routes take requests for a path, or for anything below it: asked at load, of policies.

use std::sync::Arc;

use super::{Host, Methods, Node};
use crate::routes::route::Route;

/// Paths of one host.
#[derive(Debug, Clone, Copy)]
pub(in crate::routes) enum Paths<'a> {
    /// This one.
    Exactly(&'a [&'a str]),
    /// This one and all below it; without a segment, all.
    Below(&'a [&'a str]),
}

impl Host {
    /// Every route that takes some request for one of `paths`, with its method; nothing for any method.
    pub(in crate::routes) fn meeting(&self, paths: Paths<'_>) -> Vec<(Option<&str>, &Arc<Route>)> {
        let mut places = Vec::new();
        self.root.meeting(paths, &mut places);
        places.into_iter().flat_map(Methods::routes).collect()
    }
}

impl Node {
    fn meeting<'a>(&'a self, paths: Paths<'_>, found: &mut Vec<&'a Methods>) {
        let (rest, below) = match paths {
            Paths::Exactly(rest) => (rest, false),
            Paths::Below(rest) => (rest, true),
        };
        let Some((segment, rest)) = rest.split_first() else {
            found.push(&self.ends);
            if below {
                found.push(&self.tails);
                let inner = self.literals.values().chain(self.param.as_deref());
                inner.for_each(|node| node.meeting(paths, found));
            }
            return;
        };
        let rest = if below { Paths::Below(rest) } else { Paths::Exactly(rest) };
        if let Some(node) = self.literals.get(*segment) {
            node.meeting(rest, found);
        }
        if !segment.is_empty() {
            found.push(&self.tails);
            self.param.iter().for_each(|node| node.meeting(rest, found));
        }
    }
}

impl Methods {
    fn routes(&self) -> impl Iterator<Item = (Option<&str>, &Arc<Route>)> {
        let named = self.named.iter().map(|(method, choice)| (Some(method.as_str()), choice));
        let head = self.own("HEAD").filter(|_| !self.named.contains_key("HEAD"));
        let named = named.chain(head.map(|choice| (Some("HEAD"), choice)));
        let all = named.chain(self.any.iter().map(|choice| (None, choice)));
        all.flat_map(|(method, choice)| choice.routes().map(move |route| (method, route)))
    }
}
