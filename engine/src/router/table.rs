//! The table that paths are matched with: a tree of segments, all of whose literal edges are found through one hash table, so that
//! a path costs what its segments cost and not what the routes are many.
//!
//! It is filled by the compiler if its router is a constant.

use crate::{
    http1::method::Method,
    router::pattern::{self, Segment},
};

/// See the module's documentation. It has `NODES` nodes and as many routes at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<const NODES: usize> {
    nodes: [Node; NODES],
    node_count: usize,
    routes: [Route; NODES],
    route_count: usize,
    /// First node of each chain of nodes whose edges have the same hash.
    buckets: [u16; NODES],
    /// Methods that have no number of their own.
    others: [&'static str; MAX_OTHERS],
    fallback: Option<usize>,
}

/// A place in a pattern. A link of 0 is none: nothing leads to the root.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// The literal that leads here, and from where.
    segment: &'static [u8],
    parent: u16,
    /// The next node in the same bucket.
    next: u16,
    /// Where a parameter leads, a wildcard, and the prefix of something nested.
    param: u16,
    rest: u16,
    nested: u16,
    /// The first route that ends here, counted from 1.
    route: u16,
    /// Whether literals lead on.
    literals: bool,
}

impl Node {
    const EMPTY: Self =
        Self { segment: b"", parent: 0, next: 0, param: 0, rest: 0, nested: 0, route: 0, literals: false };
}

/// A route, or the prefix of something nested.
#[derive(Debug, Clone, Copy)]
struct Route {
    pattern: &'static str,
    verb: u8,
    /// The next route that ends at the same node, counted from 1.
    next: u16,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// To this handler.
    Arm { arm: usize, pattern: &'static str },
    /// To a pattern that has no handler for the method: its first route; or to the server as a whole.
    NoMethod(Option<u16>),
    /// Nowhere.
    Nothing,
}

impl<const NODES: usize> Table<NODES> {
    pub(crate) const fn new() -> Self {
        assert!(NODES > 0 && NODES < u16::MAX as usize, "a router has from 1 to 65,534 nodes");
        Self {
            nodes: [Node::EMPTY; NODES],
            node_count: 1,
            routes: [Route { pattern: "", verb: 0, next: 0 }; NODES],
            route_count: 0,
            buckets: [0; NODES],
            others: [""; MAX_OTHERS],
            fallback: None,
        }
    }

    /// Adds a route: its handler is the one with its number.
    #[track_caller]
    pub(crate) const fn add(&mut self, method: Method<'static>, pattern: &'static str) {
        let node = self.place(pattern);
        let verb = self.new_verb(method);
        self.add_to(node, verb, pattern);
    }

    /// Adds a route for all methods.
    #[track_caller]
    pub(crate) const fn add_any(&mut self, pattern: &'static str) {
        let node = self.place(pattern);
        self.add_to(node, ANY, pattern);
    }

    /// Adds everything below a prefix.
    #[track_caller]
    #[expect(clippy::indexing_slicing, reason = "nodes are within the table")]
    pub(crate) const fn add_nested(&mut self, prefix: &'static str) {
        assert!(
            pattern::is_prefix(prefix.as_bytes()),
            "a prefix is not '/', does not end with '/', and has no wildcard"
        );
        let parent = self.place(prefix);
        let Node { route, rest, nested, .. } = self.nodes[parent];
        assert!(
            route == 0 && rest == 0 && nested == 0,
            "a nested router's prefix is a route already, or has a wildcard"
        );
        let node = self.node();
        self.nodes[parent].nested = node as u16;
        self.add_to(node, ANY, prefix);
    }

    /// Lets the next handler answer what nothing matches.
    #[track_caller]
    pub(crate) const fn add_fallback(&mut self) {
        assert!(self.fallback.is_none(), "a router has one fallback");
        self.fallback = Some(self.route_count);
        let _ = self.route();
    }

    /// The node of a pattern, made if it isn't there.
    #[track_caller]
    #[expect(clippy::indexing_slicing, reason = "nodes are within the table")]
    const fn place(&mut self, pattern: &'static str) -> usize {
        pattern::check_names(pattern.as_bytes());
        let mut node = 0;
        let mut left = pattern.as_bytes();
        assert!(!left.is_empty(), "a route's pattern begins with '/'");
        if let [b'/'] = left {
            return 0;
        }
        while !left.is_empty() {
            let (segment, rest) = pattern::first(left);
            let Node { param, rest: wildcard, nested, .. } = self.nodes[node];
            node = match segment {
                Segment::Literal(literal) => match self.child(node, literal) {
                    Some(child) => child,
                    None => {
                        let child = self.node();
                        let bucket = hash(node, literal) as usize % NODES;
                        self.nodes[child].segment = literal;
                        self.nodes[child].parent = node as u16;
                        self.nodes[child].next = self.buckets[bucket];
                        self.buckets[bucket] = child as u16;
                        self.nodes[node].literals = true;
                        child
                    }
                },
                Segment::Param(_) if param != 0 => param as usize,
                Segment::Param(_) => {
                    let child = self.node();
                    self.nodes[node].param = child as u16;
                    child
                }
                Segment::Rest(_) => {
                    assert!(nested == 0, "a wildcard route where a router is nested");
                    if wildcard != 0 {
                        wildcard as usize
                    } else {
                        let child = self.node();
                        self.nodes[node].rest = child as u16;
                        child
                    }
                }
            };
            left = rest;
        }
        node
    }

    /// The next free node.
    #[track_caller]
    const fn node(&mut self) -> usize {
        assert!(self.node_count < NODES, "too many routes for this router: begin it with Router::sized");
        self.node_count += 1;
        self.node_count - 1
    }

    /// The next free route, counted from 1.
    #[track_caller]
    const fn route(&mut self) -> usize {
        assert!(self.route_count < NODES, "too many routes for this router: begin it with Router::sized");
        self.route_count += 1;
        self.route_count
    }

    /// Adds a route to a node's, behind those that are there.
    #[track_caller]
    #[expect(clippy::indexing_slicing, reason = "nodes and routes are within the table")]
    const fn add_to(&mut self, node: usize, verb: u8, pattern: &'static str) {
        assert!(self.nodes[node].nested == 0, "a route is the prefix of a nested router");
        let number = self.route();
        self.routes[number - 1] = Route { pattern, verb, next: 0 };
        let mut last = self.nodes[node].route as usize;
        if last == 0 {
            self.nodes[node].route = number as u16;
            return;
        }
        loop {
            let Route { verb: other, next, .. } = self.routes[last - 1];
            assert!(other != verb, "two routes for the same method whose patterns match the same paths");
            if next == 0 {
                self.routes[last - 1].next = number as u16;
                return;
            }
            last = next as usize;
        }
    }

    /// A method's number, which it is given if it has none.
    #[track_caller]
    #[expect(clippy::indexing_slicing, clippy::panic, reason = "meant for constants; the index is within the table")]
    const fn new_verb(&mut self, method: Method<'static>) -> u8 {
        let Method::Other(name) = method else { return number(method) };
        let mut index = 0;
        while index < MAX_OTHERS {
            if self.others[index].is_empty() {
                self.others[index] = name;
            }
            if pattern::is_same(self.others[index].as_bytes(), name.as_bytes()) {
                return OTHER + index as u8;
            }
            index += 1;
        }
        panic!("a router knows eight methods beside those that Method names")
    }

    /// Where a literal leads, found as fast as can be.
    #[inline]
    fn lookup(&self, parent: usize, segment: &[u8]) -> Option<(usize, &Node)> {
        let mut link = *self.buckets.get(hash(parent, segment) as usize % NODES)?;
        while let Some((number, node)) = self.link(link) {
            if usize::from(node.parent) == parent && node.segment == segment {
                return Some((number, node));
            }
            link = node.next;
        }
        None
    }

    /// Where a literal leads.
    #[expect(clippy::indexing_slicing, reason = "links are within the table")]
    const fn child(&self, parent: usize, segment: &[u8]) -> Option<usize> {
        let mut link = self.buckets[hash(parent, segment) as usize % NODES] as usize;
        while link != 0 && link < NODES {
            let node = &self.nodes[link];
            if node.parent as usize == parent && pattern::is_same(node.segment, segment) {
                return Some(link);
            }
            link = node.next as usize;
        }
        None
    }

    /// Where a request leads. `path` is empty for the root, and else begins with `/`.
    #[inline]
    pub(crate) fn find(&self, method: Method<'_>, path: &str) -> Found {
        match self.find_node(0, path.as_bytes()).map(|node| node.route) {
            None | Some(0) => self.nothing(),
            Some(first) => self.choose(method, first),
        }
    }

    #[cold]
    fn nothing(&self) -> Found {
        self.fallback.map_or(Found::Nothing, |arm| Found::Arm { arm, pattern: "" })
    }

    /// The best node for a path below `at`: literals come before parameters, parameters before what takes the rest, at each segment from the
    /// left. Each node is looked at once at most.
    fn find_node(&self, at: usize, path: &[u8]) -> Option<&Node> {
        let (mut node, mut path) = (self.nodes.get(at)?, path);
        let mut number = at;
        loop {
            let Some((_, text)) = path.split_first() else {
                return match self.link(node.nested) {
                    _ if node.route != 0 => Some(node),
                    nested => nested.map(|(_, node)| node),
                };
            };
            let (segment, behind) = pattern::split(text);
            // Nothing to come back to: no recursion.
            let straight = (node.param | node.rest | node.nested) == 0;
            match if node.literals { self.lookup(number, segment) } else { None } {
                Some((link, child)) if straight => {
                    (number, node, path) = (link, child, behind);
                    continue;
                }
                Some((link, _)) => {
                    if let Some(found) = self.find_node(link, behind) {
                        return Some(found);
                    }
                }
                None if straight => return None,
                None => {}
            }
            if !segment.is_empty()
                && let Some((link, child)) = self.link(node.param)
            {
                if (node.rest | node.nested) == 0 {
                    (number, node, path) = (link, child, behind);
                    continue;
                }
                if let Some(found) = self.find_node(link, behind) {
                    return Some(found);
                }
            }
            return match self.link(node.rest) {
                Some((_, rest)) => (!text.is_empty()).then_some(rest),
                None => self.link(node.nested).map(|(_, node)| node),
            };
        }
    }

    #[inline]
    fn link(&self, link: u16) -> Option<(usize, &Node)> {
        if link == 0 { None } else { Some((usize::from(link), self.nodes.get(usize::from(link))?)) }
    }

    /// The route for a method among those of a node.
    #[inline]
    fn choose(&self, method: Method<'_>, first: u16) -> Found {
        let verb = self.verb(method);
        let (mut link, mut second) = (first, None);
        while let Some((number, route)) = self.route_at(link) {
            let found = Found::Arm { arm: number, pattern: route.pattern };
            if route.verb == verb {
                return found;
            }
            // Better than one for all methods.
            if (route.verb == GET && verb == HEAD) || (route.verb == ANY && second.is_none()) {
                second = Some(found);
            }
            link = route.next;
        }
        second.unwrap_or(Found::NoMethod(Some(first)))
    }

    #[inline]
    fn route_at(&self, link: u16) -> Option<(usize, &Route)> {
        let number = usize::from(link.checked_sub(1)?);
        Some((number, self.routes.get(number)?))
    }

    #[inline]
    fn verb(&self, method: Method<'_>) -> u8 {
        match method {
            Method::Other(name) => {
                let known = self.others.iter().position(|other| *other == name);
                known.map_or(UNKNOWN, |index| OTHER + index as u8)
            }
            method => number(method),
        }
    }

    /// Which methods the routes of a node allow, as bits; without a node, those of all routes.
    pub(crate) fn allowed(&self, first: Option<u16>) -> u32 {
        let mut verbs = 0;
        match first {
            Some(first) => {
                let mut link = first;
                while let Some((_, route)) = self.route_at(link) {
                    verbs |= 1 << route.verb;
                    link = route.next;
                }
            }
            None => verbs = self.routes.iter().take(self.route_count).fold(0, |verbs, route| verbs | 1 << route.verb),
        }
        verbs |= 1 << OPTIONS;
        if verbs & 1 << GET != 0 { verbs | 1 << HEAD } else { verbs }
    }

    /// Methods that have no number of their own.
    pub(crate) const fn others(&self) -> &[&'static str] {
        &self.others
    }
}

/// The name of the method with this number; empty if none has it.
pub(crate) fn name(verb: u32, others: &[&'static str]) -> &'static str {
    let names = NAMES.iter().chain(others);
    names.copied().nth(verb as usize).unwrap_or_default()
}

/// Mixes a literal and where it leads from. The table is the program's own: nobody chooses what collides in it.
#[inline]
const fn hash(parent: usize, segment: &[u8]) -> u32 {
    let text = match (segment.first_chunk::<4>(), segment.last_chunk::<4>(), segment) {
        (Some(first), Some(last), _) => (u32::from_le_bytes(*first) as u64) << 32 | u32::from_le_bytes(*last) as u64,
        (_, _, [first, middle, last]) => (*first as u64) << 16 | (*middle as u64) << 8 | *last as u64,
        (_, _, [first, last]) => (*first as u64) << 8 | *last as u64,
        (_, _, [only]) => *only as u64,
        _ => 0,
    };
    let mixed = (text ^ (parent as u64) << 52 ^ (segment.len() as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32 ^ (mixed >> 51) as u32
}

const fn number(method: Method<'_>) -> u8 {
    match method {
        Method::Get => GET,
        Method::Head => HEAD,
        Method::Post => 3,
        Method::Put => 4,
        Method::Patch => 5,
        Method::Delete => 6,
        Method::Options => OPTIONS,
        Method::Trace => 8,
        Method::Connect => 9,
        Method::Other(_) => UNKNOWN,
    }
}

/// By their numbers; a fallback's is 0.
const NAMES: [&str; OTHER as usize] =
    ["", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const GET: u8 = 1;
const HEAD: u8 = 2;
const OPTIONS: u8 = 7;
/// The first number of a method that has none of its own.
const OTHER: u8 = 10;
const MAX_OTHERS: usize = 8;
const ANY: u8 = 30;
const UNKNOWN: u8 = 31;
