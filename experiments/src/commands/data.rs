//! `data check`: what of the configured data is there and can be used, clip by clip.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;
use dl_core::{FileError, atomic};
use dl_data::{CheckedClip, Clip, Corpus, Soundness, Split, check_sounds};

use super::{Options, output::check_file};
use crate::{
    config::{self, SuiteConfig},
    console::Output,
    stages::Services,
};

/// The list, beside the runs of the suite.
const LIST: &str = "data_check.csv";

/// What to do with the data of a configuration.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Decodes every sound once: what is missing, unreadable, silent, too short or doubled,
    /// and how much of the published split is left. Writes a list of all clips.
    Check {
        /// Clips shorter than this many seconds are listed as too short.
        #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
        shortest: f64,
        /// The list to write (CSV) [default: data_check.csv beside the suite's runs].
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Configuration.
        #[command(flatten)]
        options: Options,
    },
}

impl DataCommand {
    /// Configuration.
    pub fn options(&self) -> &Options {
        let Self::Check { options, .. } = self;
        options
    }
}

/// Runs the command.
pub fn run(
    command: &DataCommand,
    suite: &SuiteConfig,
    services: &Services<'_>,
    out: &mut Output,
) -> Result<()> {
    let DataCommand::Check { shortest, output, .. } = command;
    if !(shortest.is_finite() && *shortest >= 0.0) {
        bail!("--shortest {shortest}: give seconds, from 0 on");
    }
    let list = match output {
        Some(file) => file.clone(),
        None => suite.runs_dir()?.join(LIST),
    };
    check_file(&list)?;
    let corpus = config::open_corpus(&suite.data, suite.seed)?;
    for warning in corpus.warnings() {
        services.reporter.say(&format!("warning: {warning}"));
    }
    if corpus.embeddings(Split::Test).is_some() {
        let counts = Split::ALL.map(|split| corpus.clips(split).len().to_string()).join(" + ");
        return out.line(format_args!(
            "{}: {counts} clips, all of which can be used; there is no sound to listen to",
            corpus.name()
        ));
    }
    let progress = services.reporter.task("");
    let checked = check_sounds(corpus.as_ref(), *shortest, &progress);
    write(&list, &checked)?;
    out.line(table(corpus.as_ref(), &checked))?;
    out.line(list.display())
}

fn write(path: &Path, checked: &[CheckedClip]) -> Result<()> {
    let written = atomic::write(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["split", "id", "state", "seconds", "file", "remark"])?;
        for CheckedClip { split, id, soundness, file, seconds, remark } in checked {
            let seconds = seconds.map_or(String::new(), |seconds| format!("{seconds:.3}"));
            let file = file.as_ref().map_or(String::new(), |file| file.display().to_string());
            let record = [split.name(), id, soundness.name(), &seconds, &file, remark];
            writer.write_record(record)?;
        }
        writer.flush()
    });
    Ok(written.map_err(|source| FileError::io(path, source))?)
}

/// One line a split.
fn table(corpus: &dyn Corpus, checked: &[CheckedClip]) -> String {
    let heads = [
        "split",
        "listed",
        "usable",
        "share",
        "missing",
        "unreadable",
        "silent",
        "too short",
        "doubled",
        "captions",
        "repeated",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for split in Split::ALL {
        let own: Vec<&CheckedClip> = checked.iter().filter(|clip| clip.split == split).collect();
        let count = |state: Soundness| {
            own.iter().filter(|clip| clip.soundness == state).count().to_string()
        };
        let usable = own.iter().filter(|clip| clip.soundness.usable()).count();
        let share = match own.len() {
            0 => "none".into(),
            listed => format!("{:.1} %", 100.0 * usable as f64 / listed as f64),
        };
        let clips = corpus.clips(split);
        let captions: usize = clips.iter().map(|clip| clip.captions.len()).sum();
        let mut row =
            vec![split.name().to_owned(), own.len().to_string(), usable.to_string(), share];
        row.extend(Soundness::ALL.into_iter().skip(1).map(count));
        row.push(captions.to_string());
        row.push(clips.iter().filter(|clip| repeats(clip)).count().to_string());
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!(
        "{}\n{}\nUsable: what a run takes; silent, short and doubled clips are taken. Share: of \
         the clips that the list has. Captions: of clips with a sound; repeated: clips that have \
         one of their captions twice, which is kept.",
        corpus.name(),
        lines.join("\n")
    )
}

/// Whether a caption of the clip comes again.
fn repeats(clip: &Clip) -> bool {
    let captions = &clip.captions;
    captions.iter().enumerate().any(|(place, caption)| captions[..place].contains(caption))
}
