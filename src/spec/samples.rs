//! Samples that somebody made elsewhere: a row of the table without a program.

use super::settings::{budget, count, hidden, settings, special};

settings! {
    /// A file of samples. Its identity is the content of the file and what is claimed about it; not where it lies.
    #[derive(Eq)]
    pub struct SamplesSpec {
        /// The file, or one for each seed: `{seed}` or a pattern in its name, `{system}` for the system; not part of the identity.
        path: String = String::new(), special("text", "a string: the path of a file, such as \"mine-{seed}.npz\"").required();
        /// SHA-256 of its bytes, hexadecimal.
        file: String = String::new(), hidden();
        /// Energy evaluations that they took, by the word of whoever made them; nothing is said without.
        evaluations: Option<u64> = None, budget();
        /// Walkers that took turns in the frames, one frame of each at a time, where frames are in the order of time; without, they
        /// are independent.
        walkers: Option<usize> = None, count(1);
    }
}
