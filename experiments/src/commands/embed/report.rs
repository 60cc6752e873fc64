//! The end of `embed` and `merge`: the files, and whether the embeddings look sane.

use std::path::Path;

use anyhow::Result;
use dl_core::EmbeddingSet;
use dl_encoder::Sanity;

use crate::console::{Output, note};

/// Writes the set, with `npy` also as `.npy` files beside it, and says what is in it.
pub fn finish(set: &EmbeddingSet, file: &Path, npy: bool, out: &mut Output) -> Result<()> {
    write(set, file, npy)?;
    say(set, file, out)
}

/// Writes the set, with `npy` also as `.npy` files beside it.
pub(super) fn write(set: &EmbeddingSet, file: &Path, npy: bool) -> Result<()> {
    set.write(file)?;
    if npy {
        set.export_npy(file.parent().unwrap_or(Path::new("")))?;
    }
    Ok(())
}

/// Says what is in the set.
pub(super) fn say(set: &EmbeddingSet, file: &Path, out: &mut Output) -> Result<()> {
    let report = Sanity::of(set)?;
    for warning in &report.warnings {
        note(format_args!("warning: {warning}"));
    }
    out.line(format_args!("{}:{}", file.display(), figures(&report)))
}

fn figures(report: &Sanity) -> String {
    let norms = |(low, high): (f64, f64)| format!("{low:.3} to {high:.3}");
    format!(
        " {} clips, {} captions, {} dimensions\n  \
         norms: audio {}, text {}\n  \
         mean cosine: two clips {:.3}, two captions {:.3}\n  \
         a clip and its captions {:.3}, and captions of others {:.3}\n  \
         R@1, audio to text: {:.3}",
        report.clips,
        report.captions,
        report.dim,
        norms(report.audio_norms),
        norms(report.text_norms),
        report.audio_cosine,
        report.text_cosine,
        report.paired_cosine,
        report.unpaired_cosine,
        report.recall_at_1
    )
}
