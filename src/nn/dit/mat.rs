//! Matrices of rows with tangents.

use crate::lanes::num::{H, Lanes, Num, Row};
use crate::real::Real;

/// `[components][rows][lanes]`: component 0 is the value, the others its tangents. One product with a weight takes the rows
/// of any range of components at once; the steps between the products take the value with one tangent after the other.
#[derive(Debug, Clone)]
pub struct Mat<T> {
    /// Lanes of a row (32 features each).
    pub lanes: usize,
    /// Rows of a component.
    pub rows: usize,
    data: Vec<Lanes<T>>,
}

impl<T: Real> Mat<T> {
    /// Zeros.
    pub fn new(components: usize, rows: usize, lanes: usize) -> Self {
        Self { lanes, rows, data: vec![Lanes([T::ZERO; H]); components * rows * lanes] }
    }

    /// Uses the memory for fewer rows (what it holds has no meaning after that).
    pub fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Rows of the components `from..to`.
    pub fn part(&self, from: usize, to: usize) -> &[Lanes<T>] {
        &self.data[from * self.rows * self.lanes..to * self.rows * self.lanes]
    }

    /// Rows of the components `from..to`.
    pub fn part_mut(&mut self, from: usize, to: usize) -> &mut [Lanes<T>] {
        &mut self.data[from * self.rows * self.lanes..to * self.rows * self.lanes]
    }

    /// Lane `c` of a row, with its first `K - 1` tangents.
    #[inline(always)]
    pub fn get<const K: usize>(&self, row: usize, c: usize) -> Row<T, K> {
        self.get_at(row, c, 1)
    }

    /// Lane `c` of a row, with `K - 1` tangents from component `tangent` on.
    #[inline(always)]
    pub fn get_at<const K: usize>(&self, row: usize, c: usize, tangent: usize) -> Row<T, K> {
        let mut out = [Lanes([T::ZERO; H]); K];
        for k in 0..K {
            let component = if k == 0 { 0 } else { tangent + k - 1 };
            out[k] = self.data[(component * self.rows + row) * self.lanes + c];
        }
        out
    }

    /// Writes lane `c` of a row, with its first `K - 1` tangents.
    #[inline(always)]
    pub fn put<const K: usize>(&mut self, row: usize, c: usize, value: &Row<T, K>) {
        self.put_at(row, c, 1, value);
    }

    /// Writes lane `c` of a row, with `K - 1` tangents from component `tangent` on.
    #[inline(always)]
    pub fn put_at<const K: usize>(&mut self, row: usize, c: usize, tangent: usize, value: &Row<T, K>) {
        for k in 0..K {
            let component = if k == 0 { 0 } else { tangent + k - 1 };
            self.data[(component * self.rows + row) * self.lanes + c] = value[k];
        }
    }
}

/// The components that a pass over values (`K = 1`) or pairs of a value and a tangent (`K = 2`) visits: one tangent index
/// after the other.
#[inline(always)]
pub fn pairs<const K: usize>(tangents: usize) -> std::ops::RangeInclusive<usize> {
    1..=if K == 1 { 1 } else { tangents }
}

/// Scalars with tangents, `[components][len]`.
#[derive(Debug, Clone)]
pub struct Scalars<T> {
    /// Numbers of a component.
    pub len: usize,
    data: Vec<T>,
}

impl<T: Real> Scalars<T> {
    /// Zeros.
    pub fn new(components: usize, len: usize) -> Self {
        Self { len, data: vec![T::ZERO; components * len] }
    }

    /// Uses the memory for fewer numbers.
    pub fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    /// Number `i`, with its first `K - 1` tangents.
    #[inline(always)]
    pub fn get<const K: usize>(&self, i: usize) -> Num<T, K> {
        self.get_at(i, 1)
    }

    /// Number `i`, with `K - 1` tangents from component `tangent` on.
    #[inline(always)]
    pub fn get_at<const K: usize>(&self, i: usize, tangent: usize) -> Num<T, K> {
        let mut out = [T::ZERO; K];
        for k in 0..K {
            let component = if k == 0 { 0 } else { tangent + k - 1 };
            out[k] = self.data[component * self.len + i];
        }
        Num(out)
    }

    /// Writes number `i`, with its first `K - 1` tangents.
    #[inline(always)]
    pub fn put<const K: usize>(&mut self, i: usize, value: Num<T, K>) {
        self.put_at(i, 1, value);
    }

    /// Writes number `i`, with `K - 1` tangents from component `tangent` on.
    #[inline(always)]
    pub fn put_at<const K: usize>(&mut self, i: usize, tangent: usize, value: Num<T, K>) {
        for k in 0..K {
            let component = if k == 0 { 0 } else { tangent + k - 1 };
            self.data[component * self.len + i] = value.0[k];
        }
    }
}
