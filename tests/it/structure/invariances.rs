//! What must hold for any frame and any histogram.

use nalgebra::{Rotation3, Vector3};
use pita_bench::metrics::structure::chirality::Hand;
use pita_bench::metrics::structure::ramachandran::{coverage, kl, masses, total_variation};
use pita_bench::systems::dihedrals::angles;
use proptest::prelude::*;

use super::{frames, structure};

proptest! {
    /// Moved and turned, a frame has the same features; mirrored, its dihedrals change sign and its distances do not.
    #[test]
    fn rigid_motions(axis in prop::array::uniform3(-3.0..3.0_f64), shift in prop::array::uniform3(-5.0..5.0_f64), frame in 0..800_usize) {
        let structure = structure("al3");
        let x = frames("al3")[frame * 99..(frame + 1) * 99].to_vec();
        let rotation = Rotation3::new(Vector3::from(axis));
        let moved: Vec<f64> = x
            .as_chunks::<3>()
            .0
            .iter()
            .flat_map(|p| { let q = rotation * Vector3::from(*p) + Vector3::from(shift); [q.x, q.y, q.z] })
            .collect();
        let (a, b) = (structure.features.measure(&x, 33), structure.features.measure(&moved, 33));
        prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-11));
        prop_assert_eq!(structure.chirality.hand(&moved), Hand::Right);

        let mirrored: Vec<f64> = x.iter().map(|x| -x).collect();
        prop_assert_eq!(structure.chirality.hand(&mirrored), Hand::Mirror);
        let dihedrals = structure.backbone.phi_psi();
        let (a, b) = (angles(&dihedrals, &x, 33), angles(&dihedrals, &mirrored, 33));
        prop_assert!(a.iter().zip(&b).all(|(a, b)| (a + b).abs() < 1e-13));
        let lengths = |x: &[f64]| structure.internal.bond_lengths(x, 33);
        prop_assert_eq!(lengths(&x), lengths(&mirrored));
    }

    /// KL is not negative, TV is symmetric, and Pinsker's inequality joins them: TV <= sqrt(KL / 2).
    #[test]
    fn divergences(p in prop::collection::vec(0..36_u32, 1..60), q in prop::collection::vec(0..36_u32, 1..60)) {
        let (p, q) = (masses(&p, |_| 1.0, 6), masses(&q, |_| 1.0, 6));
        prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let (kl, tv) = (kl(&p, &q), total_variation(&p, &q));
        // Epsilon adds 1e-10 times the torus' area to the total mass of both.
        prop_assert!(kl >= -1e-8 && tv <= (0.5 * kl.max(0.0)).sqrt() + 1e-6);
        prop_assert!((tv - total_variation(&q, &p)).abs() < 1e-12 && (0.0..=1.0 + 1e-12).contains(&tv));
        // What is not covered is mass of p where q has none: at most the total variation, of at least 99 %.
        let covered = coverage(&p, &q, 0.99);
        prop_assert!((0.0..=1.0 + 1e-12).contains(&covered) && 1.0 - covered <= tv / 0.99 + 1e-12);
    }
}
