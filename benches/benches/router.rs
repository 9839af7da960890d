//! Finding the route of a path among 3, 6, 60 and 600: midge's router against matchit, which axum has.
//!
//!     cargo bench -p midge-benches --bench router
//!
//! With `ROUNDS=N` it finds the paths N times with one of them and stops, for callgrind: `ROUNDS=100000 router-* midge 60`.

#![recursion_limit = "1024"]
#![allow(missing_docs, reason = "criterion's own macros")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "the tables are the bench's own")]

mod shared;

use std::{env, hint::black_box};

use criterion::Throughput;
use midge::{Method, Router};

/// Finds a path's pattern.
type Find = fn(&str) -> Option<&'static str>;

/// A table of six routes for each name, as services have them, in both forms.
macro_rules! table {
    ($function:ident, $nodes:literal, $($name:literal)*) => {
        /// A function that finds a path's route, and the patterns.
        fn $function() -> (Find, Vec<&'static str>) {
            // Matching asks no handler: there are none.
            let find = |path: &str| {
                let router = const {
                    &Router::<_, $nodes>::sized()
                        $(
                            .get(concat!("/api/", $name), ())
                            .get(concat!("/api/", $name, "/{id}"), ())
                            .get(concat!("/api/", $name, "/{id}/history"), ())
                            .get(concat!("/api/", $name, "/search"), ())
                            .get(concat!("/api/", $name, "/{id}/notes/{note}"), ())
                            .get(concat!("/api/", $name, "/{id}/lines"), ())
                        )*
                };
                router.pattern_of(Method::Get, path)
            };
            let names = [$($name),*];
            let patterns = names.iter().flat_map(|name| {
                ["", "/{id}", "/{id}/history", "/search", "/{id}/notes/{note}", "/{id}/lines"].map(|rest| &*format!("/api/{name}{rest}").leak())
            });
            (find, patterns.collect())
        }
    };
}

table!(six, 16, "users");
table!(sixty, 128, "users" "orders" "invoices" "items" "shipments" "accounts" "payments" "returns" "stores" "events");
table!(six_hundred, 1_024, "users0" "orders0" "invoices0" "items0" "shipments0" "accounts0" "payments0" "returns0" "stores0" "events0" "users1" "orders1" "invoices1" "items1" "shipments1" "accounts1" "payments1" "returns1" "stores1" "events1" "users2" "orders2" "invoices2" "items2" "shipments2" "accounts2" "payments2" "returns2" "stores2" "events2" "users3" "orders3" "invoices3" "items3" "shipments3" "accounts3" "payments3" "returns3" "stores3" "events3" "users4" "orders4" "invoices4" "items4" "shipments4" "accounts4" "payments4" "returns4" "stores4" "events4" "users5" "orders5" "invoices5" "items5" "shipments5" "accounts5" "payments5" "returns5" "stores5" "events5" "users6" "orders6" "invoices6" "items6" "shipments6" "accounts6" "payments6" "returns6" "stores6" "events6" "users7" "orders7" "invoices7" "items7" "shipments7" "accounts7" "payments7" "returns7" "stores7" "events7" "users8" "orders8" "invoices8" "items8" "shipments8" "accounts8" "payments8" "returns8" "stores8" "events8" "users9" "orders9" "invoices9" "items9" "shipments9" "accounts9" "payments9" "returns9" "stores9" "events9");

/// As few as a small function has.
fn three() -> (Find, Vec<&'static str>) {
    const PATTERNS: [&str; 3] = ["/health", "/api/users", "/api/users/{id}"];
    let find = |path: &str| {
        let router = const { &Router::<_, 16>::sized().get(PATTERNS[0], ()).get(PATTERNS[1], ()).get(PATTERNS[2], ()) };
        router.pattern_of(Method::Get, path)
    };
    (find, PATTERNS.to_vec())
}

/// One path for each kind of pattern, spread over the table, and the pattern that it has.
fn paths<'p>(patterns: &[&'p str]) -> Vec<(String, &'p str)> {
    let kinds = patterns.len().min(6);
    let groups = patterns.len() / kinds;
    let spread = (0..kinds).map(|kind| kind + kinds * (kind * (groups - 1) / 5));
    spread.map(|at| (patterns[at].replace("{id}", "1234567").replace("{note}", "89"), patterns[at])).collect()
}

fn matchit(patterns: &[&'static str]) -> impl Fn(&str) -> Option<&'static str> + use<> {
    let mut router = matchit::Router::new();
    for pattern in patterns {
        router.insert(*pattern, *pattern).unwrap();
    }
    move |path| router.at(path).ok().map(|found| *found.value)
}

/// Finds them all.
fn find(paths: &[(String, &str)], find: impl Fn(&str) -> Option<&'static str>) {
    for (path, _) in paths {
        assert!(find(black_box(path)).is_some(), "{path}");
    }
}

fn main() {
    let tables = [three(), six(), sixty(), six_hundred()];
    if let Some(rounds) = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()) {
        let wanted: Vec<String> = env::args().skip(1).collect();
        let [name, count] = &wanted[..] else { panic!("midge or matchit, and 3, 6, 60 or 600") };
        let (midge, patterns) = tables.iter().find(|table| table.1.len().to_string() == *count).unwrap();
        let (paths, matchit) = (paths(patterns), matchit(patterns));
        for _ in 0..rounds {
            if name == "midge" { find(&paths, midge) } else { find(&paths, &matchit) }
        }
        return;
    }
    let mut criterion = shared::criterion().configure_from_args();
    for (midge, patterns) in &tables {
        let (paths, matchit) = (paths(patterns), matchit(patterns));
        for (path, pattern) in &paths {
            assert_eq!((midge(path), matchit(path)), (Some(*pattern), Some(*pattern)));
        }
        let mut group = criterion.benchmark_group(format!("router/{} routes", patterns.len()));
        group.throughput(Throughput::Elements(paths.len() as u64));
        group.bench_function("midge", |b| b.iter(|| find(&paths, midge)));
        group.bench_function("matchit", |b| b.iter(|| find(&paths, &matchit)));
        group.finish();
    }
    criterion.final_summary();
}
