//! Records of figures, the tables and figures that show them, and the results that are
//! kept. Knows nothing of where records come from.

mod claim;
pub mod figure;
mod finish;
mod kept;
mod pages;
mod record;
mod table;
mod tables;

pub use finish::finish;
pub use kept::keep;
pub use pages::write_pages;
pub use record::{FIGURE_FILE, METRICS_FILE, RUN_FILE, Record, RunInfo, read};
pub use table::{Column, Estimate, Row, Table, Versus};
pub use tables::build;
