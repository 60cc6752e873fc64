//! `plan`: what a run consists of, what it takes, and its missing stages as jobs. The jobs
//! are run here by stand-ins for GNU parallel and Slurm, which take what the real ones take.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::harness::{
    Said, assert_same_tree, experiments, fits, repository, run, run_directory, scratch, tiny,
    trained, trained_copy,
};

fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_done_tells_what_it_took_and_what_is_missing_is_judged_by_it() {
    let done = run(experiments(trained()).arg("plan")).ok().clean();
    assert!(done.out.contains("All of it is done"), "{}", done.out);
    assert!(!done.out.contains("missing"), "{}", done.out);
    for part in ["  1 done ", "features of ", "(took); needs –; writes features/"] {
        assert!(done.out.contains(part), "`{part}` is not in\n{}", done.out);
    }

    let runs = trained_copy("plan-copy");
    let bridge = fits(&runs, "c3").pop().unwrap();
    fs::remove_file(bridge.join("done.json")).unwrap();
    // As long as a stage of its kind that is done; its own record is not looked at.
    let mut plan = experiments(&runs);
    plan.args(["plan", "t1", "--json", "--no-measure", "--seeds", "0,1"]);
    let stages = lines(&run(&mut plan).ok());
    let (left, stages) = stages.split_last().unwrap();
    let of = |title: &str| stages.iter().find(|stage| stage["title"] == title).unwrap();
    let fitted = of("bridge c3, seed 0");
    assert_eq!(fitted["done"], false);
    assert!(fitted["seconds"].is_null(), "there is no other of its kind: {fitted}");
    let other = of("bridge diffusion_link, seed 1");
    assert_eq!(other["basis"], "as `bridge diffusion_link, seed 0`, which is done");
    assert_eq!(other["seconds"], of("bridge diffusion_link, seed 0")["seconds"]);
    assert!(other["seconds"].as_f64() > Some(0.0) && other["bytes"].as_u64() > Some(1000));
    let missing = stages.iter().filter(|stage| stage["done"] == false).count();
    let unknown = stages.iter().filter(|stage| stage["seconds"].is_null()).count();
    assert_eq!(left["left"], missing);
    assert_eq!(left["unknown"], unknown);
    // Every need stands before who needs it.
    for stage in stages {
        let needs = stage["needs"].as_array().unwrap().iter().map(|need| need.as_u64());
        assert!(needs.into_iter().all(|need| need < stage["number"].as_u64()), "{stage}");
    }
}

#[test]
fn a_run_that_has_not_begun_is_measured_and_nothing_is_kept() {
    let runs = scratch("plan-fresh");
    let said = run(experiments(&runs).args(["plan", "--json", "--jobs", "2"])).ok().clean();
    let stages = lines(&said);
    let (left, stages) = stages.split_last().unwrap();
    assert_eq!((&left["jobs"], &left["left"]), (&2.into(), &stages.len().into()));
    assert!(left["seconds"].as_f64() > Some(0.0) && left["bytes"].as_u64() > Some(10_000));
    for (stage, basis) in [
        ("features", "measured: 8 of 96 clips, 8 of 96 captions"),
        ("language_model", "measured: 12 of 240 steps"),
        ("captioner", "measured: 12 of 60 steps"),
        ("gap", "measured: 20 of 100 resamples"),
    ] {
        let found = stages.iter().find(|found| found["stage"] == stage).unwrap();
        let said = found["basis"].as_str().unwrap();
        let word = |text: &str| text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        assert_eq!(word(said), word(basis), "{stage}: {said}");
        assert!(found["seconds"].as_f64() > Some(0.0), "{found}");
    }
    // The training of a bridge and the fit of one without any.
    let basis = |title: &str| {
        let found = stages.iter().find(|stage| stage["title"] == title).unwrap();
        found["basis"].as_str().unwrap().to_owned()
    };
    assert_eq!(basis("bridge diffusion_link, seed 0"), "measured: 12 of 40 steps");
    assert_eq!(basis("bridge projection, seed 0"), "measured: all of it");
    assert!(!runs.join("tiny/stages").exists());
}

#[test]
fn what_only_the_user_can_bring_is_named_with_its_remedy() {
    let runs = scratch("plan-missing");
    let mut plan = experiments(&runs);
    plan.args(["plan", "t1", "t2", "--set", "encoder.path='no/such'"]);
    plan.args(["--set", "language_model={kind='pretrained',path='no/llama'}"]);
    let said = run(&mut plan).clean();
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    for part in
        ["MISSING  CLAP", "no/such", "cargo setup --models", "MISSING  language model", "no/llama"]
    {
        assert!(said.out.contains(part), "`{part}` is not in\n{}", said.out);
    }
    // T1 needs no language model.
    let mut plan = experiments(&runs);
    plan.args(["plan", "t1", "--no-measure"]);
    plan.args(["--set", "language_model={kind='pretrained',path='no/llama'}"]);
    assert!(run(&mut plan).ok().out.contains("Left: "));
}

/// A program of this name in a folder of its own, before all others on the PATH.
fn stand_in(name: &str, script: &str) -> (PathBuf, String) {
    let folder = scratch(&format!("plan-{name}"));
    let program = folder.join(name);
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    (folder, path)
}

/// Takes a command a line and runs each, one after the other.
const PARALLEL: &str = "#!/usr/bin/env bash\nset -eu\n\
    while IFS= read -r line; do bash -c \"$line\" </dev/null; done\n";

/// Runs the script that it reads once for each index of the array; prints a job's number.
const SBATCH: &str = "#!/usr/bin/env bash\nset -eu\n\
    dir=$(dirname \"$0\"); echo \"$*\" >>\"$dir/asked\"; cat >\"$dir/job\"\n\
    last=$(echo \"$*\" | sed 's/.*--array=0-\\([0-9]*\\).*/\\1/')\n\
    for i in $(seq 0 $last); do SLURM_ARRAY_TASK_ID=$i bash \"$dir/job\" >&2; done\n\
    echo \"$(wc -l <\"$dir/asked\");here\"\n";

/// T1 of two rows, of a suite whose paths a shell could misread.
fn two_rows(runs: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.current_dir(repository()).args(arguments).arg("--config").arg(tiny());
    command.args(["--set", &format!("runs=\"{}\"", runs.display())]);
    command.args(["--set", "rows.t1=['none', \"diffusion_link\"]"]);
    command
}

#[test]
fn jobs_make_what_a_run_makes() {
    let runs = scratch("plan jobs' $HOME");
    let plan = |scheduler: &str| {
        let asked = ["plan", "t1", "--shards", "2", "--jobs", scheduler];
        let said = run(&mut two_rows(&runs, &asked)).ok();
        let file = runs.join(format!("{scheduler}.sh"));
        fs::write(&file, &said.out).unwrap();
        (file, said.out)
    };
    let (file, text) = plan("slurm");
    let parsed = Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(parsed.success(), "{text}");
    let (file, text) = plan("parallel");
    for part in ["# features", "# shared", "# rows", "# tables", "--shard 1/2", "--rows none"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let (_, path) = stand_in("parallel", PARALLEL);
    run(Command::new("bash").arg(&file).env("PATH", path)).ok();
    let straight = scratch("plan-straight");
    run(&mut two_rows(&straight, &["run", "t1"])).ok();
    let stages = |runs: &Path, name: &str| runs.join("tiny/stages").join(name);
    for name in ["features", "embeddings", "bridge", "bridged", "gap"] {
        assert_same_tree(&stages(&straight, name), &stages(&runs, name));
    }
    let metrics = |runs: &Path| fs::read(run_directory(runs, "t1").join("metrics.jsonl")).unwrap();
    assert_eq!(metrics(&straight), metrics(&runs));

    // What is done is no job; Slurm's jobs wait for those before them.
    fs::remove_file(fits(&runs, "diffusion_link").pop().unwrap().join("done.json")).unwrap();
    fs::remove_dir_all(stages(&runs, "gap")).unwrap();
    let (file, text) = plan("slurm");
    assert!(!text.contains("-features") && !text.contains("-shared"), "{text}");
    let (folder, path) = stand_in("sbatch", SBATCH);
    let said = run(Command::new("bash").arg(&file).env("PATH", path)).ok();
    assert!(said.out.contains("tiny-tables: 2;here"), "{}", said.out);
    let asked = fs::read_to_string(folder.join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert!(asked[0].contains("--array=0-1 ") && !asked[0].contains("--dependency"), "{asked:?}");
    assert!(asked[1].contains("--array=0-0 "), "{asked:?}");
    assert!(asked[1].contains("--dependency=afterok:1"), "{asked:?}");
    assert_eq!(metrics(&straight), metrics(&runs));
}

#[test]
fn a_manifest_for_kubernetes_holds_every_command() {
    let runs = scratch("plan-kubernetes");
    let asked = ["plan", "t1", "--shards", "2", "--jobs", "kubernetes", "--image", "here/dl:1"];
    let said = run(&mut two_rows(&runs, &asked)).ok();
    let (head, jobs) = said.out.split_once("---\n").unwrap();
    assert!(head.contains("kubectl patch job/dl-tiny-rows "), "{head}");
    let jobs: Vec<Value> =
        jobs.split("---\n").map(|job| serde_json::from_str(job).unwrap()).collect();
    let names: Vec<&str> =
        jobs.iter().map(|job| job["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dl-tiny-features", "dl-tiny-shared", "dl-tiny-rows", "dl-tiny-tables"]);
    for (job, (completions, suspended)) in
        jobs.iter().zip([(2, false), (1, true), (2, true), (1, true)])
    {
        let spec = &job["spec"];
        assert_eq!((&job["apiVersion"], &job["kind"]), (&"batch/v1".into(), &"Job".into()));
        assert_eq!(spec["completionMode"], "Indexed");
        assert_eq!(
            (&spec["completions"], &spec["suspend"]),
            (&completions.into(), &suspended.into())
        );
        let container = &spec["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "here/dl:1");
        let script = container["command"][2].as_str().unwrap();
        let commands = script.lines().filter(|line| line.contains(") exec experiments run t1 "));
        assert_eq!(commands.count(), completions, "{script}");
    }
}

#[test]
fn parts_of_a_run_that_do_not_go_together_are_refused() {
    let command = |more: &[&str]| {
        let mut command = experiments(Path::new("unused"));
        command.args(["run", "t1"]).args(more);
        command
    };
    for (more, parts) in [
        (&["--only", "shared", "--shard", "0/2"][..], ["--shard", "--only features"]),
        (&["--only", "shared", "--rows", "none"], ["--rows", "--only stages"]),
        (&["--only", "stages", "--rows", "nome"], ["--rows nome", "none, projection"]),
        (&["--jobs", "slurm"], ["--jobs", "only `plan`"]),
    ] {
        run(&mut command(more)).fails_with(1, &parts);
    }
    assert_eq!(run(&mut command(&["--rows", "none"])).code, Some(2));
}

/// Every command of the guide, on the tiny suite in place of the default one.
#[test]
fn the_commands_of_the_guide_run() {
    let runs = trained_copy("plan-guide");
    let page = fs::read_to_string(repository().join("experiments/guide/cluster.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in commands {
        let words = command.strip_prefix("cargo run -p experiments -- ").unwrap();
        let said = run(experiments(&runs).args(words.split(' '))).ok().clean();
        assert!(!words.starts_with("plan") || said.out.lines().count() > 5, "{command}");
    }
}
