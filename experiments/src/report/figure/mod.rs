//! Figures, one file each. They are drawn from records, or from what an experiment wrote for
//! them, as SVG that stands on a page of its own or in one.

mod axis;
mod forest;
mod histogram;
mod migration;
mod plane;
mod svg;
mod sweep;

pub(super) use forest::{ForestColumn, forest};
pub(super) use histogram::histograms;
pub use histogram::{Cosines, Histogram};
pub(super) use migration::migration_inline;
pub use migration::{Migration, migration};
pub(super) use svg::STYLE;
pub use sweep::{CAPTION_PANELS, GAP_PANELS, Panels, sweep};
pub(super) use sweep::{Curve, curves};
