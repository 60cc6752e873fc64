//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    bridge::BridgeCommand, embed::Shard, encoders::ClapChoices, sentences::SentenceOptions,
};

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
    pub fn all_options(&self) -> Options {
        let after = match &self.command {
            None
            | Some(
                Command::List
                | Command::Bridge { .. }
                | Command::Manifest { .. }
                | Command::Merge { .. }
                | Command::Score { .. }
                | Command::PretrainClap { .. },
            ) => None,
            Some(
                Command::Run { options, .. }
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
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Prints the tables of finished runs again, without computing anything.
    Report {
        /// Run directories; without any, the newest run of each experiment.
        #[arg(value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Also keep the runs' figures in configs/<suite>/results and write their
        /// tables into README.md.
        #[arg(long)]
        readme: bool,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Captions sound files with the trained default.
    Caption {
        /// WAV, FLAC, MP3 or Ogg Vorbis files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
    /// Embeds the sounds and captions of a manifest (columns id, file, caption).
    Embed {
        /// CSV with the columns id, file, caption; several rows with one id and file give
        /// several captions to one clip. Files are relative to the manifest.
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
    /// Scores captions against references: BLEU, METEOR, ROUGE-L, CIDEr-D and variety.
    Score {
        #[command(flatten)]
        options: dl_score::Options,
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
