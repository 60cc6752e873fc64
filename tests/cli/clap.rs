//! The small CLAP of `configs/embedded`: its card, its size, and a suite over it.

use std::fs;

use crate::harness::{experiments, repository, run, scratch};

/// At most 8 MB of weights stand in the repository.
const LARGEST: u64 = 8_000_000;

#[test]
fn the_committed_weights_are_those_of_their_card() {
    let folder = repository().join("configs/embedded/clap");
    let weights = folder.join("model.safetensors");
    let card: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("card.json")).unwrap()).unwrap();
    let found = dl_core::Fingerprint::of_file(&weights).unwrap();
    assert_eq!(card["weights"], found.as_str());
    assert!(fs::metadata(&weights).unwrap().len() <= LARGEST);
}

#[test]
fn a_suite_takes_its_encoder_from_a_clap_directory() {
    let runs = scratch("clap");
    let encoder = "encoder={ kind = 'clap', path = 'configs/embedded/clap' }";
    let said = run(experiments(&runs).args(["run", "t1", "--set", encoder])).ok();
    assert!(said.out.contains("T1: modality gap (tiny)"), "{}", said.out);
    assert!(said.err.contains("embeddings of validation: 144 dimensions"), "{}", said.err);
    let said = run(experiments(&runs).args(["doctor", "--set", encoder])).ok();
    assert!(said.out.contains("ok     CLAP"), "{}", said.out);
}

#[test]
fn a_clap_that_is_not_there_is_named() {
    let runs = scratch("no-clap");
    let encoder = "encoder={ kind = 'clap', path = 'configs/nowhere' }";
    run(experiments(&runs).args(["run", "t1", "--set", encoder]))
        .fails_with(1, &["configs/nowhere", "No such file", "cargo setup --models"]);
    let odd = "encoder={ kind = 'clop', path = 'x' }";
    run(experiments(&runs).args(["run", "t1", "--set", odd]))
        .fails_with(1, &["encoder", "unknown variant `clop`", "did you mean `clap`"]);
}

#[test]
fn a_recipe_makes_a_clap_and_goes_on_after_an_interruption() {
    let folder = scratch("pretrain");
    let pretrain = |output: &str, steps: &str| {
        let mut command = experiments(&folder.join("runs"));
        let runs = format!("runs='{}'", folder.join(output).display());
        command.args(["pretrain-clap", "--recipe", "tests/cli/clap.toml", "--output"]);
        command.arg(folder.join(output).join("clap")).args(["--set", &runs, "--set", steps]);
        command
    };
    let said = run(&mut pretrain("once", "clap.train.steps=6")).ok();
    assert!(said.out.contains("parameters") && said.out.contains("R@1"), "{}", said.out);
    let weights = |name: &str| fs::read(folder.join(name).join("clap/model.safetensors")).unwrap();
    // From a checkpoint that is already at the end: the same bytes, no step made.
    fs::rename(folder.join("once/clap"), folder.join("once/first")).unwrap();
    run(&mut pretrain("once", "clap.train.steps=6")).ok();
    let first = fs::read(folder.join("once/first/model.safetensors")).unwrap();
    assert_eq!(first, weights("once"));
    run(&mut pretrain("bad", "clap.temperature=0")).fails_with(1, &["clap.toml", "temperature"]);
    run(&mut pretrain("bad", "clap.model.model_type=bert")).fails_with(1, &["model", "bert"]);
}
