//! Bridge files whose header claims what they do not hold: one sentence each, and nothing is
//! made of the sizes that they claim. The fuzz target `bridge` looks for more of them.

#[path = "../../dl-torch/tests/strange/mod.rs"]
mod strange;
mod toy;

use std::{collections::HashMap, path::Path};

use dl_diffusion::{Bridge, BridgeConfig, BridgeData};
use dl_torch::tensor_file::{self, Tensors};
use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use toy::{DIM, context, set};

/// A small fitted bridge, taken apart.
struct File {
    directory: TempDir,
    tensors: Tensors,
    metadata: HashMap<String, String>,
}

impl File {
    fn of(config: &str) -> Self {
        let config: BridgeConfig = toml::from_str(config).expect("a file of the test");
        let (train, validation) = (set("train", 40, 1), set("validation", 20, 1));
        let bridge = config
            .fit(&BridgeData::new(&train, &validation), &context(0))
            .expect("a file of the test");
        let directory = tempfile::tempdir().expect("a file of the test");
        let path = directory.path().join("bridge");
        bridge.save(&path).expect("a file of the test");
        let (tensors, metadata) =
            tensor_file::read(&path, Device::Cpu).expect("a file of the test");
        Self { directory, tensors, metadata }
    }

    /// The bridge of a file whose report has `values` at these places.
    fn load(&self, values: &[(&str, Value)]) -> Result<Bridge, String> {
        let mut report: Value =
            serde_json::from_str(&self.metadata["bridge"]).expect("a file of the test");
        for (place, value) in values {
            *report.pointer_mut(place).unwrap_or_else(|| panic!("no {place}")) = value.clone();
        }
        let mut metadata = self.metadata.clone();
        metadata.insert("bridge".to_owned(), report.to_string());
        let path = self.directory.path().join("changed");
        tensor_file::write(&path, &self.tensors, metadata).expect("a file of the test");
        self.read(&path)
    }

    /// Errors without the path, which they begin with.
    fn read(&self, path: &Path) -> Result<Bridge, String> {
        Bridge::load(path, Device::Cpu).map_err(|error| {
            let error = error.to_string();
            let problem = error.strip_prefix(&format!("{}: ", path.display()));
            problem.unwrap_or_else(|| panic!("no path: {error}")).to_owned()
        })
    }

    fn refuses(&self, values: &[(&str, Value)], expected: &str) {
        let problem = self.load(values).err().unwrap_or_else(|| panic!("{values:?} was loaded"));
        assert!(problem.starts_with(expected), "{values:?}: {problem}");
        assert!(!problem.contains('\n'), "{problem}");
    }
}

const SHORT: &str = "train = { steps = 2, batch = 8 }";

#[test]
fn claims_beyond_the_file_are_refused_before_anything_is_made() {
    let link = File::of(&format!(
        "kind = \"diffusion_link\"\n{SHORT}\nnetwork = {{ hidden = 8, blocks = 1 }}"
    ));
    link.load(&[]).unwrap();
    let (hidden, blocks) = ("/config/network/hidden", "/config/network/blocks");
    let anew = "; fit the bridge anew";
    for (place, value, expected) in [
        (hidden, 1_000_000_000_u64, "network.hidden = 1000000000: must be at most 65536"),
        (hidden, u64::MAX, "network.hidden = 18446744073709551615: must be at most 65536"),
        (blocks, 1_000_000, "network.blocks = 1000000: must be in 1..=1000"),
        ("/dim", 1_000_000_000, "dim = 1000000000: must be in 1..=65536"),
        // -1 in 64 bits with a sign.
        ("/dim", u64::MAX, "dim = 18446744073709551615: must be in 1..=65536"),
        ("/dim", 0, "dim = 0: must be in 1..=65536"),
        (
            "/config/schedule/timesteps",
            1_000_000_000_000,
            "schedule.timesteps = 1000000000000: must be in 1..=10000",
        ),
        (
            "/config/candidates/1/draws",
            1_000_000_000_000,
            "candidates[1].draws = 1000000000000: must be in 1..=10000",
        ),
    ] {
        link.refuses(&[(place, json!(value))], &format!("its configuration: {expected}{anew}"));
    }
    // In range, but not in the file: 17 GB a layer, and a thousand blocks.
    let expected = "the tensors do not fit this model: `blocks.0.norm_in.weight` is [8], \
                    expected [65536], ";
    link.refuses(&[(hidden, json!(65_536))], expected);
    let expected = "the tensors do not fit this model: `blocks.1.norm_in.weight` is missing, ";
    link.refuses(&[(blocks, json!(1000))], expected);
    let expected = "the tensors do not fit this model: `time.0.weight` is [24, 48], expected \
                    [65536, 131072], ";
    link.refuses(&[("/dim", json!(65_536))], expected);

    let unet = File::of(&format!(
        "kind = \"diffusion_bridge\"\n{SHORT}\nnetwork = {{ kind = \"unet\", width = 4, multipliers = \
         [1, 2], heads = 1, head_dim = 4 }}"
    ));
    unet.load(&[]).unwrap();
    let place = |key: &str| format!("/config/network/{key}");
    for (key, value, expected) in [
        ("width", json!(1_u64 << 62), "network.width = 4611686018427387904: must be in 1..=65536"),
        ("multipliers", json!([1, 1_u64 << 62]), "network.multipliers[1] = 4611686018427387904: "),
        ("heads", json!(u64::MAX), "network.heads = 18446744073709551615: must be in 1..=65536"),
        ("head_dim", json!(1_u64 << 40), "network.head_dim = 1099511627776: must be in 1..=65536"),
        ("sinusoid", json!(1_u64 << 50), "network.sinusoid = 1125899906842624: must be 0 (the "),
    ] {
        unet.refuses(&[(&place(key), value)], &format!("its configuration: {expected}"));
    }
    // 3 x 32,768 x 4 x 24 values are few enough for an attention: the file lacks them.
    let expected = "the tensors do not fit this model: ";
    unet.refuses(&[(&place("heads"), json!(32_768))], expected);
    let expected = "the tensors do not fit this model: `init_conv.weight` is [4, 1, 7], expected \
                    [65536, 1, 7], ";
    unet.refuses(&[(&place("width"), json!(65_536))], expected);
}

#[test]
fn any_header_gives_a_bridge_or_one_sentence() {
    let link =
        format!("kind = \"diffusion_link\"\n{SHORT}\nnetwork = {{ hidden = 8, blocks = 1 }}");
    let test = set("test", 2, 1);
    for config in
        [&*link, "kind = \"kernel_ridge\"", "kind = \"transport\"\nof = { kind = \"pls\" }"]
    {
        let file = File::of(config);
        let path = file.directory.path().join("any");
        proptest!(strange::cases(200), |(changes in vec((any::<usize>(), any::<usize>()), 1..4))| {
            let mut metadata = file.metadata.clone();
            metadata.insert("bridge".into(), strange::changed(&metadata["bridge"], &changes));
            tensor_file::write(&path, &file.tensors, metadata).expect("a file of the test");
            match file.read(&path) {
                Ok(bridge) => {
                    let moved = bridge.apply(&test.audio, &test.ids, 0).expect("rows of its size");
                    prop_assert_eq!(moved.dim(), test.audio.dim());
                    prop_assert!(moved.iter().all(|value| value.is_finite()));
                }
                Err(problem) => prop_assert!(!problem.contains('\n'), "{problem}"),
            }
        });
    }
}

#[test]
fn what_validation_chose_is_one_of_the_candidates() {
    let chosen = "/method/chosen";
    let link = File::of(&format!("kind = \"diffusion_link\"\n{SHORT}\nnetwork = {{ hidden = 8 }}"));
    let draws = json!({ "kind": "mean_of_draws", "timestep": 400, "draws": 1_000_000_000_000_u64 });
    let expected = "its header chose {\"draws\":1000000000000,\"kind\":\"mean_of_draws\",\
                    \"timestep\":400}, which is not in its candidates; fit the bridge anew";
    link.refuses(&[(chosen, draws)], expected);

    let kind = json!({ "kind": "one\nstep" });
    let expected = "its header does not fit its method: kind: unknown variant `one\\nstep`, ";
    link.refuses(&[(chosen, kind)], expected);

    let brownian =
        File::of(&format!("kind = \"brownian_bridge\"\n{SHORT}\nnetwork = {{ hidden = 8 }}"));
    for steps in [0, 3, 1_000_000_000_000_000_000_u64] {
        let expected = format!("its header chose {steps}, which is not in its steps; fit the ");
        brownian.refuses(&[(chosen, json!(steps))], &expected);
    }
    let expected = "its configuration: steps[0] = 1001: must be in 1..=1000; fit the bridge anew";
    brownian.refuses(&[("/config/steps/0", json!(1001)), (chosen, json!(1001))], expected);

    let projection = File::of("kind = \"projection\"");
    for temperature in ["0.0", "-1.0", "1e-300"] {
        let value: f64 = temperature.parse().unwrap();
        let problem = projection.load(&[(chosen, json!(value))]).err().unwrap();
        assert!(problem.ends_with("which is not in its temperatures; fit the bridge anew"));
    }

    let retrieval = File::of("kind = \"retrieval\"\nof = { kind = \"ridge\" }");
    let vote = |temperature: f64, audio_share: f64| {
        [(chosen, json!({ "temperature": temperature, "audio_share": audio_share }))]
    };
    retrieval.load(&vote(0.02, 0.5)).unwrap();
    retrieval.load(&[(chosen, Value::Null)]).unwrap();
    for (temperature, share) in [(0.0, 0.5), (0.02, 1e300)] {
        let problem = retrieval.load(&vote(temperature, share)).err().unwrap();
        let expected = "which is not in its temperatures and audio_shares; fit the bridge anew";
        assert!(problem.ends_with(expected), "{problem}");
    }
}

#[test]
fn a_kernel_that_is_not_a_candidate_is_refused() {
    let kernel = File::of("kind = \"kernel_ridge\"");
    let choice = |temperature: f64, lambda: f64, share: f64| {
        let value = json!({ "temperature": temperature, "lambda": lambda, "share": share });
        [("/method/chosen", value)]
    };
    kernel.load(&choice(0.5, 0.3, 1.0)).unwrap();
    let expected = "which is not in its temperatures, lambdas and shares; fit the bridge anew";
    // Without another bridge there is nothing to share with.
    for (temperature, lambda, share) in [(0.0, 0.3, 1.0), (0.5, 0.2, 1.0), (0.5, 0.3, 0.5)] {
        let problem = kernel.load(&choice(temperature, lambda, share)).err().unwrap();
        assert!(problem.ends_with(expected), "{problem}");
    }
    let landmarks = "its configuration: landmarks = 1000000000: must be in 1..=16384; fit the ";
    kernel.refuses(&[("/config/landmarks", json!(1_000_000_000))], landmarks);
}

#[test]
fn a_bridge_on_a_bridge_on_a_bridge_ends_somewhere() {
    let mut file = File::of("kind = \"transport\"\nof = { kind = \"ridge\" }");
    let mut report: Value = serde_json::from_str(&file.metadata["bridge"]).unwrap();
    let inner = report["config"]["of"].to_string();
    report["config"]["of"] = json!("here");
    let path = file.directory.path().join("nested");
    for (depth, expected) in [
        (100, "tensor `centre` is missing; fit the bridge anew"),
        (10_000, "metadata entry `bridge`: recursion limit exceeded at line 1 column "),
    ] {
        let (begin, end) = ("{\"kind\":\"transport\",\"of\":".repeat(depth), "}".repeat(depth));
        let nested = report.to_string().replace("\"here\"", &format!("{begin}{inner}{end}"));
        file.metadata.insert("bridge".to_owned(), nested);
        tensor_file::write(&path, &file.tensors, file.metadata.clone()).unwrap();
        let problem = file.read(&path).err().unwrap();
        assert!(problem.starts_with(expected), "{depth}: {problem}");
    }
}

#[test]
fn no_captions_are_no_support_and_nothing_is_no_direction() {
    let mut nearest = File::of("kind = \"nearest_neighbour\"");
    let none = Tensor::zeros([0, DIM as i64], (Kind::Float, Device::Cpu));
    nearest.tensors.insert("support".to_owned(), none);
    nearest.refuses(&[], "tensor `support` holds no captions; fit the bridge anew");

    // 1e-25 has a square of zero in f32, and is no unit vector when it is divided by 1e-12.
    let mut ridge = File::of("kind = \"ridge\"");
    for tensor in ridge.tensors.values_mut() {
        *tensor = tensor.zeros_like() + 1e-25;
    }
    let test = set("test", 2, 1);
    let error = ridge.load(&[]).unwrap().apply(&test.audio, &test.ids, 0).unwrap_err().to_string();
    let expected = "ridge leaves the embedding of 'test 0' without a direction; leave that item \
                    out, or take another method";
    assert_eq!(error, expected);
}
