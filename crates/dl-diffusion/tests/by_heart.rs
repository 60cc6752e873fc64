//! What a learned bridge must be able to learn, and how early its gradients are whole.

mod toy;

use dl_core::EmbeddingSet;
use dl_diffusion::{
    BridgeConfig, BridgeData,
    network::{Network, NetworkConfig},
};
use dl_torch::{
    Params,
    optim::{AdamW, AdamWConfig},
};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};
use toy::{DIM, context, normal, unit};

/// 64 clips whose text has nothing to do with their sound.
fn unrelated() -> EmbeddingSet {
    EmbeddingSet {
        ids: (0..64).map(|clip| format!("clip {clip}")).collect(),
        audio: unit(normal("by heart/audio", 64, DIM)),
        captions: (0..64).map(|clip| format!("caption of {clip}")).collect(),
        text: unit(normal("by heart/text", 64, DIM)),
        owners: (0..64).collect(),
        provenance: Default::default(),
    }
}

fn paired_cosine(audio: &Array2<f32>, text: &Array2<f32>) -> f32 {
    let rows = audio.outer_iter().zip(text.outer_iter());
    rows.map(|(audio, text)| audio.dot(&text)).sum::<f32>() / audio.nrows() as f32
}

#[test]
fn diffusion_link_learns_64_pairs_by_heart() {
    let set = unrelated();
    let config: BridgeConfig = toml::from_str(
        "kind = \"diffusion_link\"\njitter = 0.0\nmax_timestep = 100\n\
         network = { hidden = 128 }\n\
         train = { steps = 400, batch = 64, warmup_steps = 20, learning_rate = 3e-3, \
         validate_every = 200 }\n\
         candidates = [{ kind = \"one_step\", timestep = 50 }]",
    )
    .unwrap();
    let before = paired_cosine(&set.audio, &set.text);
    let bridge = config.fit(&BridgeData::new(&set, &set).insist(), &context(0)).unwrap();
    let after = paired_cosine(&bridge.apply_set(&set, 0).unwrap().audio, &set.text);
    assert!(before.abs() < 0.1 && after > 0.95, "{before}, then {after}");
    // Text goes through to itself.
    let through = bridge.text_through(&set.text, &set.ids, 0).unwrap();
    let own = paired_cosine(&through, &set.text);
    assert!(own > 0.95, "{own}");
}

#[test]
fn gradients_reach_every_layer_at_the_third_step() {
    // The output begins at zero and passes nothing back at the first step; the blocks' last
    // layers begin at zero and pass nothing back at the second.
    let params = Params::new(0, Device::Cpu);
    let network = Network::new(&params.root(), 8, &NetworkConfig::default(), true);
    let rows = |stream: &str| {
        let rows = normal(stream, 16, 8);
        Tensor::from_slice(rows.as_slice().unwrap()).view([16, 8])
    };
    let (x, y) = (rows("x"), rows("y"));
    let timesteps = Tensor::arange(16, (Kind::Int64, Device::Cpu)) * 60;
    let mut optimizer = AdamW::new(&params, AdamWConfig::default());
    let mut reached = Vec::new();
    for _ in 0..3 {
        optimizer.zero_grad();
        (network.forward(&x, &timesteps) - &y).abs().mean(Kind::Float).backward();
        let named = params.named();
        let count = named.values().filter(|weight| {
            let gradient = weight.grad();
            gradient.defined() && gradient.abs().max().double_value(&[]) > 0.0
        });
        reached.push((count.count(), named.len()));
        // The first rate of a warm-up of 100 steps to 1e-3.
        optimizer.step(1e-5);
    }
    let all = reached[0].1;
    // Weight and bias of the output, then all but what lies inside of the blocks.
    assert_eq!(reached[0], (2, all));
    assert!(reached[1].0 > 2 && reached[1].0 < all, "{reached:?}");
    assert_eq!(reached[2], (all, all), "{reached:?}");
}
