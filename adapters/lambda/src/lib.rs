//! The midge engine as an AWS Lambda custom runtime.
