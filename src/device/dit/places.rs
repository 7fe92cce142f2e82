//! Where each parameter of a DiT lies in the flat vector.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::nn::Layout;

/// A linear layer: weight `[outputs, inputs]`, and a bias if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    /// First entry of the weight.
    pub weight: usize,
    /// First entry of the bias.
    pub bias: Option<usize>,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// One block.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// LayerNorm scale before the attention.
    pub norm1: usize,
    /// Queries, keys, values.
    pub qkv: Linear,
    /// Output of the attention.
    pub out: Linear,
    /// LayerNorm scale before the MLP.
    pub norm2: usize,
    /// The MLP.
    pub mlp: [Linear; 2],
    /// Shift, scale, gate of the attention, then of the MLP.
    pub modulation: Linear,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Places {
    /// Coordinates to features.
    pub embed: Linear,
    /// MLP of the noise level's embedding.
    pub time: [Linear; 2],
    /// MLP of the temperature's embedding.
    pub temperature: [Linear; 2],
    /// Blocks.
    pub blocks: Vec<Block>,
    /// LayerNorm scale of the output layer.
    pub last_norm: usize,
    /// Output layer.
    pub last: Linear,
    /// Its shift and scale.
    pub last_modulation: Linear,
}

impl Places {
    /// Looks them up by name.
    ///
    /// # Errors
    /// [`Error::Usage`] when one is missing.
    pub fn new(layout: &Layout, layers: usize) -> Result<Self> {
        let find = |name: &str| layout.parameters.iter().find(|p| p.name == name);
        let place = |name: String| {
            let found = find(&name).map(|p| p.offset);
            found.ok_or_else(|| Error::Usage(format!("the transformer has no parameter `{name}`")))
        };
        let linear = |name: &str| -> Result<Linear> {
            let weight = format!("{name}.weight");
            let shape = find(&weight).and_then(|p| p.shape.as_array::<2>().copied()).unwrap_or_default();
            let bias = find(&format!("{name}.bias")).map(|p| p.offset);
            Ok(Linear { weight: place(weight)?, bias, outputs: shape[0], inputs: shape[1] })
        };
        let mlp =
            |name: &str| -> Result<[Linear; 2]> { Ok([linear(&format!("{name}.0"))?, linear(&format!("{name}.2"))?]) };
        let block = |b: usize| -> Result<Block> {
            let name = |part: &str| format!("blocks.{b}.{part}");
            Ok(Block {
                norm1: place(name("norm1.weight"))?,
                qkv: linear(&name("attn_qkv"))?,
                out: linear(&name("attn_out"))?,
                norm2: place(name("norm2.weight"))?,
                mlp: mlp(&name("mlp"))?,
                modulation: linear(&name("adaLN_modulation"))?,
            })
        };
        Ok(Self {
            embed: linear("vocab_embed")?,
            time: mlp("sigma_map.mlp")?,
            temperature: mlp("sigma_map_temp.mlp")?,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            last_norm: place("output_layer.norm_final.weight".into())?,
            last: linear("output_layer.linear")?,
            last_modulation: linear("output_layer.adaLN_modulation")?,
        })
    }

    /// Entries that the network does not use: those of the temperature, where it is not conditioned on it. Their gradients are
    /// not computed.
    #[must_use]
    pub fn unused(&self, conditioned: bool) -> Range<usize> {
        let [first, second] = &self.temperature;
        let end = second.bias.map_or(second.weight + second.inputs * second.outputs, |bias| bias + second.outputs);
        if conditioned { 0..0 } else { first.weight..end }
    }
}
