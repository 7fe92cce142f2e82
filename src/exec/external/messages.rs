//! What a program says on stdout and what it is answered on stdin: one JSON value on each line.
//!
//! ```text
//! -> {"type": "energy", "id": 1, "purpose": "sampling", "positions": [[x, y, z, x, ...], ...]}
//! <- {"id": 1, "energy": [e, ...], "forces": [[fx, fy, fz, fx, ...], ...], "left": 990}
//! -> {"type": "energy", "id": 2, "purpose": "sampling", "file": "batch.npz"}       positions, in the folder `work`
//! <- {"id": 2, "file": "batch.reply.npz", "left": 890}                             energy [n], forces [n, atoms, 3]
//! <- {"id": 3, "error": "budget-spent", "left": 90}                                nothing was evaluated or counted
//! -> {"type": "budget-spent"}                                                      there are fewer samples than asked
//! -> {"type": "progress", "done": 5, "total": 10, "phase": "sampling", "scalars": {"acceptance": 0.6}}
//! ```
//!
//! `left` is `null` without a budget; `"forces": false` leaves forces out. An energy that is not finite is `null`.
//! Purposes are those of [`Purpose`] that a method pays for: `sampling`, `initial-data`, `training`, `annealing`,
//! `refinement`.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::array::{Array, read_positions, write_npz};
use crate::energy::{Metered, Purpose};
use crate::error::{Error, Result};

/// One line from the program.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Message {
    /// Evaluate a batch.
    Energy(Request),
    /// The budget ends it before all samples are made.
    BudgetSpent,
    /// How far it is.
    Progress {
        #[serde(default)]
        done: u64,
        #[serde(default)]
        total: u64,
        #[serde(default)]
        phase: String,
        #[serde(default)]
        scalars: BTreeMap<String, f64>,
    },
}

/// A batch of configurations.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    id: u64,
    purpose: Purpose,
    /// `[n][3 * atoms]`.
    positions: Option<Vec<Vec<f64>>>,
    /// Or a file in the folder `work`.
    file: Option<String>,
    #[serde(default = "yes")]
    forces: bool,
}

fn yes() -> bool {
    true
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, and its beginning.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| {
            let begin: String = text.chars().take(120).collect();
            format!("a line on stdout that is no message ({e}); write anything else on stderr. It begins: {begin}")
        })
    }
}

impl Request {
    /// Evaluates the batch and gives the line to answer with, and whether the budget refused it.
    ///
    /// # Errors
    /// When the request is malformed.
    pub(super) fn answer(&self, energy: &mut Metered, atoms: usize, work: &Path) -> Result<(Vec<u8>, bool)> {
        if !self.purpose.charged() || self.purpose == Purpose::Reference {
            let purpose = json!(self.purpose);
            return Err(Error::Command(format!("purpose {purpose} is not one that a method pays for")));
        }
        let positions = self.batch(atoms, work)?;
        let n = positions.len() / (3 * atoms);
        let (mut energies, mut forces) = (vec![0.0; n], vec![0.0; positions.len()]);
        let (reply, refused) = match energy.energy_forces(self.purpose, &positions, &mut energies, &mut forces) {
            Err(Error::BudgetSpent { .. }) => {
                (json!({"id": self.id, "error": "budget-spent", "left": energy.left()}), true)
            }
            Err(e) => return Err(e),
            Ok(()) => (self.reply(energies, forces, atoms, energy.left(), work)?, false),
        };
        let mut line = reply.to_string().into_bytes();
        line.push(b'\n');
        Ok((line, refused))
    }

    fn batch(&self, atoms: usize, work: &Path) -> Result<Vec<f64>> {
        match (&self.positions, &self.file) {
            (Some(rows), None) => match rows.iter().position(|row| row.len() != 3 * atoms) {
                None => Ok(rows.concat()),
                Some(i) => Err(Error::Command(format!(
                    "row {i} of `positions` has {} numbers, expected {} for {atoms} atoms",
                    rows[i].len(),
                    3 * atoms
                ))),
            },
            (None, Some(name)) => read_positions(work.join(plain(name)?), atoms),
            _ => Err(Error::Command("expected either `positions` or `file`".into())),
        }
    }

    fn reply(
        &self,
        energies: Vec<f64>,
        forces: Vec<f64>,
        atoms: usize,
        left: Option<u64>,
        work: &Path,
    ) -> Result<Value> {
        let n = energies.len();
        if let Some(name) = &self.file {
            let name = format!("{}.reply.npz", plain(name)?.trim_end_matches(".npz"));
            let mut arrays = crate::array::Arrays::new();
            arrays.insert("energy".into(), Array::f64(&[n], energies));
            if self.forces {
                arrays.insert("forces".into(), Array::f64(&[n, atoms, 3], forces));
            }
            write_npz(work.join(&name), &arrays)?;
            return Ok(json!({"id": self.id, "file": name, "left": left}));
        }
        let mut reply = json!({"id": self.id, "energy": energies, "left": left});
        if self.forces {
            reply["forces"] = json!(forces.chunks(3 * atoms).collect::<Vec<_>>());
        }
        Ok(reply)
    }
}

/// A file name without any folder.
fn plain(name: &str) -> Result<&str> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) if !name.contains(['/', '\\']) => Ok(name),
        _ => Err(Error::Command(format!("`file` is {name:?}, expected the name of a file in the folder `work`"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::energy::Potential;
    use crate::energy::lj::LennardJones;

    fn ask(energy: &mut Metered, work: &Path, line: &Value) -> Result<Value> {
        let Ok(Message::Energy(request)) = Message::parse(&line.to_string()) else { panic!("{line}") };
        Ok(serde_json::from_slice(&request.answer(energy, 2, work)?.0).unwrap())
    }

    #[test]
    fn energies_are_those_of_the_potential_and_counted_to_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let potential = Arc::new(LennardJones::new(2));
        let mut energy = Metered::new(potential.clone(), Some(5));
        let x = [[0.0, 0.0, 0.0, 1.1, 0.2, 0.0], [0.0, 0.0, 0.0, 0.9, 0.0, 0.3]];
        let (mut e, mut f) = ([0.0; 2], [0.0; 12]);
        potential.energy_forces(&x.concat(), &mut e, &mut f);

        let line = json!({"type": "energy", "id": 7, "purpose": "sampling", "positions": x});
        let reply = ask(&mut energy, dir.path(), &line).unwrap();
        assert_eq!(reply, json!({"id": 7, "energy": e, "forces": [f[..6], f[6..]], "left": 3}));

        let batch = Array::f64(&[2, 2, 3], x.concat());
        write_npz(dir.path().join("b.npz"), &[("positions".to_owned(), batch)].into()).unwrap();
        let line = json!({"type": "energy", "id": 8, "purpose": "training", "file": "b.npz"});
        assert_eq!(ask(&mut energy, dir.path(), &line).unwrap(), json!({"id": 8, "file": "b.reply.npz", "left": 1}));
        let reply = crate::array::read_npz(dir.path().join("b.reply.npz")).unwrap();
        assert_eq!((reply["energy"].to_f64(), reply["forces"].to_f64()), (e.to_vec(), f.to_vec()));

        let spent = ask(&mut energy, dir.path(), &line).unwrap();
        assert_eq!(spent, json!({"id": 8, "error": "budget-spent", "left": 1}));
        let last = json!({"type": "energy", "id": 9, "purpose": "sampling", "positions": [x[0]], "forces": false});
        assert_eq!(ask(&mut energy, dir.path(), &last).unwrap(), json!({"id": 9, "energy": [e[0]], "left": 0}));
        let counts = json!(energy.counts());
        assert_eq!(counts, json!({"sampling": 3, "training": 2}));
    }

    #[test]
    fn what_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut energy = Metered::new(Arc::new(LennardJones::new(2)), None);
        let (five, six) = ([0.0; 5], [0.0; 6]);
        let refused = |energy: &mut Metered, line: Value| ask(energy, dir.path(), &line).unwrap_err().to_string();
        for (line, message) in [
            (json!({"type": "energy", "id": 1, "purpose": "evaluation", "positions": [six]}), "pays for"),
            (json!({"type": "energy", "id": 1, "purpose": "reference", "positions": [six]}), "pays for"),
            (json!({"type": "energy", "id": 1, "purpose": "sampling", "positions": [five]}), "row 0"),
            (json!({"type": "energy", "id": 1, "purpose": "sampling"}), "either"),
            (json!({"type": "energy", "id": 1, "purpose": "sampling", "file": "../x.npz"}), "the name of a file"),
            (json!({"type": "energy", "id": 1, "purpose": "sampling", "file": "/etc/passwd"}), "the name of a file"),
            (json!({"type": "energy", "id": 1, "purpose": "sampling", "file": "none.npz"}), "none.npz"),
        ] {
            let found = refused(&mut energy, line);
            assert!(found.contains(message), "{found}");
        }
        assert_eq!(energy.counts().charged(), 0);
        assert!(Message::parse("Loading weights...").unwrap_err().contains("stderr"));
        assert!(Message::parse(r#"{"type": "energy", "id": 1, "purpose": "fun", "positions": []}"#).is_err());
    }
}
