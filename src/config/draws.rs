//! `[draws.NAME]`: ways to draw from finished models.

use serde::{Deserialize, Serialize};

use super::fields::Fields;
use crate::spec::IcAnnealSpec;

/// A way to draw from a finished model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draws {
    /// Its key.
    pub key: String,
    /// How it is called in reports.
    pub label: String,
    /// Its settings; its steps follow from the evaluations that it may make.
    pub anneal: IcAnnealSpec,
}

impl Draws {
    /// A label, and settings as in the `anneal` of `pita-ic`.
    pub(super) fn read(key: &str, f: &Fields<'_>) -> Self {
        let label = f.text("label").unwrap_or_else(|| key.to_owned());
        let anneal = f.settings(IcAnnealSpec::default());
        f.finish();
        Self { key: key.to_owned(), label, anneal }
    }
}
