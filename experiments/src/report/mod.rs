//! Records of figures, the tables, figures and the page that show them, comparisons of runs,
//! and the results that are kept. Knows nothing of where records come from.

mod claim;
mod compare;
mod escape;
pub mod figure;
mod finish;
mod form;
pub mod html;
pub mod items;
mod kept;
mod latex;
mod pages;
mod pictures;
mod record;
mod speeds;
mod table;
mod tables;

pub use compare::compare;
pub use finish::finish;
pub use kept::{check_name, keep};
pub use pages::write_pages;
pub use pictures::Pictures;
pub use record::{FIGURE_FILE, METRICS_FILE, RUN_FILE, Record, RunInfo, read};
pub use speeds::Speeds;
pub use table::{Column, Estimate, Row, Table, Versus};
pub use tables::build;
