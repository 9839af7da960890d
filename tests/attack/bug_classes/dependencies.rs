//! Dependencies: none is locked to a version that an advisory is about.

/// Since which version each is good, and what says so.
const GOOD: &[(&str, [u64; 3], &str)] =
    &[("bumpalo", [3, 11, 1], "RUSTSEC-2020-0006, RUSTSEC-2022-0078"), ("mio", [0, 8, 11], "RUSTSEC-2024-0019")];

#[test]
fn dependencies_with_advisories_in_old_versions() {
    let mut found = 0;
    for package in include_str!("../../../Cargo.lock").split("[[package]]") {
        let value =
            |key: &str| package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).unwrap_or("");
        let (name, version) = (value("name").trim_matches('"'), value("version").trim_matches('"'));
        for (good, since, advisory) in GOOD.iter().filter(|(good, ..)| *good == name) {
            let parts: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
            assert!(parts[..] >= since[..], "{good} {version}: {advisory}");
            found += 1;
        }
    }
    assert_eq!(found, GOOD.len(), "each of them is in the lock file once");
}
