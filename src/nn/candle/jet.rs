//! A tensor with k directional derivatives, carried through the same layer code.
//!
//! Plain values give the forward pass; one tangent gives `<v, grad U>`, whose reverse-mode gradient is the gradient of a
//! gradient; `dim` tangents give the exact divergence. candle's reverse mode runs over all of it, so nothing
//! depends on differentiating candle's own backward pass.

use candle_core::{D, Result, Tensor};

/// `value [..]` and, if any, `tangent [k, ..]`. Its operations fail on a shape that does not fit, and when the device does.
#[derive(Debug, Clone)]
pub struct Jet {
    /// The value.
    pub value: Tensor,
    /// Its derivative along k directions, in front of the value's axes.
    pub tangent: Option<Tensor>,
}

impl Jet {
    /// A constant.
    #[must_use]
    pub fn constant(value: Tensor) -> Self {
        Self { value, tangent: None }
    }

    /// A value with tangents `[k, ..]`.
    #[must_use]
    pub fn new(value: Tensor, tangent: Option<Tensor>) -> Self {
        Self { value, tangent }
    }

    /// Applies a linear map of the trailing axes to value and tangents.
    fn linear_map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { value: f(&self.value)?, tangent: self.tangent.as_ref().map(&f).transpose()? })
    }

    /// `f(x)` with tangents `f'(x) dx`.
    fn unary(&self, value: Tensor, slope: impl FnOnce() -> Result<Tensor>) -> Result<Self> {
        let along = |t: &Tensor| t.broadcast_mul(&slope()?);
        Ok(Self { value, tangent: self.tangent.as_ref().map(along).transpose()? })
    }

    /// `x W^T + b` over the last axis; `weight [out, in]`.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let wt = weight.t()?;
        let product = |x: &Tensor| -> Result<Tensor> {
            let mut shape = x.dims().to_vec();
            let inputs = shape.pop().unwrap_or(1);
            shape.push(weight.dim(0)?);
            // One GEMM over all rows.
            x.contiguous()?.reshape(((), inputs))?.matmul(&wt)?.reshape(shape)
        };
        let mut out = self.linear_map(product)?;
        if let Some(b) = bias {
            out.value = out.value.broadcast_add(b)?;
        }
        Ok(out)
    }

    /// Sum, with broadcasting.
    pub fn add(&self, other: &Self) -> Result<Self> {
        let value = self.value.broadcast_add(&other.value)?;
        let tangent = match (&self.tangent, &other.tangent) {
            (Some(a), Some(b)) => Some(a.broadcast_add(b)?),
            (Some(t), None) | (None, Some(t)) => Some(spread(t, &value)?),
            (None, None) => None,
        };
        Ok(Self { value, tangent })
    }

    /// Difference, with broadcasting.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.add(&other.scale(-1.0)?)
    }

    /// Product, with broadcasting.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        let value = self.value.broadcast_mul(&other.value)?;
        let left = self.tangent.as_ref().map(|t| t.broadcast_mul(&other.value)).transpose()?;
        let right = other.tangent.as_ref().map(|t| t.broadcast_mul(&self.value)).transpose()?;
        let tangent = match (left, right) {
            (Some(a), Some(b)) => Some(a.broadcast_add(&b)?),
            (Some(t), None) | (None, Some(t)) => Some(t),
            (None, None) => None,
        };
        Ok(Self { value, tangent })
    }

    /// Times a number.
    pub fn scale(&self, factor: f64) -> Result<Self> {
        self.linear_map(|x| x.affine(factor, 0.0))
    }

    /// Plus a number.
    pub fn offset(&self, number: f64) -> Result<Self> {
        Ok(Self { value: self.value.affine(1.0, number)?, tangent: self.tangent.clone() })
    }

    /// `x sigmoid(x)`.
    pub fn silu(&self) -> Result<Self> {
        let s = candle_nn::ops::sigmoid(&self.value)?;
        let value = (&self.value * &s)?;
        // s (1 + x (1 - s)) = s + y (1 - s)
        self.unary(value.clone(), || &s + (&value * s.affine(-1.0, 1.0)?)?)
    }

    /// `1/(1 + exp(-x))`.
    pub fn sigmoid(&self) -> Result<Self> {
        let s = candle_nn::ops::sigmoid(&self.value)?;
        self.unary(s.clone(), || &s * s.affine(-1.0, 1.0)?)
    }

    /// Hyperbolic tangent.
    pub fn tanh(&self) -> Result<Self> {
        let y = self.value.tanh()?;
        self.unary(y.clone(), || y.sqr()?.affine(-1.0, 1.0))
    }

    /// Square root.
    pub fn sqrt(&self) -> Result<Self> {
        let y = self.value.sqrt()?;
        self.unary(y.clone(), || y.recip()?.affine(0.5, 0.0))
    }

    /// `1/x`.
    pub fn recip(&self) -> Result<Self> {
        let y = self.value.recip()?;
        self.unary(y.clone(), || y.sqr()?.neg())
    }

    /// `e^x`.
    pub fn exp(&self) -> Result<Self> {
        let y = self.value.exp()?;
        self.unary(y.clone(), || Ok(y))
    }

    /// Sine.
    pub fn sin(&self) -> Result<Self> {
        self.unary(self.value.sin()?, || self.value.cos())
    }

    /// Cosine.
    pub fn cos(&self) -> Result<Self> {
        self.unary(self.value.cos()?, || self.value.sin()?.neg())
    }

    /// Natural logarithm.
    pub fn ln(&self) -> Result<Self> {
        self.unary(self.value.log()?, || self.value.recip())
    }

    /// Sum over the last axis, kept with extent 1.
    pub fn sum_last(&self) -> Result<Self> {
        self.linear_map(|x| x.sum_keepdim(D::Minus1))
    }

    /// Sum over the axis before the last: as a matrix product, since candle's strided sums are slow.
    pub fn sum_second_last(&self) -> Result<Self> {
        self.linear_map(|x| {
            let dims = x.dims();
            let (rows, cols) = (dims[dims.len() - 2], dims[dims.len() - 1]);
            let out = [&dims[..dims.len() - 2], &[cols]].concat();
            let x = x.contiguous()?.reshape(((), rows, cols))?;
            let ones = Tensor::ones((x.dim(0)?, 1, rows), x.dtype(), x.device())?;
            ones.matmul(&x)?.reshape(out)
        })
    }

    /// Inserts an axis of extent 1 so that it is the `from_end`-th from the end (1 = last).
    pub fn insert_axis(&self, from_end: usize) -> Result<Self> {
        self.linear_map(|x| x.unsqueeze(x.rank() + 1 - from_end))
    }

    /// Reshapes the trailing axes: `shape` is the value's new shape.
    pub fn reshape(&self, shape: &[usize]) -> Result<Self> {
        let before = |x: &Tensor| x.rank() - self.value.rank();
        self.linear_map(|x| x.reshape([&x.dims()[..before(x)], shape].concat()))
    }
}

/// Broadcasts tangents `[k, ..]` to `[k, value shape]`.
fn spread(tangent: &Tensor, value: &Tensor) -> Result<Tensor> {
    tangent.broadcast_as([&[tangent.dim(0)?][..], value.dims()].concat())
}
