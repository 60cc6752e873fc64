//! Configurations with a fault: one line that names the key.

use crate::harness::{experiments, run, scratch};

fn set(entry: &str) -> crate::harness::Said {
    run(experiments(&scratch("bad-config")).args(["run", "t1", "--set", entry]))
}

#[test]
fn a_misspelt_key_gets_the_nearest_name() {
    set("evaluation.resample=100")
        .fails_with(1, &["evaluation", "unknown field `resample`", "did you mean `resamples`?"]);
}

#[test]
fn a_misspelt_key_inside_a_bridge_is_found() {
    set("bridges.diffusion_link.jiter=0.1")
        .fails_with(1, &["bridges", "unknown field `jiter`", "did you mean `jitter`?"]);
}

#[test]
fn a_wrong_type_is_named() {
    set("seeds=\"three\"").fails_with(1, &["tiny.toml", "seeds", "expected a sequence"]);
}

#[test]
fn values_out_of_range_are_named() {
    set("evaluation.resamples=5").fails_with(1, &["evaluation.resamples: 5", "at least 100"]);
    run(experiments(&scratch("bad-fense"))
        .args(["run", "t2"])
        .args(["--set", "evaluation={resamples=100,fluency='somewhere'}"]))
    .fails_with(1, &["evaluation.fluency: needs evaluation.sentence_encoder"]);
    set("encoder.batch=0").fails_with(1, &["encoder", "batch"]);
    set("encoder={kind='towers',towers={},heads={dim=0}}").fails_with(1, &["encoder.heads", "dim"]);
    set("rows.t1=['none', 'magic']").fails_with(1, &["rows.t1", "no [bridges.magic]"]);
    set("seeds=[]").fails_with(1, &["seeds", "at least one"]);
    set("seeds=[1, 2, 1]").fails_with(1, &["seeds: 1 is there twice"]);
    set("experiments=['t9']").fails_with(1, &["experiments", "no experiment 't9'"]);
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    set("device=gpu").fails_with(1, &["device", "use cpu, cuda, cuda:N or auto"]);
    set("device='cuda:77'").fails_with(1, &["cuda:77"]);
}

#[test]
fn files_that_are_not_there_or_not_toml() {
    let folder = scratch("bad-files");
    let broken = folder.join("broken.toml");
    std::fs::write(&broken, "name = \n").unwrap();
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_experiments"));
    let repository = crate::harness::repository();
    let with = |config: &str| {
        run(program().current_dir(&repository).args(["run", "t1", "--config", config]))
    };
    with(&broken.display().to_string()).fails_with(1, &["broken.toml, line 1"]);
    with("nowhere.toml").fails_with(1, &["nowhere.toml"]);
    with("embeded").fails_with(1, &["embeded", "one of: audiocaps, embedded, recorded"]);
    run(program().current_dir("/").args(["run", "t9"])).fails_with(1, &["no experiment 't9'"]);
}
