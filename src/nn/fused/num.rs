//! Numbers with `K - 1` tangents, and rows of 32 of them.

use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use super::real::Real;

/// Width of the network: every hidden layer has 32 features, two AVX-512 registers.
pub const H: usize = 32;

/// 32 hidden features, on a cache line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Lanes<T>(pub [T; H]);

/// 32 features with their tangents: component 0 is the value.
pub type Row<T, const K: usize> = [Lanes<T>; K];

/// A value (component 0) and `K - 1` first-order tangents. `K = 1` is a plain number, `K = 2` a dual number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Num<T, const K: usize>(pub [T; K]);

/// A point or vector in space.
pub type Vec3<T, const K: usize> = [Num<T, K>; 3];

impl<T: Real, const K: usize> Num<T, K> {
    /// A constant.
    #[inline(always)]
    pub fn constant(x: T) -> Self {
        let mut out = [T::ZERO; K];
        out[0] = x;
        Self(out)
    }

    /// Product with a constant.
    #[inline(always)]
    pub fn scale(self, c: T) -> Self {
        Self(self.0.map(|x| x * c))
    }

    /// Chain rule: `f(self)` where `f` has the given value and slope at component 0.
    #[inline(always)]
    pub fn chain(self, value: T, slope: T) -> Self {
        let mut out = self.0.map(|x| x * slope);
        out[0] = value;
        Self(out)
    }

    /// The component that parameter gradients are taken of: the last.
    #[inline(always)]
    pub fn last(self) -> T {
        self.0[K - 1]
    }
}

impl<T: Real, const K: usize> Add for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] + other.0[k]))
    }
}

impl<T: Real, const K: usize> Sub for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| self.0[k] - other.0[k]))
    }
}

impl<T: Real, const K: usize> Neg for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.map(|x| -x))
    }
}

impl<T: Real, const K: usize> Mul for Num<T, K> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|k| match k {
            0 => self.0[0] * other.0[0],
            _ => self.0[0] * other.0[k] + self.0[k] * other.0[0],
        }))
    }
}

impl<T: Real, const K: usize> AddAssign for Num<T, K> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<T: Real, const K: usize> SubAssign for Num<T, K> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

/// `a . b`.
#[inline(always)]
pub fn dot3<T: Real, const K: usize>(a: &Vec3<T, K>, b: &Vec3<T, K>) -> Num<T, K> {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Sum of 32 numbers, as a tree (so that it vectorises).
#[inline(always)]
pub fn sum<T: Real>(mut x: [T; H]) -> T {
    let mut width = H / 2;
    while width > 0 {
        for i in 0..width {
            x[i] += x[i + width];
        }
        width /= 2;
    }
    x[0]
}

/// `w . x` of a constant row and a row with tangents.
#[inline(always)]
pub fn dot_const<T: Real, const K: usize>(w: &Lanes<T>, x: &Row<T, K>) -> Num<T, K> {
    Num(std::array::from_fn(|k| sum(std::array::from_fn(|o| w.0[o] * x[k].0[o]))))
}

/// `x . y` of two rows with tangents.
#[inline(always)]
pub fn dot<T: Real, const K: usize>(x: &Row<T, K>, y: &Row<T, K>) -> Num<T, K> {
    Num(std::array::from_fn(|k| match k {
        0 => sum(std::array::from_fn(|o| x[0].0[o] * y[0].0[o])),
        _ => sum(std::array::from_fn(|o| x[0].0[o].fma(y[k].0[o], x[k].0[o] * y[0].0[o]))),
    }))
}

/// `a x` of a number and a row, both with tangents.
#[inline(always)]
pub fn times<T: Real, const K: usize>(a: Num<T, K>, x: &Row<T, K>) -> Row<T, K> {
    std::array::from_fn(|k| {
        Lanes(std::array::from_fn(|o| match k {
            0 => a.0[0] * x[0].0[o],
            _ => a.0[0].fma(x[k].0[o], a.0[k] * x[0].0[o]),
        }))
    })
}

/// `x * y` lane by lane.
#[inline(always)]
pub fn hadamard<T: Real, const K: usize>(x: &Row<T, K>, y: &Row<T, K>) -> Row<T, K> {
    std::array::from_fn(|k| {
        Lanes(std::array::from_fn(|o| match k {
            0 => x[0].0[o] * y[0].0[o],
            _ => x[0].0[o].fma(y[k].0[o], x[k].0[o] * y[0].0[o]),
        }))
    })
}

/// `y += a w` for a constant row `w`.
#[inline(always)]
pub fn add_scaled<T: Real, const K: usize>(y: &mut Row<T, K>, a: Num<T, K>, w: &Lanes<T>) {
    for k in 0..K {
        for o in 0..H {
            y[k].0[o] = a.0[k].fma(w.0[o], y[k].0[o]);
        }
    }
}

/// `y += x`.
#[inline(always)]
pub fn add_row<T: Real, const K: usize>(y: &mut Row<T, K>, x: &Row<T, K>) {
    for k in 0..K {
        for o in 0..H {
            y[k].0[o] += x[k].0[o];
        }
    }
}

/// `g += x`.
#[inline(always)]
pub fn add_lanes<T: Real>(g: &mut Lanes<T>, x: &Lanes<T>) {
    for o in 0..H {
        g.0[o] += x.0[o];
    }
}

/// `g += last component of (a x)`: the gradient of a weight row.
#[inline(always)]
pub fn add_last<T: Real, const K: usize>(g: &mut Lanes<T>, a: Num<T, K>, x: &Row<T, K>) {
    for o in 0..H {
        g.0[o] = match K {
            1 => a.0[0].fma(x[0].0[o], g.0[o]),
            _ => a.0[0].fma(x[K - 1].0[o], a.0[K - 1].fma(x[0].0[o], g.0[o])),
        };
    }
}
