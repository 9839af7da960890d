//! Finding the route of a path among 6, 60 and 600: midge's router against matchit, which axum has.
//!
//!     cargo bench -p midge-benches --bench router
//!
//! With `ROUNDS=N` it finds six paths N times with one of them and stops, for callgrind: `ROUNDS=100000 router-* midge 60`.

#![recursion_limit = "1024"]
#![allow(missing_docs, reason = "criterion's own macros")]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "the tables are the bench's own")]

use std::{env, hint::black_box};

use criterion::Criterion;
use midge::{Method, Router};

/// A table of six routes for each name, as services have them, in both forms.
macro_rules! table {
    ($function:ident, $nodes:literal, $($name:literal)*) => {
        /// A function that finds a path's route, and the patterns.
        fn $function() -> (fn(&str) -> bool, Vec<&'static str>) {
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
                router.pattern_of(Method::Get, path).is_some()
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

/// One path for each kind of pattern, spread over the table.
fn paths(patterns: &[&str]) -> Vec<String> {
    let groups = patterns.len() / 6;
    let spread = (0..6).map(|kind| kind + 6 * (kind * (groups - 1) / 5));
    spread.map(|at| patterns[at].replace("{id}", "1234567").replace("{note}", "89")).collect()
}

fn matchit(patterns: &[&'static str]) -> impl Fn(&str) -> bool + use<> {
    let mut router = matchit::Router::new();
    for (number, pattern) in patterns.iter().enumerate() {
        router.insert(*pattern, number).unwrap();
    }
    move |path| router.at(path).is_ok()
}

/// Finds them all.
fn find(paths: &[String], find: impl Fn(&str) -> bool) {
    for path in paths {
        assert!(find(black_box(path)), "{path}");
    }
}

fn main() {
    let tables = [six(), sixty(), six_hundred()];
    if let Some(rounds) = env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()) {
        let wanted: Vec<String> = env::args().skip(1).collect();
        let [name, count] = &wanted[..] else { panic!("midge or matchit, and 6, 60 or 600") };
        let (midge, patterns) = tables.iter().find(|table| table.1.len().to_string() == *count).unwrap();
        let (paths, matchit) = (paths(patterns), matchit(patterns));
        for _ in 0..rounds {
            if name == "midge" { find(&paths, midge) } else { find(&paths, &matchit) }
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (midge, patterns) in &tables {
        let (paths, matchit, count) = (paths(patterns), matchit(patterns), patterns.len());
        criterion
            .bench_function(&format!("six paths among {count}: midge"), |bench| bench.iter(|| find(&paths, midge)));
        criterion.bench_function(&format!("six paths among {count}: matchit"), |bench| {
            bench.iter(|| find(&paths, &matchit))
        });
    }
    criterion.final_summary();
}
