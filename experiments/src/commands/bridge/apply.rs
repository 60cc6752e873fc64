//! `bridge apply`: audio embeddings through a fitted bridge.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use dl_core::embedding_set::write_rows;

use super::{
    options::DeviceArgs,
    pairs::{Rows, RowsArgs},
};
use crate::{commands::output::check_file, console::Output};

/// Options of `bridge apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The bridge file.
    #[arg(long, value_name = "BRIDGE")]
    bridge: PathBuf,
    #[command(flatten)]
    rows: RowsArgs,
    /// Seed of the noise that sampling methods draw for each id.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// The file to write: an .npy file with f32 [clips, dims], rows of unit norm, or, of an
    /// EmbeddingSet, an EmbeddingSet (any other name) with the bridged audio and, of methods
    /// that move both sides, the captions beside it.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Writes the bridged rows, or the set with them.
pub fn run(args: &ApplyArgs, out: &mut Output) -> Result<()> {
    check_file(&args.output)?;
    let plain = args.output.extension().is_some_and(|ending| ending == "npy");
    let bridge = dl_diffusion::Bridge::load(&args.bridge, args.device.resolve()?)?;
    let rows = args.rows.read()?;
    let (audio, ids) = match &rows {
        Rows::Plain(audio, ids) => (audio, ids),
        Rows::Set(set) => (&set.audio, &set.ids),
    };
    let file = || args.rows.path().display().to_string();
    let bridged = bridge.apply(audio, ids, args.seed).with_context(file)?;
    let (count, dim) = bridged.dim();
    match &rows {
        Rows::Set(set) if !plain => {
            let mut moved = set.with_audio(bridged, bridge.name());
            moved.text = bridge.text(&set.text).with_context(file)?;
            moved.write(&args.output)?;
        }
        Rows::Set(_) => write_rows(&args.output, &bridged)?,
        Rows::Plain(..) if plain => write_rows(&args.output, &bridged)?,
        Rows::Plain(..) => bail!(
            "--output {}: rows of an .npy file go into an .npy file; give such a name",
            args.output.display()
        ),
    }
    out.line(format_args!(
        "{}: {count} rows of {dim} dimensions, through {}",
        args.output.display(),
        bridge.name()
    ))
}
