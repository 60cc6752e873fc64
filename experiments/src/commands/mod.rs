//! The command line: every command and option, and the file that does the work.

#![allow(unreachable_pub, reason = "the files of commands are private to the program")]

mod bridge;
mod caption;
mod data;
mod doctor;
mod embed;
mod encoder;
mod lm;
mod manifest;
mod merge;
mod output;
mod plan;
mod pretrain;
mod report;
mod run;
mod scenes;
mod score;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use dl_core::IfBusy;

use crate::{
    config::SuiteConfig,
    console::{Output, Reporter, note},
    process,
    stages::{Lab, Services, Suite},
};
use bridge::BridgeCommand;
use caption::CaptionOptions;
use data::DataCommand;
use embed::Shard;
use encoder::ClapChoices;
use lm::LmOptions;
use plan::{PlanOptions, Scheduler};
use run::RunOptions;
use score::SentenceOptions;

/// Every table of Diffusion-Link, from sound to score. Without a command: the
/// whole suite of the configuration (`embedded` unless said otherwise).
#[derive(Debug, Parser)]
#[command(name = "experiments", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Configuration.
    #[command(flatten)]
    pub options: Options,
    /// Jobs side by side, each on one thread [default: the number of cores; 1 on a GPU].
    /// Results do not depend on it. Of `plan`: for whom to print jobs (parallel, slurm or
    /// kubernetes).
    #[arg(long, global = true, value_name = "N", value_parser = jobs)]
    pub jobs: Option<Jobs>,
    /// What to do where another program works on the same: wait for it and use what it
    /// makes, or leave at once with exit code 1.
    #[arg(long, global = true, value_enum, default_value = "wait")]
    pub if_busy: Busy,
}

/// `--if-busy`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Busy {
    /// Wait.
    #[default]
    Wait,
    /// Leave.
    Leave,
}

/// `--jobs`.
#[derive(Clone, Copy, Debug)]
pub enum Jobs {
    /// So many side by side.
    Number(usize),
    /// Printed for a scheduler.
    For(Scheduler),
}

fn jobs(text: &str) -> Result<Jobs, String> {
    match text.parse() {
        Ok(jobs) if jobs > 0 => Ok(Jobs::Number(jobs)),
        Ok(_) => Err("use a number, at least 1".into()),
        Err(_) => Scheduler::from_str(text, false).map(Jobs::For).map_err(|_| {
            "use a number, at least 1, or with `plan` parallel, slurm or kubernetes".into()
        }),
    }
}

/// Options that stand before or after a command; both places count.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// A folder of configs/ (embedded, recorded) or a TOML file [default: embedded].
    #[arg(long, value_name = "NAME|FILE")]
    pub config: Option<String>,
    /// Overrides one entry, for example data.roots='["my/folder"]'; repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Seeds to average over, for example 0,1,2.
    #[arg(long, value_delimiter = ',', value_name = "N,N")]
    pub seeds: Option<Vec<u64>>,
}

impl Options {
    /// These, and `later` on top of them.
    fn then(mut self, later: &Self) -> Self {
        self.config = later.config.clone().or(self.config);
        self.sets.extend(later.sets.iter().cloned());
        self.seeds = later.seeds.clone().or(self.seeds);
        self
    }
}

impl Cli {
    /// The options before the command, and those after it on top of them.
    fn all_options(&self) -> Options {
        let after = match &self.command {
            None
            | Some(
                Command::List
                | Command::Bridge { .. }
                | Command::Manifest { .. }
                | Command::Lm { .. }
                | Command::Merge { .. }
                | Command::Score { .. }
                | Command::PretrainClap { .. },
            ) => None,
            Some(Command::Data { command }) => Some(command.options()),
            Some(
                Command::Run { options, .. }
                | Command::Plan { options, .. }
                | Command::Report { options, .. }
                | Command::Caption { options, .. }
                | Command::Embed { options, .. }
                | Command::Scenes { options, .. }
                | Command::Doctor { options },
            ) => Some(options),
        };
        self.options.clone().then(after.unwrap_or(&Options::default()))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the experiments.
    List,
    /// Runs experiments by name (see `list`).
    Run {
        /// Names.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Stages alone.
        #[command(flatten)]
        part: RunOptions,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Lists the stages of a run, what each takes and what is missing; computes nothing but
    /// short measurements. With `--jobs parallel|slurm|kubernetes`: what is missing as jobs.
    Plan {
        /// Names [default: the experiments of the configuration].
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// What to print.
        #[command(flatten)]
        plan: PlanOptions,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Prints the tables of finished runs again, without computing anything.
    Report {
        /// Run directories; without any, the newest run of each experiment.
        #[arg(value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Also keep the runs' figures in configs/<suite>/results and write the tables of
        /// README.md and experiments/results anew.
        #[arg(long)]
        keep: bool,
        /// Keep one run under another name than its experiment's, beside those that are kept: a
        /// few ablations over more seeds, for example.
        #[arg(long = "as", value_name = "NAME", requires = "keep")]
        name: Option<String>,
        /// Write tables, figures and captions to hear as one page that needs nothing else: a
        /// file, or report.html in a folder.
        #[arg(long, value_name = "FILE|DIR")]
        html: Option<PathBuf>,
        /// Clips on the page, at even distances; 0 leaves them out.
        #[arg(long, value_name = "N", default_value_t = report::CLIPS, requires = "html")]
        clips: usize,
        /// Only shows the second run's figures minus the first's, with paired tests over the
        /// clips of both.
        #[arg(long, num_args = 2, value_names = ["RUN1", "RUN2"])]
        #[arg(conflicts_with_all = ["runs", "keep", "html"])]
        compare: Vec<PathBuf>,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Captions sound files with the trained default of a configuration, or of a run.
    Caption {
        /// WAV, FLAC, MP3 or Ogg Vorbis files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Where the captioner comes from, and how captions are printed.
        #[command(flatten)]
        how: CaptionOptions,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Looks at the sounds and captions of the configuration.
    Data {
        /// What to do.
        #[command(subcommand)]
        command: DataCommand,
    },
    /// Embeds the sounds and captions of a manifest (columns file, caption and, where the
    /// file is no good name, id).
    Embed {
        /// CSV with the columns file, caption and id (the file without one); several rows with
        /// one id and file give several captions to one clip. Files are relative to the
        /// manifest.
        #[arg(long, value_name = "CSV")]
        manifest: PathBuf,
        /// The EmbeddingSet to write (safetensors).
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// A CLAP directory, a LAION .pt file, a TorchScript bundle or the name of a
        /// configuration [default: the encoder of the configuration].
        #[arg(long, value_name = "PATH|NAME")]
        encoder: Option<String>,
        /// For CLAP files.
        #[command(flatten)]
        choices: ClapChoices,
        /// Only slice I, counted from 0 to N - 1, of N slices; `merge` joins them.
        #[arg(long, value_name = "I/N")]
        shard: Option<Shard>,
        /// Also write audio.npy, text.npy and owners.npy beside it.
        #[arg(long, conflicts_with = "shard")]
        npy: bool,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Joins the shards that `embed --shard` wrote.
    Merge {
        /// The shards, in any order.
        #[arg(required = true, value_name = "FILE")]
        shards: Vec<PathBuf>,
        /// The EmbeddingSet to write (safetensors).
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// Also write audio.npy, text.npy and owners.npy beside it.
        #[arg(long)]
        npy: bool,
    },
    /// Bridges for your own embeddings: fit, apply and compare, without sound or a language
    /// model.
    Bridge {
        /// What to do.
        #[command(subcommand)]
        command: BridgeCommand,
    },
    /// Continues texts with any language model that loads, to try one before tuning it.
    Lm(LmOptions),
    /// Scores captions against references: BLEU, METEOR, ROUGE-L, CIDEr-D, SPICE, SPIDEr and
    /// variety; BERTScore, FENSE, CLAP similarity and MACE with the models that are named.
    Score {
        /// Files and metrics.
        #[command(flatten)]
        options: dl_score::Options,
        /// Models behind further metrics.
        #[command(flatten)]
        sentences: SentenceOptions,
    },
    /// Writes the scenes of one split as WAV files and a CSV, to listen to.
    Scenes {
        /// train, validation or test.
        #[arg(long, default_value = "test")]
        split: String,
        /// The folder to write.
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
        /// At most this many scenes.
        #[arg(long, default_value_t = 20)]
        count: usize,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Writes manifest.csv for a folder of recordings laid out as <folder>/<label>/<file>.
    Manifest {
        /// The folder.
        folder: PathBuf,
    },
    /// Trains a small CLAP from a recipe and writes it as a model directory.
    PretrainClap {
        /// The recipe [default: configs/embedded/clap.toml of the repository].
        #[arg(long, value_name = "FILE")]
        recipe: Option<PathBuf>,
        /// The directory to write.
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
        /// Overrides one entry of the recipe; repeatable.
        #[arg(long = "set", value_name = "KEY=VALUE")]
        recipe_sets: Vec<String>,
    },
    /// Checks libtorch, device, models and data; one remedy for each fault.
    Doctor {
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
}

impl Command {
    /// Whether it computes with tensors, for which the process has to be set up.
    fn computes(&self) -> bool {
        !matches!(
            self,
            Self::List
                | Self::Report { .. }
                | Self::Manifest { .. }
                | Self::Merge { .. }
                | Self::Data { .. }
        )
    }
}

/// The program.
pub fn main() -> ExitCode {
    quiet_panics();
    let mut out = Output::new();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error, &mut out),
    };
    if cli.command.as_ref().is_none_or(Command::computes) {
        process::settle();
    }
    let result = run(&cli, &mut out);
    match result {
        Ok(code) => code,
        Err(error) => {
            note(format_args!("error: {}", one_line(&error)));
            ExitCode::from(1)
        }
    }
}

/// Help, the version, or what is wrong with the line typed.
fn explain(error: &clap::Error, out: &mut Output) -> ExitCode {
    if error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(2);
    }
    match out.write(&error.render().to_string()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("error: {error:#}"));
            ExitCode::from(1)
        }
    }
}

fn run(cli: &Cli, out: &mut Output) -> Result<ExitCode> {
    let options = cli.all_options();
    let name = options.config.as_deref().unwrap_or("embedded");
    let load = || SuiteConfig::load(name, &options.sets, options.seeds.as_deref());
    let reporter = Reporter::new();
    let if_busy = match cli.if_busy {
        Busy::Wait => IfBusy::Wait,
        Busy::Leave => IfBusy::Leave,
    };
    let (jobs, scheduler) = match cli.jobs {
        None => (None, None),
        Some(Jobs::Number(jobs)) => (Some(jobs), None),
        Some(Jobs::For(scheduler)) => (None, Some(scheduler)),
    };
    if scheduler.is_some() && !matches!(cli.command, Some(Command::Plan { .. })) {
        bail!("--jobs: only `plan` prints jobs for a scheduler; give a number");
    }
    let services = Services { reporter: &reporter, jobs, if_busy };
    // Sound is decoded and transformed by a pool of threads of its own.
    let threads = jobs.unwrap_or_else(process::cores);
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    match &cli.command {
        Some(Command::List) => run::list(out)?,
        Some(Command::Report { compare, .. }) if !compare.is_empty() => {
            report::compare(&compare[0], &compare[1], out)?;
        }
        Some(Command::Report { runs, keep, name, html, clips, .. }) => {
            let keep = keep.then_some(name.as_deref());
            let page = html.as_deref().map(|path| report::Page { path, clips: *clips });
            report::run(runs, keep, page, &load()?, out)?;
        }
        Some(Command::Doctor { .. }) => return doctor::run(&load()?, out),
        Some(Command::Bridge { command }) => bridge::run(command, &services, out)?,
        Some(Command::Manifest { folder }) => manifest::run(folder, out)?,
        Some(Command::PretrainClap { recipe, output, recipe_sets }) => {
            pretrain::run(recipe.as_deref(), recipe_sets, output, &services, out)?;
        }
        Some(Command::Run { names, part, .. }) => {
            let config = load()?;
            match part.only {
                Some(only) => run::stages(names, only, part, &config, &services)?,
                None => {
                    run::run(names, &config, &services, out)?;
                    report::of_suite(&config);
                }
            }
        }
        Some(Command::Plan { names, plan, .. }) => {
            return plan::run(names, &options, plan, scheduler, &services, out);
        }
        Some(Command::Data { command }) => data::run(command, &load()?, &services, out)?,
        Some(Command::Caption { files, how, .. }) => {
            let config = how.config(&options, load)?;
            let lab = Lab::new(&services, &config)?;
            return caption::run(files, how, &Suite::open(&lab, &config)?, out);
        }
        Some(Command::Embed { manifest, output, npy, encoder, choices, shard, .. }) => {
            let output = embed::Output { file: output, npy: *npy, shard: *shard };
            output.check()?;
            let manifest = embed::Manifest::read(manifest)?;
            let encoder = encoder::Named::find(encoder.as_deref(), *choices, load()?, &services)?;
            return embed::run(&manifest, &output, &encoder, &services, out);
        }
        Some(Command::Lm(options)) => lm::run(options, jobs, out)?,
        Some(Command::Score { options, sentences }) => score::run(options, sentences)?,
        Some(Command::Merge { shards, output, npy }) => merge::run(shards, output, *npy, out)?,
        Some(Command::Scenes { split, output, count, .. }) => {
            scenes::run(split, output, *count, &load()?, &services, out)?;
        }
        None => {
            let config = load()?;
            run::run(&config.experiments, &config, &services, out)?;
            report::of_suite(&config);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The chain of causes on one line, each said once, without a C++ trace.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = dl_torch::error::first_line(&cause.to_string());
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

/// A panic is a fault of the program. It is reported in one line, without the
/// C++ trace that libtorch puts into its messages.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic
            .payload()
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.payload().downcast_ref::<&str>().copied())
            .unwrap_or("unknown");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        note(format_args!(
            "error: internal fault at {place}: {} (please report it with the command you typed)",
            dl_torch::error::first_line(message)
        ));
    }));
}
