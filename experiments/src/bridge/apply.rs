//! `bridge apply`: audio embeddings through a fitted bridge.

use anyhow::{Context, Result};
use dl_core::embedding_set::write_rows;

use super::{ApplyArgs, check_output_file};

/// Writes the bridged rows.
pub fn run(args: &ApplyArgs) -> Result<()> {
    check_output_file(&args.output)?;
    let bridge = dl_diffusion::Bridge::load(&args.bridge, args.device.resolve()?)?;
    let (audio, ids) = args.rows.read()?;
    let bridged = bridge
        .apply(&audio, &ids, args.seed)
        .with_context(|| args.rows.path().display().to_string())?;
    write_rows(&args.output, &bridged)?;
    let (rows, dim) = bridged.dim();
    println!(
        "{}: {rows} rows of {dim} dimensions, through {}",
        args.output.display(),
        bridge.name()
    );
    Ok(())
}
