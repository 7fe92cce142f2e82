//! The conditioning of each sample, `c = SiLU(MLP(embedding(c_noise)) + MLP(embedding(beta)))`, and the modulations that the
//! blocks take from it; forward and reverse. Rows are samples.

use super::Run;
use super::builder::{Batch, Builder, Parts, Place, SILU, THREADS, WARPS, int};
use super::places::Linear;
use crate::nn::dit::plan::FREQUENCIES;

/// What the reverse pass of an MLP needs.
struct Mlp {
    input: Place,
    pre: Place,
    act: Place,
}

/// What the reverse pass needs.
pub struct Tape {
    noise: Place,
    time: Mlp,
    temperature: Option<Mlp>,
    sum: Place,
    c: Place,
    /// Modulations of each block, then of the output layer.
    pub mods: Vec<Place>,
}

impl Run<'_> {
    pub(super) fn batch_of_samples(&self) -> Batch {
        Batch { rows: self.samples, components: if self.moved { 2 } else { 1 } }
    }

    /// The modulation layers, in order.
    pub(super) fn modulations(&self) -> impl Iterator<Item = &Linear> {
        let places = &self.net.places;
        places.blocks.iter().map(|b| &b.modulation).chain([&places.last_modulation])
    }

    /// Modulations at these noise levels `[1 or 2][samples]` and temperatures `[samples]`.
    pub(super) fn condition(&self, b: &mut Builder<'_>, noise: Place, beta: Place) -> Tape {
        let (places, batch) = (&self.net.places, self.batch_of_samples());
        let width = places.time[1].outputs;
        let sum = b.rows(batch, width);
        let mlp = |b: &mut Builder<'_>, of: Place, moved: bool, layers: &[Linear; 2], add: bool| {
            let input = b.rows(batch, FREQUENCIES);
            let [pre, act] = [(); 2].map(|()| b.rows(batch, layers[0].outputs));
            let args = vec![int(batch.rows), int(FREQUENCIES), int(usize::from(moved)), of.into(), input.into()];
            b.pass("features", batch.components, (batch.rows * FREQUENCIES).div_ceil(THREADS), 0, args);
            b.forward(self.w, &layers[0], batch, input, pre, false);
            b.activate(SILU, batch, layers[0].outputs, pre, act);
            b.forward(self.w, &layers[1], batch, act, sum, add);
            Mlp { input, pre, act }
        };
        let time = mlp(b, noise, self.moved, &places.time, false);
        let temperature = self.net.plan.conditioned.then(|| mlp(b, beta, false, &places.temperature, true));
        let c = b.rows(batch, width);
        b.activate(SILU, batch, width, sum, c);
        let mut mods = Vec::new();
        for linear in self.modulations() {
            let out = b.rows(batch, linear.outputs);
            b.forward(self.w, linear, batch, c, out, false);
            mods.push(out);
        }
        Tape { noise, time, temperature, sum, c, mods }
    }

    /// Adjoint of the noise levels from those of the modulations; with `parts` also gradients.
    pub(super) fn condition_back(
        &self,
        b: &mut Builder<'_>,
        tape: &Tape,
        mods_bar: &[Place],
        noise_bar: Place,
        parts: Option<&Parts>,
    ) {
        let (places, batch) = (&self.net.places, self.batch_of_samples());
        let width = places.time[1].outputs;
        let c_bar = b.rows(batch, width);
        for (i, (linear, bar)) in self.modulations().zip(mods_bar).enumerate() {
            b.reverse(self.w, linear, batch, *bar, c_bar, i > 0);
            b.gradient(parts, linear, batch, 1, tape.c, *bar);
        }
        // From here on c_bar is the adjoint of the sum before the activation.
        b.activate_back(SILU, batch, width, tape.sum, c_bar);
        let act_bar = b.rows(batch, width);
        // The temperature does not move: nothing comes from it but gradients.
        let temperature = tape.temperature.as_ref().filter(|_| parts.is_some()).map(|mlp| (mlp, &places.temperature));
        for (i, (mlp, layers)) in std::iter::once((&tape.time, &places.time)).chain(temperature).enumerate() {
            b.reverse(self.w, &layers[1], batch, c_bar, act_bar, false);
            b.activate_back(SILU, batch, layers[0].outputs, mlp.pre, act_bar);
            b.gradient(parts, &layers[1], batch, 1, mlp.act, c_bar);
            b.gradient(parts, &layers[0], batch, 1, mlp.input, act_bar);
            if i == 0 {
                let input_bar = b.rows(batch, FREQUENCIES);
                b.reverse(self.w, &layers[0], batch, act_bar, input_bar, false);
                let args =
                    vec![int(batch.rows), int(FREQUENCIES), tape.noise.into(), input_bar.into(), noise_bar.into()];
                b.pass("features_back", batch.components, batch.rows.div_ceil(WARPS), 0, args);
            }
        }
    }
}
