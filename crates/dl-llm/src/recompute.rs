//! Activation checkpointing (Chen et al., 2016, "Training Deep Nets with Sublinear Memory
//! Cost"): the backward pass of a decoder of which only what every block reads is kept. Block
//! by block, the last first, a block is computed again with its graph, and its part of the
//! backward pass is made at once, so that there is one block's graph at a time.
//!
//! tch has no autograd functions of one's own. So the graph is cut before every block: what a
//! block reads becomes a leaf, and the gradient that arrives at this leaf is handed to the
//! block before it.

use std::mem;

use tch::{Kind, Tensor};

use crate::{KvCache, Llama, LlmError, llama::positions, lora::Adapters};

/// A tensor that comes out of a graph, and the leaf that stands in its place.
struct Cut {
    tensor: Tensor,
    leaf: Tensor,
}

impl Cut {
    fn of(tensor: Tensor) -> Self {
        let leaf = tensor.detach().set_requires_grad(tensor.requires_grad());
        Self { tensor, leaf }
    }

    /// What takes the gradient of the leaf on, or nothing where nobody asks for it.
    fn seed(&self) -> Option<Tensor> {
        self.leaf.requires_grad().then(|| seed(&self.tensor, &self.leaf.grad()))
    }
}

/// A number whose gradient with respect to `output` is `upstream`, to the bit and however the
/// number itself is rounded: that of a sum is 1, and that of a product the other factor.
fn seed(output: &Tensor, upstream: &Tensor) -> Tensor {
    (output * upstream).sum(None::<Kind>)
}

/// The loss that `loss` makes of the last hidden states after `embeds`, `[batch, len, hidden]`,
/// behind `prefix`. Its gradients have been added to those of all parameters that take one: in
/// `adapters`, and in what made `embeds` and `prefix`. The loss comes back as a leaf, whose own
/// backward pass does nothing.
///
/// What falls out in `adapters` is a function of item, step and place, and so is the same both
/// times that a block is computed.
///
/// # Errors
/// [`LlmError::Input`] when the sequence is too long, [`LlmError::Torch`] when libtorch cannot
/// make a backward pass.
pub(crate) fn backward(
    llama: &Llama,
    embeds: Tensor,
    prefix: Option<KvCache>,
    adapters: Option<&[Adapters<'_>]>,
    loss: impl FnOnce(Tensor) -> Tensor,
) -> Result<Tensor, LlmError> {
    let past = prefix.as_ref().map_or(0, KvCache::len);
    let places = positions(past, embeds.size()[1], embeds.device());
    let pass = llama.pass(&embeds, &places, None, past)?;
    let prefix = prefix.map(KvCache::into_layers).unwrap_or_default();
    let prefix: Vec<_> =
        prefix.into_iter().map(|(keys, values)| (Cut::of(keys), Cut::of(values))).collect();
    let embeds = Cut::of(embeds);
    let block = |index: usize, x: &Tensor| {
        // A cache for this block alone, so that nobody keeps what it has read.
        let mut own = prefix.get(index).map(|(keys, values)| {
            let pair = (keys.leaf.shallow_clone(), values.leaf.shallow_clone());
            KvCache::from_layers(vec![pair])
        });
        let place = own.as_mut().map(|cache| (cache, 0));
        llama.block(index, x, &pass, place, adapters)
    };

    let mut state = embeds.leaf.shallow_clone();
    let mut inputs = Vec::new();
    for index in 0..llama.config().layers as usize {
        let next = tch::no_grad(|| block(index, &state)).set_requires_grad(true);
        inputs.push(mem::replace(&mut state, next));
    }
    let value = loss(llama.normalised(&state));
    value.f_backward()?;
    for (index, input) in inputs.into_iter().enumerate().rev() {
        seed(&block(index, &input), &state.grad()).f_backward()?;
        state = input;
    }
    let cuts = prefix.iter().flat_map(|(keys, values)| [keys, values]).chain([&embeds]);
    let seeds: Vec<Tensor> = cuts.filter_map(Cut::seed).collect();
    if !seeds.is_empty() {
        Tensor::stack(&seeds, 0).sum(None::<Kind>).f_backward()?;
    }
    Ok(value.detach().set_requires_grad(true))
}
