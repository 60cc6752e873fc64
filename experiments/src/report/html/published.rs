//! Published numbers beside ours, each with why it may not be compared. Only what is certain:
//! the two relative gains in the abstract of Diffusion-Link (arXiv 2510.11330); its tables
//! and hyper-parameters are not public.

use dl_core::RunDir;

use crate::report::table::Table;

/// The column's head.
pub(super) const HEAD: &str = "published gain in CIDEr %";

/// The row that the paper is about.
const ROW: &str = "diffusion link";

/// The published figure of the rows of a table; none where no row has one.
pub(super) struct Published {
    figure: f64,
    /// Why ours is not to be compared with it.
    pub(super) reason: &'static str,
}

impl Published {
    /// For a table of a run.
    pub(super) fn of(run: &RunDir, table: &Table) -> Option<Self> {
        let figure = match table.name.as_str() {
            "t2_zero_shot" => 52.5,
            "t2_supervised" => 7.5,
            _ => return None,
        };
        table.rows.iter().any(|row| row.label == ROW).then(|| {
            let reason = match data_kind(run).as_deref() {
                Some("audiocaps") => {
                    "the encoder, the language model and the clips of the paper are not public"
                }
                _ => "it is over AudioCaps, with another encoder and another language model",
            };
            Self { figure, reason }
        })
    }

    /// That of a row.
    pub(super) fn figure(&self, row: &str) -> Option<f64> {
        (row == ROW).then_some(self.figure)
    }

    /// What stands below the table.
    pub(super) fn note(&self) -> String {
        format!(
            "Published: \"up to\" +{} % relative CIDEr of Diffusion-Link over its own system \
             without the bridge, on AudioCaps (abstract of arXiv 2510.11330). Not comparable: {}.",
            self.figure, self.reason
        )
    }
}

/// The kind of corpus that a run's configuration names.
fn data_kind(run: &RunDir) -> Option<String> {
    let text = dl_core::text::read(&run.file("config.toml")).ok()?;
    let config: toml::Table = toml::from_str(&text).ok()?;
    Some(config.get("data")?.get("kind")?.as_str()?.to_owned())
}
