//! Of what the extension collects, what its threads wait for.

#[derive(Debug, Default)]
pub(crate) struct Collector {
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) starts: u64,
    pub(crate) reports: u64,
}
