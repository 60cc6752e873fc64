//! The experiments by name, and running them. Each asks stages, which are made side by
//! side, and makes records of what they hold.

mod ablations;
mod encoders;
mod nearest;
mod outcome;
mod recognition;
mod sentences;
pub mod t1;
pub mod t2;
mod transfer;

use std::sync::Arc;

use anyhow::{Result, bail};
use dl_core::{RunDir, Store};
use dl_data::{Clip, Split};
use dl_eval::caption::registry;

pub use nearest::nearest;
pub use outcome::Outcome;
pub use sentences::{Fluency, Sentences};

use crate::{
    report,
    stages::{Planned, Suite, Work},
};

/// Changes whenever the same stages give other records.
const VERSION: u32 = 3;

/// The stages that an experiment asks for.
type Wanted = Vec<Arc<dyn Work>>;

/// One table or ablation.
pub struct Experiment {
    /// What `run` takes.
    pub name: &'static str,
    /// One line for `list`.
    pub about: &'static str,
    /// Whether it cannot do without the words of captions.
    words: bool,
    wanted: fn(&Suite<'_>) -> Result<Wanted>,
    run: fn(&Suite<'_>, &RunDir) -> Result<Outcome>,
}

/// All of them.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "t1",
        about: "modality gap before and after every bridge",
        words: false,
        wanted: t1::wanted,
        run: t1::run,
    },
    Experiment {
        name: "t2",
        about: "captioning through every bridge, zero-shot and fully supervised",
        words: true,
        wanted: t2::wanted,
        run: t2::run,
    },
    Experiment {
        name: "encoders",
        about: "T1 over the suite's encoder and over each of [encoders], on the same scenes",
        words: false,
        wanted: encoders::wanted,
        run: encoders::run,
    },
    Experiment {
        name: "ablations",
        about: "variants, each of [ablations], on the validation split",
        words: false,
        wanted: ablations::wanted,
        run: ablations::run,
    },
    Experiment {
        name: "transfer",
        about: "bridges fitted here and applied to each corpus of [transfer], as T1",
        words: false,
        wanted: transfer::wanted,
        run: transfer::run,
    },
    Experiment {
        name: "recognition",
        about: "how often a caption names the class of an unmixed test recording",
        words: true,
        wanted: recognition::wanted,
        run: recognition::run,
    },
];

fn find(name: &str) -> Result<&'static Experiment> {
    EXPERIMENTS.iter().find(|experiment| experiment.name == name).map_or_else(
        || {
            let known = EXPERIMENTS.iter().map(|e| e.name).collect::<Vec<_>>().join(", ");
            bail!("there is no experiment '{name}'; there are {known}")
        },
        Ok,
    )
}

/// Checks that every name is known.
///
/// # Errors
/// For the first that is not, with all that are.
pub fn known(names: &[String]) -> Result<()> {
    names.iter().try_for_each(|name| find(name).map(|_| ()))
}

/// Every stage behind the experiments, and whether it is done. Nothing is computed.
///
/// # Errors
/// When a name is not known or a stage's directory is of something else.
pub fn plan(names: &[String], suite: Suite<'_>) -> Result<Vec<Planned>> {
    let suite = suite.to_plan();
    suite.lab.plan(&wanted(names, &suite)?)
}

/// The stages that the experiments ask for, the features of the corpus first.
///
/// # Errors
/// When a name is not known, or the suite lacks what an experiment is over.
pub fn wanted(names: &[String], suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let mut wanted: Wanted = Vec::new();
    if !suite.is_given() {
        wanted.push(suite.features());
    }
    for name in names {
        wanted.extend((find(name)?.wanted)(suite)?);
    }
    Ok(wanted)
}

/// Those stages of the experiments that every row and every seed stands on.
///
/// # Errors
/// As [`wanted`].
pub fn shared(names: &[String], suite: &Suite<'_>) -> Result<Vec<Arc<dyn Work>>> {
    let mut shared: Wanted = vec![Arc::clone(suite.embeddings()?) as Arc<dyn Work>];
    if words(names)? {
        shared.extend(suite.language_model()?.work());
    }
    Ok(shared)
}

/// Whether one of the experiments writes captions, for which there must be a language model.
///
/// # Errors
/// When a name is not known.
pub fn words(names: &[String]) -> Result<bool> {
    names.iter().try_fold(false, |words, name| Ok(words || find(name)?.words))
}

/// Runs the experiments; each leaves a run directory.
///
/// # Errors
/// That of the first that cannot be finished.
pub fn run(names: &[String], suite: &Suite<'_>) -> Result<Vec<RunDir>> {
    known(names)?;
    let mut finished = Vec::new();
    for name in names {
        let experiment = find(name)?;
        if experiment.words {
            words_are_known(suite)?;
        }
        suite.lab.reporter.say(&format!("{}: {}", experiment.name, experiment.about));
        let run = run_dir(suite, experiment.name)?;
        let say = |line: &str| suite.lab.reporter.say(line);
        let _lock = run.lock(suite.lab.if_busy, &say)?;
        run.write_text("config.toml", &suite.config.to_toml()?)?;
        let Outcome { info, records } = (experiment.run)(suite, &run)?;
        report::finish(&run, &info, &records)?;
        finished.push(run);
    }
    Ok(finished)
}

/// The versions of what measures: figures of others are not compared with these.
fn metrics_version() -> String {
    let gap = dl_eval::gap::VERSION;
    let built_in = format!("records {VERSION}, gap {gap}");
    registered_metrics().into_iter().fold(built_in, |all, metric| format!("{all}, {metric}"))
}

/// Metrics beside the built-in ones, with their versions.
fn registered_metrics() -> Vec<String> {
    let registered = registry::registered().into_iter();
    registered.map(|metric| format!("{} {}", metric.key, metric.version)).collect()
}

/// Refuses embeddings without the words of their captions.
fn words_are_known(suite: &Suite<'_>) -> Result<()> {
    let corpus = suite.corpus();
    let empty = |clip: &Clip| clip.captions.iter().any(|caption| caption.trim().is_empty());
    let wordless = |split: &Split| corpus.clips(*split).iter().any(empty);
    match Split::ALL.into_iter().find(wordless) {
        None => Ok(()),
        Some(split) => bail!(
            "there are {} clips without the words of their captions, which captioning needs: name \
             a file with data.{}.captions, one caption a line",
            split.name(),
            split.name()
        ),
    }
}

/// The run directory of an experiment under the present configuration. The same
/// configuration over other recordings or weights is another run, and so is one with other
/// metrics beside the built-in ones.
fn run_dir(suite: &Suite<'_>, experiment: &str) -> Result<RunDir> {
    let mut draft = Store::new(suite.config.runs_dir()?)
        .stage(experiment, VERSION)
        .device(&suite.lab.device_kind())
        .input("embeddings", suite.embeddings()?.stage().key())
        .config("suite", suite.config)
        .config("program", &env!("CARGO_PKG_VERSION"));
    let metrics = registered_metrics();
    if !metrics.is_empty() {
        draft = draft.config("metrics", &metrics);
    }
    Ok(RunDir::open(draft.open().dir()))
}
