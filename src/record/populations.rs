//! `populations.npz`: particles on their way to the target, `positions.<step> [k, atoms, 3]` for each event of the log that tells of
//! some.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Kind, events};
use crate::array::{Array, Arrays, read_npz, write_npz};
use crate::error::Result;

/// Name of the file.
pub const NAME: &str = "populations.npz";

/// Particles of one temperature.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Their temperature.
    pub temperature: f64,
    /// Charged energy evaluations until then.
    pub evaluations: u64,
    /// Positions `[k, atoms, 3]`.
    pub positions: Array,
}

fn key(step: u64) -> String {
    format!("positions.{step}")
}

/// Adds the particles of a step to a run folder, or writes those of a step that is done again anew.
///
/// # Errors
/// When the file cannot be read or written: it is the old one then.
pub fn keep(run: &Path, step: u64, positions: Array) -> Result<()> {
    let path = run.join(NAME);
    let mut arrays = if path.exists() { read_npz(&path)? } else { Arrays::new() };
    arrays.insert(key(step), positions);
    write_npz(&path, &arrays)
}

/// All of a run folder, in the order of the steps; none where the file is not.
///
/// # Errors
/// When file or log cannot be read.
pub fn read(run: &Path) -> Result<Vec<Kept>> {
    let path = run.join(NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut arrays = read_npz(&path)?;
    let mut found = BTreeMap::new();
    for event in events::read(&run.join("events.jsonl"))? {
        if let Kind::Population { step, temperature, evaluations } = event.kind
            && let Some(positions) = arrays.remove(&key(step))
        {
            found.insert(step, Kept { temperature, evaluations, positions });
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::EventLog;

    /// By the order of steps; a step that came twice counts once; an event whose particles are not there tells nothing.
    #[test]
    fn steps_in_order() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        let one = |x: f32| Array::f32(&[1, 1, 3], vec![x; 3]);
        for (step, x) in [(10, 3.0), (2, 1.0), (10, 4.0)] {
            keep(dir.path(), step, one(x)).unwrap();
        }
        let mut log = EventLog::open(&dir.path().join("events.jsonl")).unwrap();
        for (step, temperature) in [(2, 900.0), (10, 600.0), (7, 700.0), (10, 600.0)] {
            log.append(Kind::Population { step, temperature, evaluations: 100 * step }).unwrap();
        }
        let found = read(dir.path()).unwrap();
        let [first, second] = &found[..] else { panic!("{found:?}") };
        assert_eq!((first.temperature, first.evaluations, &first.positions), (900.0, 200, &one(1.0)));
        assert_eq!((second.temperature, second.evaluations, &second.positions), (600.0, 1_000, &one(4.0)));
    }
}
