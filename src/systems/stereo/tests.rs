use super::*;
use crate::rng::{Purpose, Stream};
use crate::systems::topology::{Atom, Residue};

/// A molecule of heavy atoms, with as many hydrogens on each as are asked for, placed anywhere.
fn molecule(heavy: &[(&str, usize)], bonds: &[[usize; 2]], rest: &[f64]) -> (Topology, Vec<f64>) {
    let mut topology = Topology {
        residues: vec![Residue { name: "LIG".into(), number: 1, chain: "A".into() }],
        bonds: bonds.to_vec(),
        rest: if rest.is_empty() { vec![0.15; bonds.len()] } else { rest.to_vec() },
        ..Topology::default()
    };
    let atom = |element: &str| Atom { name: element.to_owned(), element: element.to_owned(), residue: 0 };
    topology.atoms = heavy.iter().map(|(element, _)| atom(element)).collect();
    for (i, &(_, hydrogens)) in heavy.iter().enumerate() {
        for _ in 0..hydrogens {
            topology.bonds.push([i, topology.atoms.len()]);
            topology.rest.push(0.109);
            topology.atoms.push(atom("H"));
        }
    }
    let mut draws = Stream::new(1, Purpose::Init, 0).at(0);
    let x = (0..3 * topology.atoms.len()).map(|_| draws.normal()).collect();
    (topology, x)
}

fn stereo(heavy: &[(&str, usize)], bonds: &[[usize; 2]]) -> Stereo {
    let (topology, x) = molecule(heavy, bonds, &[]);
    Stereo::new(&topology, &x)
}

/// Numbers of the isomers with the signs of these atoms turned, against the right one.
fn turned(stereo: &Stereo, atoms: &[usize]) -> bool {
    let mut signs = stereo.right.clone();
    for atom in atoms {
        let k = stereo.units.iter().position(|u| u.atom == *atom).unwrap();
        signs[k] = -signs[k];
    }
    stereo.signature(&signs) == stereo.signature
}

#[test]
fn equal_branches_make_no_centre() {
    // 2-butanol has one; isobutane, a tert-butyl group, CF3 and chloroform have none.
    let butanol = stereo(&[("C", 3), ("C", 1), ("O", 1), ("C", 2), ("C", 3)], &[[0, 1], [1, 2], [1, 3], [3, 4]]);
    assert_eq!((butanol.centres(), butanol.units().len()), (vec![1], 4));
    let isobutane = stereo(&[("C", 1), ("C", 3), ("C", 3), ("C", 3)], &[[0, 1], [0, 2], [0, 3]]);
    let butyl = stereo(&[("C", 0), ("C", 3), ("C", 3), ("C", 3), ("O", 1)], &[[0, 1], [0, 2], [0, 3], [0, 4]]);
    let fluoride = stereo(&[("C", 0), ("F", 0), ("F", 0), ("F", 0), ("C", 3)], &[[0, 1], [0, 2], [0, 3], [0, 4]]);
    for none in [isobutane, butyl, fluoride] {
        assert!(!none.any() && none.centres().is_empty());
    }
    // A sulphoxide does not invert, an amine does.
    let oxide = stereo(&[("C", 3), ("S", 0), ("O", 0), ("C", 2), ("C", 3)], &[[0, 1], [1, 2], [1, 3], [3, 4]]);
    let amine = stereo(&[("C", 3), ("N", 1), ("C", 2), ("C", 3)], &[[0, 1], [1, 2], [2, 3]]);
    assert_eq!((oxide.centres(), amine.centres()), (vec![1], vec![]));
}

/// 2,3-butanediol: two equal centres; turning both of one isomer gives its mirror image, of the other itself.
#[test]
fn equal_centres() {
    let bonds = [[0, 1], [1, 2], [2, 3], [1, 4], [2, 5]];
    let diol = stereo(&[("C", 3), ("C", 1), ("C", 1), ("C", 3), ("O", 1), ("O", 1)], &bonds);
    assert_eq!(diol.centres(), [1, 2]);
    assert!(!turned(&diol, &[1]) && !turned(&diol, &[2]));
    let both = turned(&diol, &[1, 2]);
    // Of the four arrangements two are the meso form: one turn from here it is its own mirror image, or it is here.
    let mut other = diol.clone();
    other.right[diol.units.iter().position(|u| u.atom == 1).unwrap()] *= -1;
    other.signature = other.signature(&other.right);
    assert_eq!(turned(&other, &[1, 2]), !both);
}

/// 1,4-dimethylcyclohexane: cis or trans, and no mirror image; methylcyclohexane has no centre.
#[test]
fn rings() {
    let ring = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [0, 5]];
    let carbons = [("C", 1), ("C", 2), ("C", 2), ("C", 1), ("C", 2), ("C", 2), ("C", 3), ("C", 3)];
    let dimethyl = stereo(&carbons, &[&ring[..], &[[0, 6], [3, 7]]].concat());
    assert_eq!(dimethyl.centres(), [0, 3]);
    assert!(turned(&dimethyl, &[0, 3]) && !turned(&dimethyl, &[0]) && !turned(&dimethyl, &[3]));
    let mut one = carbons;
    one[3].1 = 2;
    assert!(!stereo(&one[..7], &[&ring[..], &[[0, 6]]].concat()).any());
    // 1,2- and 1,3-dimethylcyclohexane have two centres by constitution.
    let mut neighbours = carbons;
    (neighbours[3].1, neighbours[1].1) = (2, 1);
    assert_eq!(stereo(&neighbours, &[&ring[..], &[[0, 6], [1, 7]]].concat()).centres(), [0, 1]);
}

/// 2-butene has a cis and a trans form where the bond is short; not isobutene, not in a small ring, not a peptide bond.
#[test]
fn double_bonds() {
    let of = |heavy: &[(&str, usize)], bonds: &[[usize; 2]], rest: &[f64]| {
        let (topology, x) = molecule(heavy, bonds, rest);
        let stereo = Stereo::new(&topology, &x);
        (stereo.held().len(), stereo.any())
    };
    let butene = [("C", 3), ("C", 1), ("C", 1), ("C", 3)];
    let line = [[0, 1], [1, 2], [2, 3]];
    assert_eq!(of(&butene, &line, &[0.15, 0.134, 0.15]), (1, true));
    assert_eq!(of(&butene, &line, &[0.15, 0.148, 0.15]), (0, false));
    let isobutene = [("C", 3), ("C", 0), ("C", 2), ("C", 3)];
    assert_eq!(of(&isobutene, &[[0, 1], [1, 2], [1, 3]], &[0.15, 0.134, 0.15]), (1, false));
    let peptide = [("C", 3), ("C", 0), ("O", 0), ("N", 1), ("C", 3)];
    assert_eq!(of(&peptide, &[[0, 1], [1, 2], [1, 3], [3, 4]], &[0.15, 0.123, 0.1335, 0.145]), (0, false));
    let mut ring = [("C", 2); 6];
    (ring[0].1, ring[1].1) = (1, 1);
    let bonds = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [0, 5]];
    assert_eq!(of(&ring, &bonds, &[0.134, 0.15, 0.15, 0.15, 0.15, 0.15]), (0, false));
}

/// 2-butyne, 2,3-pentadiene and methyl azide: straight ends have no sides, however they wobble.
#[test]
fn straight_ends() {
    let line = |n: usize, rest: &[f64]| {
        let heavy: Vec<(&str, usize)> = (0..n).map(|i| ("C", if i == 0 || i == n - 1 { 3 } else { 0 })).collect();
        let bonds: Vec<[usize; 2]> = (0..n - 1).map(|i| [i, i + 1]).collect();
        let (topology, mut x) = molecule(&heavy, &bonds, rest);
        for i in 0..n {
            (x[3 * i], x[3 * i + 1], x[3 * i + 2]) = (0.14 * i as f64, 0.004 * (i % 2) as f64, 0.0);
        }
        (topology, x)
    };
    let (topology, x) = line(4, &[0.146, 0.121, 0.146]);
    assert!(Stereo::new(&topology, &x).held().is_empty());
    let (mut topology, mut x) = line(4, &[0.147, 0.124, 0.114]);
    topology.atoms[1..4].iter_mut().for_each(|a| "N".clone_into(&mut a.element));
    (x[0], x[1]) = (0.07, 0.12);
    assert!(Stereo::new(&topology, &x).held().is_empty());
    let (topology, x) = line(5, &[0.15, 0.131, 0.131, 0.15]);
    let (mut bent, n) = (x.clone(), x.len());
    (bent[1], bent[13]) = (0.12, 0.12);
    assert!(Stereo::new(&topology, &x[..n]).held().is_empty());
    assert!(Stereo::new(&topology, &bent).held().is_empty(), "the middle is straight");
    // 2-butene, cis.
    let (topology, mut x) = line(4, &[0.15, 0.134, 0.15]);
    (x[1], x[10]) = (0.12, 0.12);
    assert_eq!(Stereo::new(&topology, &x).held().len(), 1);
}

/// Threonine and valine: a frame, its mirror image, one centre turned, equal groups exchanged.
#[test]
fn frames_of_residues() {
    let read = |case: &str| {
        let path = std::path::Path::new("tests/molecules").join(case);
        let text = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        let molecule =
            crate::systems::molecules::from_text(&path, &text("system.xml"), &path, &text("mol.pdb")).unwrap();
        (molecule.topology, molecule.start)
    };
    let (topology, x) = read("01-threonine-becomes-allothreonine");
    let atom = |name: &str| topology.atoms.iter().position(|a| a.name == name && a.residue == 1).unwrap();
    let stereo = Stereo::new(&topology, &x);
    assert_eq!(stereo.centres(), [atom("CA"), atom("CB")]);
    let mut judge = stereo.judge();
    let mirror: Vec<f64> = x.iter().map(|x| -x).collect();
    let exchanged = |x: &[f64], pairs: &[(usize, usize)]| {
        let mut x = x.to_vec();
        pairs.iter().for_each(|&(a, b)| (0..3).for_each(|c| x.swap(3 * a + c, 3 * b + c)));
        x
    };
    let turned = exchanged(&x, &[(atom("HB"), atom("CG2"))]);
    assert_eq!([&x, &mirror, &turned].map(|x| judge.hand(x)), [Hand::Right, Hand::Mirror, Hand::Mixed]);
    assert_eq!([&x, &mirror, &turned].map(|x| stereo.beyond_doubt(x)), [true, false, false]);

    let (topology, x) = read("02-valine-methyls-relabelled");
    let atom = |name: &str| topology.atoms.iter().position(|a| a.name == name && a.residue == 1).unwrap();
    let stereo = Stereo::new(&topology, &x);
    assert_eq!(stereo.centres(), [atom("CA")]);
    let groups =
        [("CG1", "CG2"), ("HG11", "HG21"), ("HG12", "HG22"), ("HG13", "HG23")].map(|(a, b)| (atom(a), atom(b)));
    let mut relabelled = exchanged(&x, &groups);
    let mut judge = stereo.judge();
    assert_eq!(judge.hand(&relabelled), Hand::Right);
    assert_ne!(relabelled, x);
    stereo.relabel(&mut relabelled);
    assert_eq!(relabelled, x);
    assert_eq!(judge.hand(&x.iter().map(|x| -x).collect::<Vec<_>>()), Hand::Mirror);
}
