//! `cargo bench -- head` hands `head` to every bench of the workspace, and libtest's harness fails at criterion's arguments. So each library and
//! program says that it is no bench, and so do benches that measure in another way.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics says why")]

use std::{fs, process::Command};

#[test]
fn only_criterion_is_run_by_cargo_bench() {
    let metadata =
        Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).output();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.unwrap().stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 5, "{packages:?}");
    for package in packages {
        let manifest = package["manifest_path"].as_str().unwrap();
        let text = fs::read_to_string(manifest).unwrap();
        // Criterion's arguments are criterion's only where it is a dependency.
        let kinds: &[&str] = if text.contains("\ncriterion = ") { &["lib", "bin"] } else { &["lib", "bin", "bench"] };
        let is_one = |target: &&serde_json::Value| kinds.iter().any(|kind| target["kind"][0] == *kind);
        let targets = package["targets"].as_array().unwrap().iter().filter(is_one).count();
        assert_eq!(
            text.matches("\nbench = false\n").count(),
            targets,
            "{manifest}: `bench = false` is missing or too much"
        );
    }
}
