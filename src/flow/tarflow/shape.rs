//! Sizes of a TarFlow and its parameters.

use super::attention::Sizes;
use crate::error::{Error, Result};
use crate::flow::packing::{Init, Linear, Packing};
use crate::lanes::num::H;

/// Tokens that decoding has room for.
pub(super) const MOST_TOKENS: usize = 512;

/// One transformer layer: where its parameters lie.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {
    /// Scale and shift of the layer norm before the attention.
    pub norm1: [usize; 2],
    /// Those before the perceptron.
    pub norm2: [usize; 2],
    /// Queries, keys, values; output of the attention; the perceptron's two layers.
    pub linears: [Linear; 4],
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockShape {
    /// Position embeddings, a row per token.
    pub positions: usize,
    /// From a token to the width.
    pub input: Linear,
    /// The layers.
    pub layers: Vec<LayerShape>,
    /// From the width to log-scales and shifts.
    pub output: Linear,
}

/// A whole TarFlow.
#[derive(Debug, Clone, PartialEq)]
pub struct TarFlow {
    /// Tokens of a configuration, width, heads.
    pub sizes: Sizes,
    /// Coordinates of a token.
    pub channels: usize,
    /// Blocks.
    pub blocks: Vec<BlockShape>,
    /// All parameters.
    pub packing: Packing,
}

impl TarFlow {
    /// For `atoms` atoms with `channels` coordinates per token (3, or 1); `width` a multiple of 32 and of `head`.
    ///
    /// # Errors
    /// [`Error::Usage`] for sizes that do not fit.
    pub fn new(atoms: usize, channels: usize, blocks: usize, layers: usize, width: usize, head: usize) -> Result<Self> {
        if !width.is_multiple_of(H) || head == 0 || !width.is_multiple_of(head) || ![1, 3].contains(&channels) {
            return Err(Error::Usage(format!(
                "tarflow: width {width} with heads of {head} and {channels} coordinates per token; the width must be a multiple \
                 of {H} and of the head, a token has 1 or 3 coordinates"
            )));
        }
        let tokens = 3 * atoms / channels;
        if tokens > MOST_TOKENS {
            return Err(Error::Usage(format!("tarflow: {tokens} tokens; at most {MOST_TOKENS} are possible")));
        }
        let sizes = Sizes { tokens, width: width / H, head };
        let mut flow = Self { sizes, channels, blocks: Vec::new(), packing: Packing::default() };
        for b in 0..blocks {
            flow.block(&format!("blocks.{b}"), layers, width);
        }
        Ok(flow)
    }

    fn block(&mut self, name: &str, layers: usize, width: usize) {
        let (tokens, channels) = (self.sizes.tokens, self.channels);
        let p = &mut self.packing;
        // The reference draws position embeddings normal with 0.01; a uniform distribution of the same variance.
        let positions = p.rows(&format!("{name}.pos_embed"), &[tokens, width], 0.0, 0.01 * 3.0_f64.sqrt());
        let input = p.linear(&format!("{name}.proj_in"), channels, width, Init::Default, None);
        let layers = (0..layers)
            .map(|l| {
                let name = |part: &str| format!("{name}.layers.{l}.{part}");
                let norm = |p: &mut Packing, part: &str| {
                    [("weight", 1.0), ("bias", 0.0)]
                        .map(|(which, value)| p.rows(&name(&format!("{part}.norm.{which}")), &[width], value, 0.0))
                };
                let norm1 = norm(p, "attention");
                let qkv = p.linear(&name("attention.qkv"), width, 3 * width, Init::Default, None);
                let out = p.linear(&name("attention.proj"), width, width, Init::Default, None);
                let norm2 = norm(p, "mlp");
                let up = p.linear(&name("mlp.main.0"), width, 4 * width, Init::Default, None);
                let down = p.linear(&name("mlp.main.3"), 4 * width, width, Init::Default, None);
                LayerShape { norm1, norm2, linears: [qkv, out, up, down] }
            })
            .collect();
        let output = p.linear(&format!("{name}.proj_out"), width, 2 * channels, Init::ZeroWeight, None);
        self.blocks.push(BlockShape { positions, input, layers, output });
    }

    /// Coordinates of a configuration.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.sizes.tokens * self.channels
    }
}
