//! Every input of every corpus, and every one that once failed, with any compiler.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use midge_fuzz::TARGETS;

#[test]
fn every_corpus_and_every_regression_still_passes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, check) in TARGETS {
        let mut inputs = 0;
        for kind in ["corpus", "regressions"] {
            let Ok(directory) = fs::read_dir(root.join(kind).join(target)) else { continue };
            for entry in directory {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                check(&fs::read(path).unwrap());
                inputs += 1;
            }
        }
        assert!(inputs > 2, "{target} has no corpus");
    }
}
