//! The program as it is typed, on machines at toy size.
#![allow(clippy::unwrap_used, reason = "a test ends where its machine cannot be made")]

mod machine;
mod setup;
mod steps;
