//! The midge engine as a Cloudflare Worker, without a generator.
