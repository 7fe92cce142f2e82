//! Who a run is: canonical bytes of what was asked, and three digests kept apart.
//!
//! - **spec**: what was asked ([`spec_digest`], [`eval_digest`], [`reference_digest`])
//! - **code**: what was compiled ([`code()`], embedded by the build script): all of it, what can change samples, what can
//!   change how they are judged ([`covers`])
//! - **evaluation**: what samples were measured with ([`Yardstick`])
//! - **env**: where it ran ([`env()`])
//!
//! One opaque digest would rerun everything for a comment and could not be explained; [`explain()`] names the fields
//! that differ.

mod canonical;
mod code;
pub mod covers;
mod env;
mod explain;
mod parts;
pub mod tree;
mod yardstick;

pub use canonical::{canonical, eval_digest, reference_digest, sha256_file, sha256_hex, spec_digest};
pub use code::{Code, code};
pub use env::{Env, env, passed};
pub use explain::{Difference, explain};
pub use parts::{Parts, parts};
pub use yardstick::Yardstick;

/// The digits of a digest that name files and folders.
#[must_use]
pub fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}
