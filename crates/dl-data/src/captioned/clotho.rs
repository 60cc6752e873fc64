//! Clotho (Drossos et al., ICASSP 2020): recordings of Freesound with five captions each.
//! `clotho_captions_{development,validation,evaluation}.csv` have the columns `file_name`
//! and `caption_1` to `caption_5`; the sound lies in folders of the splits' names.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use dl_core::{ConfigError, FileError, fault::check};
use serde::{Deserialize, Serialize};

use super::{Found, Listing, sound_files::SoundFiles, table::Table};
use crate::{corpus::Corpus, error::DataError, kind::CorpusKind, split::Split};

/// What Clotho calls the splits.
const NAMES: [(Split, &str); 3] =
    [(Split::Train, "development"), (Split::Validation, "validation"), (Split::Test, "evaluation")];

/// Clotho as it lies on a disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClothoConfig {
    /// The folder with `development/`, `validation/` and `evaluation/`, or with folders that
    /// hold them.
    pub root: PathBuf,
    /// The folder with `clotho_captions_development.csv` and the others. Default: `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captions: Option<PathBuf>,
}

crate::register_corpus!(ClothoConfig);

impl CorpusKind for ClothoConfig {
    const KIND: &'static str = "clotho";

    fn validate(&self) -> Result<(), ConfigError> {
        let named = !self.root.as_os_str().is_empty();
        check(named, "root", "''", "the folder that Clotho lies in")
    }

    fn open(&self, _: u64, folder: &Path) -> Result<Box<dyn Corpus>, DataError> {
        let root = folder.join(&self.root);
        let sounds = SoundFiles::under(&root, "data.root")?;
        let tables = self.captions.as_ref().map_or(root, |captions| folder.join(captions));
        let mut listing = Listing::new();
        for warning in &sounds.warnings {
            listing.warn(warning.clone());
        }
        for (split, name) in NAMES {
            read_table(&tables.join(format!("clotho_captions_{name}.csv")), split, &mut listing)?;
        }
        let corpus = listing.open(Self::KIND, |split, id, ()| {
            let stem = Path::new(id).file_stem().unwrap_or_default().to_string_lossy();
            // Names of different splits may be equal.
            match sounds.find(&stem, |folder| folder == NAMES[split as usize].1, true) {
                Some((file, _)) => Found::File(file),
                None => Found::Nothing(format!("{}/{id}", NAMES[split as usize].1)),
            }
        });
        Ok(Box::new(corpus))
    }
}

/// Adds the rows of the table of a split: one for each clip.
fn read_table(path: &Path, split: Split, listing: &mut Listing<()>) -> Result<(), FileError> {
    if !path.is_file() {
        let problem = "is not there; put Clotho's caption tables there, or name their folder \
                       with `data.captions`";
        return Err(FileError::invalid(path, problem));
    }
    let table = Table::read(path)?;
    let [file_name] = table.columns(["file_name"])?;
    let columns: Vec<usize> =
        (1..).map_while(|number| table.column(&format!("caption_{number}"))).collect();
    if columns.is_empty() {
        table.columns(["file_name", "caption_1"])?;
    }
    let mut seen = HashMap::new();
    for row in table.rows() {
        let name = row.required(file_name)?;
        let captions: Vec<String> =
            columns.iter().map(|&column| row.caption(column)).collect::<Result<_, _>>()?;
        if let Some((line, before)) = seen.get(name) {
            if *before == captions {
                listing.warn(format!(
                    "{}: line {} says again what line {line} says; it is taken once",
                    path.display(),
                    row.line()
                ));
                continue;
            }
            let problem =
                format!("'{name}' stands on line {line} with other captions; delete one of them");
            return Err(row.fault(problem));
        }
        for caption in &captions {
            listing.add(split, name, (), caption.clone());
        }
        seen.insert(name, (row.line(), captions));
    }
    if let Some(warning) = table.warning() {
        listing.warn(warning);
    }
    Ok(())
}
