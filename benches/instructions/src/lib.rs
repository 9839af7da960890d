//! Nothing but benches: see `benches/instructions.rs`, and `benches/budget` for how to run it.
