//! Headers of one small fitted bridge of every kind, for the fuzz target `bridge`: files
//! without the length before the header and the data behind it.
//!
//!     cargo run -p dl-diffusion --example fuzz_corpus -- DIRECTORY

use std::{env, error::Error, fs, path::PathBuf};

use dl_core::{EmbeddingSet, noise::Noise};
use dl_diffusion::{BridgeConfig, BridgeData};
use dl_torch::TrainContext;
use ndarray::Array2;

const DIM: usize = 4;

/// Unrelated rows.
fn set(split: &str) -> EmbeddingSet {
    const CLIPS: usize = 20;
    let rows = |side: &str| {
        let items: Vec<u64> = (0..CLIPS as u64).collect();
        let stream = format!("{split}/{side}");
        let values = Noise::new(0, &stream).normal_rows(&items, 0, DIM);
        Array2::from_shape_vec((CLIPS, DIM), values).expect("as many values")
    };
    EmbeddingSet {
        ids: (0..CLIPS).map(|clip| format!("{split} {clip}")).collect(),
        audio: rows("audio"),
        captions: vec!["a".to_owned(); CLIPS],
        text: rows("text"),
        owners: (0..CLIPS).collect(),
        provenance: Default::default(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(env::args().nth(1).ok_or("name a directory")?);
    fs::create_dir_all(&directory)?;
    let (train, validation) = (set("train"), set("validation"));
    let training = "train = { steps = 2, batch = 8 }\n";
    let small = "network = { hidden = 4, blocks = 1 }\n";
    let unet =
        "network = { kind = \"unet\", width = 1, multipliers = [1, 2], heads = 1, head_dim = 2 }\n";
    let mut configs = Vec::new();
    for kind in BridgeConfig::kinds() {
        let more = match kind {
            "mlp_regression" | "diffusion_bridge" | "seed_style" | "diffusion_link"
            | "brownian_bridge" => format!("{training}{small}"),
            "retrieval" | "transport" => "of = { kind = \"ridge\" }".to_owned(),
            _ => String::new(),
        };
        configs.push((kind.to_owned(), format!("kind = \"{kind}\"\n{more}")));
    }
    configs.push(("unet".to_owned(), format!("kind = \"diffusion_bridge\"\n{training}{unet}")));
    for sampler in ["ddim", "ddpm", "dpm_solver_pp_2m"] {
        let text = format!(
            "kind = \"diffusion_link\"\n{training}{small}prediction = \"v\"\n\
             candidates = [{{ kind = \"{sampler}\", timestep = 9, steps = 2 }}]"
        );
        configs.push((sampler.to_owned(), text));
    }
    for (name, text) in configs {
        let config: BridgeConfig = toml::from_str(&text)?;
        let bridge = config.fit(&BridgeData::new(&train, &validation), &TrainContext::new(0))?;
        let path = directory.join(name);
        bridge.save(&path)?;
        let file = fs::read(&path)?;
        let (length, rest) = file.split_first_chunk().ok_or("no length")?;
        let header = &rest[..u64::from_le_bytes(*length) as usize];
        fs::write(&path, header)?;
    }
    Ok(())
}
