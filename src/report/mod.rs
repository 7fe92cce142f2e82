//! Tables, figures and the page that a reader of an experiment sees. Everything is built from plain [`RunResult`]s.
//!
//! | file | job |
//! |---|---|
//! | [`missing`] | cells without a value, and why |
//! | [`runs`] | what the report knows of a run |
//! | [`load`] | from run folders to all of that |
//! | [`detail`], [`recorded`] | how runs were made, what they recorded on the way, what they were judged by |
//! | [`baselines`] | published and accepted numbers, from `baselines/<name>/` |
//! | [`table`] | one table per system and temperature, and its file formats |
//! | [`figures`] | pictures as SVG, PNG and PDF |
//! | [`pictures`], [`views`] | what they show of samples, and of molecules |
//! | [`course`], [`curves`] | what runs recorded of their way; cost, ladders and training as figures |
//! | [`names`] | short names of rows in figures |
//! | [`page`] | the self-contained pages, in a folder of its own |
//! | [`write`](mod@write) | all files of a report into a folder |

pub mod baselines;
pub mod course;
pub mod curves;
pub mod detail;
pub mod figures;
pub mod load;
pub mod missing;
pub mod names;
pub mod page;
pub mod pictures;
pub mod recorded;
pub mod runs;
pub mod table;
pub mod views;
pub mod write;

pub use runs::RunResult;
pub use table::{Table, collect};
