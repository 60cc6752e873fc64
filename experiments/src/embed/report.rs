//! The end of `embed` and `merge`: the files, and whether the embeddings look sane.

use std::path::Path;

use anyhow::Result;
use dl_core::EmbeddingSet;
use dl_encoder::Sanity;

/// Writes the set, with `npy` also as `.npy` files beside it, and says what is in it.
pub fn finish(set: &EmbeddingSet, output: &Path, npy: bool) -> Result<()> {
    set.write(output)?;
    if npy {
        set.export_npy(output.parent().unwrap_or(Path::new("")))?;
    }
    let report = Sanity::of(set)?;
    println!("{}:{}", output.display(), figures(&report));
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(())
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
