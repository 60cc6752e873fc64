//! `scenes`: a corpus as files, to listen to.

use std::path::Path;

use anyhow::{Result, bail};
use dl_data::Split;

use crate::{
    config::{self, SuiteConfig},
    console::Output,
    stages::Services,
};

/// Writes up to `count` scenes of a split as WAV files with `scenes.csv`.
pub fn run(
    split: &str,
    output: &Path,
    count: usize,
    suite: &SuiteConfig,
    services: &Services<'_>,
    out: &mut Output,
) -> Result<()> {
    let split = match split {
        "train" => Split::Train,
        "validation" => Split::Validation,
        "test" => Split::Test,
        other => bail!("--split {other}: use train, validation or test"),
    };
    super::output::check_folder(output)?;
    let corpus = config::open_corpus(&suite.data, suite.seed)?;
    for warning in corpus.warnings() {
        services.reporter.say(&format!("warning: {warning}"));
    }
    let progress = services.reporter.task("");
    let written = dl_data::export(corpus.as_ref(), split, count, output, &progress)?;
    out.line(format_args!("{written} scenes in {}", output.display()))
}
