//! Shape of a DiT, its parameters in file order, and where each lies in the packed lanes that the kernels read.

use std::ops::Range;

use super::super::layout::Layout;
use crate::error::{Error, Result};
use crate::lanes::num::{H, Lanes};
use crate::real::Real;
use crate::spec::{DitSpec, NetSpec};

/// Features of a sinusoidal embedding: cosines, then sines.
pub const FREQUENCIES: usize = 256;
/// Hidden features of the MLP per feature.
const MLP_RATIO: usize = 4;

/// A packed linear layer: `[out, in]` weights in panels of 32 outputs, `[outputs][32 inputs]` lanes; sizes in lanes, padded
/// with zeros.
#[derive(Debug, Clone, Copy, Default)]
pub struct Linear {
    /// First lane of the weight.
    pub weight: usize,
    /// First lane of the bias, if any.
    pub bias: Option<usize>,
    /// Inputs in lanes.
    pub inputs: usize,
    /// Outputs in lanes.
    pub outputs: usize,
}

/// One block: where its parameters start.
#[derive(Debug, Clone, Copy, Default)]
pub struct BlockPlan {
    /// LayerNorm scale before the attention.
    pub norm1: usize,
    /// Queries, keys, values.
    pub qkv: Linear,
    /// Output of the attention.
    pub out: Linear,
    /// LayerNorm scale before the MLP.
    pub norm2: usize,
    /// First layer of the MLP.
    pub mlp0: Linear,
    /// Second layer of the MLP.
    pub mlp2: Linear,
    /// Modulation: shift, scale, gate of the attention, then of the MLP.
    pub modulation: Linear,
}

/// How a tensor is packed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pack {
    /// Panels of 32 outputs.
    Panels,
    /// A vector; or an `[out, in]` weight as `in` vectors.
    Columns,
    /// An `[out, in]` weight as `out` vectors.
    Rows,
}

#[derive(Debug, Clone)]
struct Tensor {
    flat: usize,
    shape: [usize; 2],
    first: usize,
    pack: Pack,
}

/// Everything fixed about a DiT.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Tokens: one per atom.
    pub tokens: usize,
    /// Hidden features in lanes.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features of a head, a divisor of 32.
    pub head: usize,
    /// Conditioning features in lanes.
    pub cond: usize,
    /// Whether the conditioning holds beta.
    pub conditioned: bool,
    /// Dropout probability in training.
    pub dropout: f64,
    /// Embedding of the coordinates: 3 vectors, then the bias.
    pub embed: usize,
    /// MLP of the noise embedding.
    pub time: [Linear; 2],
    /// MLP of the beta embedding.
    pub temperature: [Linear; 2],
    /// Blocks.
    pub blocks: Vec<BlockPlan>,
    /// LayerNorm scale of the output layer.
    pub final_norm: usize,
    /// Output layer: 3 vectors, then the bias in 3 lanes of one.
    pub final_linear: usize,
    /// Modulation of the output layer: shift, scale.
    pub final_modulation: Linear,
    /// Flat layout.
    pub layout: Layout,
    tensors: Vec<Tensor>,
    lanes: usize,
}

impl Plan {
    /// The plan of a network for `atoms` particles.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that the kernels are not made for.
    pub fn new(atoms: usize, net: &NetSpec, dit: &DitSpec) -> Result<Self> {
        let head = net.hidden / dit.heads.max(1);
        if !net.hidden.is_multiple_of(H) || head * dit.heads != net.hidden || head < 2 || !H.is_multiple_of(head) {
            return Err(Error::Usage(format!(
                "backbone = \"dit\": net.hidden = {} with net.heads = {}; hidden must be a multiple of {H} and the head \
                 width hidden/heads one of 2, 4, 8, 16, 32, such as 192 with 6 heads",
                net.hidden, dit.heads
            )));
        }
        let mut plan = Self {
            tokens: atoms,
            hidden: net.hidden / H,
            heads: dit.heads,
            head,
            cond: dit.cond.div_ceil(H),
            conditioned: dit.beta_conditioning,
            dropout: dit.dropout,
            ..Self::default()
        };
        plan.place(net.hidden, net.layers, dit.cond);
        Ok(plan)
    }

    /// Places every parameter, in file order. As the DiT has it: modulations and output layer start at zero, norms at
    /// one, the rest at PyTorch's default.
    fn place(&mut self, hidden: usize, layers: usize, cond: usize) {
        self.embed = self.tensor("vocab_embed.weight", [hidden, 3], Pack::Columns, Init::Default(3));
        self.vector("vocab_embed.bias", hidden, Init::Default(3));
        let mlp = |plan: &mut Self, name: &str| {
            [
                plan.linear(&format!("{name}.mlp.0"), FREQUENCIES, cond, true),
                plan.linear(&format!("{name}.mlp.2"), cond, cond, true),
            ]
        };
        self.time = mlp(self, "sigma_map");
        self.temperature = mlp(self, "sigma_map_temp");
        for b in 0..layers {
            let name = |part: &str| format!("blocks.{b}.{part}");
            let block = BlockPlan {
                norm1: self.vector(&name("norm1.weight"), hidden, Init::One),
                qkv: self.linear(&name("attn_qkv"), hidden, 3 * hidden, false),
                out: self.linear(&name("attn_out"), hidden, hidden, false),
                norm2: self.vector(&name("norm2.weight"), hidden, Init::One),
                mlp0: self.linear(&name("mlp.0"), hidden, MLP_RATIO * hidden, true),
                mlp2: self.linear(&name("mlp.2"), MLP_RATIO * hidden, hidden, true),
                modulation: self.linear_from(Init::Zero, &name("adaLN_modulation"), cond, 6 * hidden, true),
            };
            self.blocks.push(block);
        }
        self.final_norm = self.vector("output_layer.norm_final.weight", hidden, Init::One);
        self.final_linear = self.tensor("output_layer.linear.weight", [3, hidden], Pack::Rows, Init::Zero);
        self.vector("output_layer.linear.bias", 3, Init::Zero);
        self.final_modulation = self.linear_from(Init::Zero, "output_layer.adaLN_modulation", cond, 2 * hidden, true);
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize, bias: bool) -> Linear {
        self.linear_from(Init::Default(inputs), name, inputs, outputs, bias)
    }

    fn linear_from(&mut self, init: Init, name: &str, inputs: usize, outputs: usize, bias: bool) -> Linear {
        let weight = self.tensor(&format!("{name}.weight"), [outputs, inputs], Pack::Panels, init);
        let bias = bias.then(|| self.vector(&format!("{name}.bias"), outputs, init));
        Linear { weight, bias, inputs: inputs.div_ceil(H), outputs: outputs.div_ceil(H) }
    }

    fn vector(&mut self, name: &str, len: usize, init: Init) -> usize {
        self.tensor(name, [len, 1], Pack::Columns, init)
    }

    fn tensor(&mut self, name: &str, shape: [usize; 2], pack: Pack, init: Init) -> usize {
        let (flat, first) = (self.layout.len(), self.lanes);
        let dims = if shape[1] == 1 { &shape[..1] } else { &shape[..] };
        let (centre, bound) = match init {
            Init::Zero => (0.0, 0.0),
            Init::One => (1.0, 0.0),
            Init::Default(inputs) => (0.0, 1.0 / (inputs as f64).sqrt()),
        };
        self.layout.push_around(name, dims, centre, bound);
        let [rows, columns] = shape.map(|n| n.div_ceil(H));
        self.lanes += match pack {
            Pack::Panels => rows * columns * H,
            Pack::Columns => shape[1] * rows,
            Pack::Rows => shape[0] * columns,
        };
        self.tensors.push(Tensor { flat, shape, first, pack });
        first
    }

    /// The layers that turn the conditioning into modulations: of the blocks, then of the output layer.
    pub fn modulations(&self) -> impl Iterator<Item = &Linear> {
        self.blocks.iter().map(|b| &b.modulation).chain([&self.final_modulation])
    }

    /// Lanes of all packed parameters (and of a packed gradient).
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Memory for packed parameters, with the transposed weights of the reverse pass if `reverse`; zeros, which is what
    /// the padding stays.
    #[must_use]
    pub fn packed<T: Real>(&self, reverse: bool) -> Packed<T> {
        let zeros = |len| vec![Lanes([T::ZERO; H]); len];
        Packed { forward: zeros(self.lanes), transposed: zeros(if reverse { self.lanes } else { 0 }) }
    }

    /// Packs parameters.
    pub fn pack<T: Real>(&self, params: &[f64], packed: &mut Packed<T>) {
        let reverse = !packed.transposed.is_empty();
        self.tiles(|t, flat, o, columns| {
            for (i, &value) in columns.clone().zip(&params[flat..]) {
                let (at, lane) = t.at(o, i);
                packed.forward[at].0[lane] = T::from_f64(value);
            }
            if reverse && t.pack == Pack::Panels {
                let outputs = t.shape[0].div_ceil(H) * H;
                let lanes = &mut packed.transposed[t.first + columns.start / H * outputs + o];
                for (lane, &value) in lanes.0.iter_mut().zip(&params[flat..][..columns.len()]) {
                    *lane = T::from_f64(value);
                }
            }
        });
    }

    /// Adds a packed gradient to a flat one.
    pub fn add_gradient<T: Real>(&self, packed: &[Lanes<T>], grad: &mut [f64]) {
        self.tiles(|t, flat, o, columns| {
            for (i, value) in columns.zip(&mut grad[flat..]) {
                let (at, lane) = t.at(o, i);
                *value += packed[at].0[lane].to_f64();
            }
        });
    }

    /// Visits all tensors in tiles of 32 x 32 (which stay in cache), row by row: `(tensor, first flat entry, row, columns)`.
    fn tiles(&self, mut f: impl FnMut(&Tensor, usize, usize, Range<usize>)) {
        for t in &self.tensors {
            let [rows, columns] = t.shape;
            for first_row in (0..rows).step_by(H) {
                for first in (0..columns).step_by(H) {
                    let last = columns.min(first + H);
                    for o in first_row..rows.min(first_row + H) {
                        f(t, t.flat + o * columns + first, o, first..last);
                    }
                }
            }
        }
    }
}

impl Tensor {
    /// Packed lanes and lane of entry `[o, i]`.
    #[inline(always)]
    fn at(&self, o: usize, i: usize) -> (usize, usize) {
        let [rows, columns] = self.shape.map(|n| n.div_ceil(H));
        match self.pack {
            Pack::Panels => (self.first + (o / H) * columns * H + i, o % H),
            Pack::Columns => (self.first + i * rows + o / H, o % H),
            Pack::Rows => (self.first + o * columns + i / H, i % H),
        }
    }
}

/// Initial values.
#[derive(Debug, Clone, Copy)]
enum Init {
    Zero,
    One,
    /// PyTorch's default for this many inputs.
    Default(usize),
}

/// Packed parameters of one call.
#[derive(Debug)]
pub struct Packed<T> {
    /// All parameters.
    pub forward: Vec<Lanes<T>>,
    /// Panels of the transposed weights, at the same places; empty when not asked for.
    pub transposed: Vec<Lanes<T>>,
}
