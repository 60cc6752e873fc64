//! The missing stages of a run as independent commands: for GNU parallel, for Slurm, for
//! Kubernetes. Nothing here schedules: stages are locked and wait for one another
//! (`dl_core::stage`), so jobs that overlap are slow at worst, never wrong.
//!
//! Four groups, each after the one before: slices of the clips through the encoder; what all
//! rows stand on; one job for each row and seed of T1 and T2, and for each seed of another
//! experiment; the tables. A job whose stages are done is left out.

use std::{env, fmt::Write as _, sync::Arc};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use dl_torch::DeviceChoice;
use serde_json::{Value, json};

use super::Options;
use crate::{
    experiments,
    stages::{Suite, Work},
};

/// What the jobs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// A script that runs GNU parallel.
    Parallel,
    /// A script that submits arrays with their dependencies.
    Slurm,
    /// Indexed jobs; all but the first wait to be released.
    Kubernetes,
}

/// What only jobs need.
#[derive(Clone, Debug, Args)]
pub struct Cluster {
    /// Cut the clips into so many slices for the encoder.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = at_least_one)]
    pub shards: usize,
    /// Kubernetes: the image of the containers; `experiments` is on its PATH.
    #[arg(long, default_value = "diffusion-link", value_name = "IMAGE")]
    pub image: String,
    /// Kubernetes: the claim of the volume that holds configurations, data and runs; it is
    /// mounted where the working directory is here.
    #[arg(long, default_value = "diffusion-link", value_name = "CLAIM")]
    pub claim: String,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("use a number, at least 1".into()),
    }
}

/// Commands that can run at the same time.
struct Group {
    name: &'static str,
    commands: Vec<Vec<String>>,
}

/// The script or manifest.
pub(super) fn script(
    scheduler: Scheduler,
    names: &[String],
    options: &Options,
    cluster: &Cluster,
    suite: &Suite<'_>,
) -> Result<String> {
    let program = match scheduler {
        Scheduler::Kubernetes => "experiments".into(),
        Scheduler::Parallel | Scheduler::Slurm => {
            env::current_exe().context("the program's own path")?.display().to_string()
        }
    };
    let mut groups = groups(names, options, cluster, suite)?;
    for command in groups.iter_mut().flat_map(|group| &mut group.commands) {
        command.insert(0, program.clone());
        if scheduler == Scheduler::Parallel {
            command.extend(["--jobs".into(), "1".into()]);
        }
        if let Some(word) = command.iter().find(|word| word.contains(['\n', '\r', '\0'])) {
            bail!("{word:?}: has a line break, which a job cannot carry; write it on one line");
        }
    }
    let here = env::current_dir().context("the working directory is gone")?;
    let here = here.display().to_string();
    let name = &suite.config.name;
    let gpu = suite.config.device != DeviceChoice::Cpu;
    match scheduler {
        Scheduler::Parallel => parallel(&groups, name, &here),
        Scheduler::Slurm => slurm(&groups, name, &here, gpu),
        Scheduler::Kubernetes => kubernetes(&groups, name, &here, gpu, cluster),
    }
}

fn groups(
    names: &[String],
    options: &Options,
    cluster: &Cluster,
    suite: &Suite<'_>,
) -> Result<Vec<Group>> {
    let config = suite.config;
    // Features that lack an unreadable clip are never done; what is made without it is.
    let features = suite.features().stage().name().to_owned();
    let missing = |wanted: &[Arc<dyn Work>]| -> Result<bool> {
        Ok(suite.lab.plan(wanted)?.iter().any(|stage| !stage.done && stage.stage != features))
    };
    let run = |names: &[String], seeds: &[u64], more: &[&str]| -> Vec<String> {
        let mut words = vec!["run".to_owned()];
        words.extend(names.iter().cloned());
        if let Some(config) = &options.config {
            words.extend(["--config".into(), config.clone()]);
        }
        for set in &options.sets {
            words.extend(["--set".into(), set.clone()]);
        }
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        words.extend(["--seeds".into(), seeds.join(",")]);
        words.extend(more.iter().map(|&word| word.to_owned()));
        words
    };
    let mut groups = Vec::new();
    if !suite.is_given() && !suite.features().stage().is_done()? && cluster.shards > 1 {
        let shards = cluster.shards.min(suite.features().pieces_count()).max(1);
        let shard = |index: usize| {
            let shard = format!("{index}/{shards}");
            run(names, &config.seeds, &["--only", "features", "--shard", &shard])
        };
        groups.push(Group { name: "features", commands: (0..shards).map(shard).collect() });
    }
    if missing(&experiments::shared(names, suite)?)? {
        let commands = vec![run(names, &config.seeds, &["--only", "shared"])];
        groups.push(Group { name: "shared", commands });
    }
    let (tables, others): (Vec<String>, Vec<String>) =
        names.iter().cloned().partition(|name| ["t1", "t2"].contains(&name.as_str()));
    let mut commands = Vec::new();
    for &seed in &config.seeds {
        let rows = if tables.is_empty() { Vec::new() } else { config.all_rows() };
        for row in rows {
            let own = config.narrowed(&[seed], std::slice::from_ref(row));
            if missing(&experiments::wanted(&tables, &suite.narrowed(&own))?)? {
                commands.push(run(&tables, &[seed], &["--only", "stages", "--rows", row]));
            }
        }
        for name in &others {
            let own = config.narrowed(&[seed], &[]);
            let name = std::slice::from_ref(name);
            if missing(&experiments::wanted(name, &suite.narrowed(&own))?)? {
                commands.push(run(name, &[seed], &["--only", "stages"]));
            }
        }
    }
    if !commands.is_empty() {
        groups.push(Group { name: "rows", commands });
    }
    groups.push(Group { name: "tables", commands: vec![run(names, &config.seeds, &[])] });
    Ok(groups)
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn line(command: &[String]) -> String {
    command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// The command of each index, for a shell that knows its own in `variable`.
fn by_index(commands: &[Vec<String>], variable: &str) -> String {
    let mut text = format!("case ${variable} in\n");
    for (index, command) in commands.iter().enumerate() {
        let _ = writeln!(text, "{index}) exec {} ;;", line(command));
    }
    text + "esac\n"
}

fn parallel(groups: &[Group], name: &str, here: &str) -> Result<String> {
    let mut text = format!(
        "#!/usr/bin/env bash\n# {name}: each group after the one before. `bash FILE` runs it \
         again after a failure:\n# what is done is not done twice.\nset -euo pipefail\ncd {}\n",
        quoted(here)
    );
    for Group { name, commands } in groups {
        let lines: Vec<String> = commands.iter().map(|command| line(command)).collect();
        if lines.iter().any(|line| line == "JOBS") {
            bail!("a job may not be called JOBS");
        }
        write!(
            text,
            "\n# {name}\nparallel --halt soon,fail=1 <<'JOBS'\n{}\nJOBS\n",
            lines.join("\n")
        )?;
    }
    Ok(text)
}

fn slurm(groups: &[Group], name: &str, here: &str, gpu: bool) -> Result<String> {
    let mut text = format!(
        "#!/usr/bin/env bash\n# {name}: `bash FILE` submits all of it; each array waits for the \
         one before. Account,\n# partition, time and memory: by sbatch's own variables \
         (SBATCH_ACCOUNT, SBATCH_PARTITION,\n# SBATCH_TIMELIMIT, SBATCH_MEM_PER_NODE).\n\
         set -euo pipefail\ncd {}\nafter=()\n",
        quoted(here)
    );
    let gres = if gpu { " --gres=gpu:1" } else { "" };
    for Group { name: group, commands } in groups {
        let last = commands.len() - 1;
        let job = quoted(&format!("{name}-{group}"));
        let body = by_index(commands, "SLURM_ARRAY_TASK_ID");
        write!(
            text,
            "\nid=$(sbatch --parsable --requeue --array=0-{last} --job-name={job}{gres} \
             \"${{after[@]}}\" <<'JOB'\n#!/usr/bin/env bash\n{body}JOB\n)\n\
             echo {job}: \"$id\"\nafter=(\"--dependency=afterok:${{id%%;*}}\")\n"
        )?;
    }
    Ok(text)
}

fn kubernetes(
    groups: &[Group],
    name: &str,
    here: &str,
    gpu: bool,
    cluster: &Cluster,
) -> Result<String> {
    let label: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let label = format!("dl-{}", label.trim_matches('-'));
    let mut text =
        String::from("# kubectl apply -f FILE starts the first job; then, in this order:\n");
    for pair in groups.windows(2) {
        let [before, after] = pair else { continue };
        let (before, after) = (before.name, after.name);
        writeln!(
            text,
            "# kubectl wait --for=condition=complete --timeout=-1s job/{label}-{before}"
        )?;
        writeln!(
            text,
            "# kubectl patch job/{label}-{after} -p '{{\"spec\":{{\"suspend\":false}}}}'"
        )?;
    }
    for (place, Group { name, commands }) in groups.iter().enumerate() {
        let script = by_index(commands, "JOB_COMPLETION_INDEX");
        let resources: Value =
            if gpu { json!({"limits": {"nvidia.com/gpu": 1}}) } else { json!({}) };
        let manifest = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": format!("{label}-{name}")},
            "spec": {
                "completionMode": "Indexed",
                "completions": commands.len(),
                "parallelism": commands.len(),
                "backoffLimit": 3 * commands.len(),
                "suspend": place > 0,
                "template": {"spec": {
                    "restartPolicy": "OnFailure",
                    "containers": [{
                        "name": "experiments",
                        "image": cluster.image,
                        "workingDir": here,
                        "command": ["/bin/sh", "-c", script],
                        "resources": resources,
                        "volumeMounts": [{"name": "work", "mountPath": here}],
                    }],
                    "volumes": [{
                        "name": "work",
                        "persistentVolumeClaim": {"claimName": cluster.claim},
                    }],
                }},
            },
        });
        // JSON is YAML.
        write!(text, "---\n{}\n", serde_json::to_string_pretty(&manifest)?)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_every_word_back() {
        let words = [
            "run",
            "",
            "data.root='/my disk/it'\"'\"'s'",
            "language_model={kind=\"pretrained\",path=\"/models/llama 2\"}",
            "$HOME `id` \\ * ? ~ # ! & ; | < > ( ) [ ] { }",
            "é ü",
            "--set",
        ];
        let command: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let script = format!("printf '%s\\n' {}", line(&command));
        let out = Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert_eq!(said.lines().collect::<Vec<_>>(), words);
        assert_eq!(quoted("bridges.a.steps=3"), "bridges.a.steps=3");
    }

    #[test]
    fn each_index_runs_its_own_command() {
        let command = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let commands: Vec<Vec<String>> =
            vec![command(&["echo", "a b"]), command(&["echo", "it's"])];
        for (index, expected) in ["a b\n", "it's\n"].into_iter().enumerate() {
            let script = by_index(&commands, "PLACE");
            let mut shell = Command::new("sh");
            let out = shell.args(["-c", &script]).env("PLACE", index.to_string()).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
        }
    }
}
