//! The user's embeddings: `.npy` files or an `EmbeddingSet`, checked before anything
//! is built on them, and cut into parts by the clips' ids.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use dl_core::{
    EmbeddingSet,
    embedding_set::read_rows,
    noise::{Noise, item_of},
    text, unit,
};
use dl_diffusion::BridgeData;
use ndarray::Array2;

use crate::console::note;

/// How far a norm may be from 1.
const TOLERANCE: f64 = 1e-3;

/// Where pairs come from.
#[derive(Debug, Args)]
pub struct PairsArgs {
    #[command(flatten)]
    rows: RowsArgs,
    /// Text embeddings, .npy f32 [captions, dims].
    #[arg(long, value_name = "NPY", requires = "audio")]
    text: Option<PathBuf>,
    /// The clip of each caption, .npy i64 [captions], counted from 0 [default: one caption
    /// for each clip, in order].
    #[arg(long, value_name = "NPY", requires = "audio")]
    owners: Option<PathBuf>,
    /// An EmbeddingSet to fit to, where the parts are not to be drawn.
    #[arg(
        long, value_name = "FILE", requires = "validation", conflicts_with_all = ["audio", "embeddings"]
    )]
    train: Option<PathBuf>,
    /// An EmbeddingSet to choose by.
    #[arg(long, value_name = "FILE", requires = "train")]
    validation: Option<PathBuf>,
    /// Use sets of different encoders, and sets that share clips, all the same.
    #[arg(long, requires = "train")]
    insist: bool,
}

/// Where audio embeddings come from.
#[derive(Debug, Args)]
pub struct RowsArgs {
    /// Audio embeddings, .npy f32 [clips, dims].
    #[arg(long, value_name = "NPY")]
    audio: Option<PathBuf>,
    /// An EmbeddingSet (safetensors) in place of .npy files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["audio", "ids"])]
    embeddings: Option<PathBuf>,
    /// A text file with the id of each clip, one a line [default: the row numbers].
    #[arg(long, value_name = "TXT", requires = "audio")]
    ids: Option<PathBuf>,
    /// Scale every row to unit norm.
    #[arg(long)]
    normalise: bool,
}

/// The pairs, whole or in the parts that the user made.
#[allow(clippy::large_enum_variant, reason = "there is one in a run of the program")]
pub enum Pairs {
    /// Parts are to be drawn.
    Whole(EmbeddingSet),
    /// To fit to, and to choose by.
    Parts {
        /// To fit to.
        train: EmbeddingSet,
        /// To choose by.
        validation: EmbeddingSet,
    },
}

impl PairsArgs {
    /// Reads and checks the pairs.
    pub fn read(&self) -> Result<Pairs> {
        if let (Some(train), Some(validation)) = (&self.train, &self.validation) {
            let (train, validation) = (self.read_set(train)?, self.read_set(validation)?);
            self.belong(&train, &validation).context("--train and --validation")?;
            return Ok(Pairs::Parts { train, validation });
        }
        let (mut set, audio, text) = match (&self.rows.embeddings, &self.rows.audio, &self.text) {
            (Some(path), ..) => return Ok(Pairs::Whole(self.read_set(path)?)),
            (None, Some(audio), Some(text)) => {
                let mut notes = Vec::new();
                let owners = self.owners.as_deref();
                let mut set = EmbeddingSet::import_npy(audio, text, owners, &mut notes)?;
                tell(&notes);
                if let Some(ids) = self.rows.ids(set.len())? {
                    set.ids = ids;
                    set.validate(self.rows.ids.as_deref().unwrap_or(audio))?;
                }
                (set, audio, text)
            }
            (None, Some(_), None) => bail!("--audio: give the captions' embeddings, too (--text)"),
            (None, None, _) => {
                bail!("give --audio and --text, or --embeddings, or --train and --validation")
            }
        };
        self.check(&mut set, audio, text)?;
        Ok(Pairs::Whole(set))
    }

    /// An EmbeddingSet, checked.
    pub fn read_set(&self, path: &Path) -> Result<EmbeddingSet> {
        let mut set = EmbeddingSet::read(path)?;
        self.check(&mut set, path, path)?;
        Ok(set)
    }

    /// What a bridge is fitted on.
    pub fn data<'s>(
        &self,
        train: &'s EmbeddingSet,
        validation: &'s EmbeddingSet,
    ) -> BridgeData<'s> {
        let data = BridgeData::new(train, validation);
        if self.insist { data.insist() } else { data }
    }

    /// Refuses sets of two encoders, and sets that share clips, unless the user insists.
    pub fn belong(&self, one: &EmbeddingSet, other: &EmbeddingSet) -> Result<()> {
        if self.insist && one.dim() == other.dim() {
            return Ok(());
        }
        one.same_encoder(other)
            .and_then(|()| one.disjoint(other))
            .map_err(|error| anyhow!("{error}; give --insist to use them all the same"))
    }

    fn check(&self, set: &mut EmbeddingSet, audio: &Path, text: &Path) -> Result<()> {
        if let Some(clip) = set.captions_of().iter().position(Vec::is_empty) {
            bail!("{}: clip '{}' has no caption; leave it out", audio.display(), set.ids[clip]);
        }
        self.rows.unit(&mut set.audio, "audio", audio)?;
        self.rows.unit(&mut set.text, "text", text)
    }

    /// What the pairs are called in tables: the name of their file.
    pub fn name(&self) -> String {
        let path = self.rows.embeddings.as_ref().or(self.rows.audio.as_ref());
        let stem = path.or(self.train.as_ref()).and_then(|path| path.file_stem());
        stem.unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Audio embeddings to apply a bridge to.
#[allow(clippy::large_enum_variant, reason = "there is one in a run of the program")]
pub enum Rows {
    /// `[clips, dims]` with ids.
    Plain(Array2<f32>, Vec<String>),
    /// A set, with captions.
    Set(EmbeddingSet),
}

impl RowsArgs {
    /// The file that the rows come from.
    pub fn path(&self) -> &Path {
        self.embeddings.as_ref().or(self.audio.as_ref()).map_or(Path::new(""), PathBuf::as_path)
    }

    /// The embeddings and the clips' ids.
    pub fn read(&self) -> Result<Rows> {
        match (&self.embeddings, &self.audio) {
            (Some(path), _) => {
                let mut set = EmbeddingSet::read(path)?;
                self.unit(&mut set.audio, "audio", path)?;
                self.unit(&mut set.text, "text", path)?;
                Ok(Rows::Set(set))
            }
            (None, Some(path)) => {
                let mut notes = Vec::new();
                let mut audio = read_rows(path, &mut notes)?;
                tell(&notes);
                let rows = audio.nrows();
                let ids = self.ids(rows)?;
                let ids = ids.unwrap_or_else(|| (0..rows).map(|row| row.to_string()).collect());
                self.unit(&mut audio, "audio", path)?;
                Ok(Rows::Plain(audio, ids))
            }
            (None, None) => bail!("give --audio or --embeddings"),
        }
    }

    fn ids(&self, rows: usize) -> Result<Option<Vec<String>>> {
        let Some(path) = &self.ids else { return Ok(None) };
        let ids: Vec<String> = text::read(path)?.lines().map(str::to_owned).collect();
        if ids.len() != rows {
            let lines = ids.len();
            bail!("{}: {lines} ids for {rows} clips; give one a line", path.display());
        }
        Ok(Some(ids))
    }

    /// Rows that are not of unit norm are scaled with `--normalise` and refused without.
    fn unit(&self, rows: &mut Array2<f32>, side: &str, path: &Path) -> Result<()> {
        for (index, row) in rows.outer_iter_mut().enumerate() {
            let norm = unit::norm(row.view());
            // A row without a direction or with a NaN is for the bridge to refuse.
            if norm == 0.0 || !norm.is_finite() || (norm - 1.0).abs() <= TOLERANCE {
                continue;
            }
            if !self.normalise {
                let shown = if (1e-3..1e5).contains(&norm) {
                    format!("{norm:.4}")
                } else {
                    format!("{norm:.3e}")
                };
                bail!(
                    "{}: row {index} of {side} has the norm {shown}, not 1; scale the rows to \
                     unit norm, or give --normalise",
                    path.display()
                );
            }
            unit::scale(row);
        }
        Ok(())
    }
}

/// Says what was done to the user's files on the way.
fn tell(notes: &[String]) {
    for one in notes {
        note(format_args!("note: {one}"));
    }
}

/// Cuts a set by the hashes of its clips' ids: about `share` of the clips, and the
/// others. A clip's side does not hang on the clips beside it. `stream` names the cut, so
/// that two cuts are independent; `option` is what the user gave `share` with.
pub fn split(
    set: &EmbeddingSet,
    share: f64,
    fewest: usize,
    stream: &str,
    option: &str,
) -> Result<(EmbeddingSet, EmbeddingSet)> {
    let noise = Noise::new(0, stream);
    let inside = |id: &String| {
        let mut uniform = [0.0];
        noise.fill_uniform(item_of(id), 0, &mut uniform);
        f64::from(uniform[0]) < share
    };
    let (held, kept): (Vec<usize>, Vec<usize>) =
        (0..set.len()).partition(|&clip| inside(&set.ids[clip]));
    if held.len() < fewest || kept.len() < fewest {
        let (clips, count) = (set.len(), held.len());
        bail!(
            "--{option} {share} takes {count} of {clips} clips, but each part needs {fewest}; give \
             another share or more clips"
        );
    }
    Ok((set.select(&held), set.select(&kept)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dl_core::Provenance;

    fn set(clips: usize) -> EmbeddingSet {
        let rows = |count: usize| Array2::from_shape_fn((count, 2), |(i, j)| (10 * i + j) as f32);
        EmbeddingSet {
            ids: (0..clips).map(|clip| format!("clip {clip}")).collect(),
            audio: rows(clips),
            captions: (0..2 * clips).map(|caption| format!("caption {caption}")).collect(),
            owners: (0..2 * clips).map(|caption| caption % clips).collect(),
            text: rows(2 * clips),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn parts_are_whole_disjoint_and_do_not_hang_on_other_clips() {
        let (whole, half) = (set(200), set(100));
        let cut = |set: &EmbeddingSet| split(set, 0.2, 1, "a cut", "test-share").unwrap();
        let (held, kept) = cut(&whole);
        // Five standard errors of 200 draws at 0.2 are 28.
        assert!((12..=68).contains(&held.len()), "{}", held.len());
        assert_eq!(held.len() + kept.len(), 200);
        assert!(held.ids.iter().all(|id| !kept.ids.contains(id)));
        assert!(cut(&half).0.ids.iter().all(|id| held.ids.contains(id)));
        let other = split(&whole, 0.2, 1, "another cut", "test-share").unwrap().0;
        assert_ne!(other.ids, held.ids);
        let error = split(&set(3), 0.01, 2, "a cut", "test-share").unwrap_err().to_string();
        assert!(error.contains("--test-share 0.01 takes 0 of 3 clips"), "{error}");
    }
}
