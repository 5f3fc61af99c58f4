//! Exercises: found, read, run in sandboxes that are thrown away, judged, and released to learners.

pub mod catalog;
pub mod grade;
pub mod job;
pub mod lint;
pub mod progress;
pub mod seed;
pub mod text;
pub mod worker;
