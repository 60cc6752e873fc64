//! What the program knows of a stage, and how many of them are made: those whose inputs are
//! there run side by side, each on one thread.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context, Error, Result};
use dl_core::{Progress, Stage, StageKey};
use dl_torch::TrainContext;
use serde::Serialize;
use serde_json::Value;

use super::{
    Lab,
    cost::{Bench, Cost, Took},
};
use crate::console::{Ahead, Task};

/// What interrupted trainings go on from; of no use once the stage is done.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// A stage that can be made.
pub trait Work: Send + Sync {
    /// Its key and its directory.
    fn stage(&self) -> &Stage;

    /// What it is called on the progress line.
    fn title(&self) -> String;

    /// The stages whose output it reads.
    fn needs(&self) -> Vec<Arc<dyn Work>>;

    /// Makes it, out of what it needs, into its directory.
    ///
    /// # Errors
    /// Anything that keeps it from being made.
    fn make(&self, desk: &Desk<'_>) -> Result<Made>;

    /// What it is called among those that take about as long: a stage that is done tells what
    /// such a one will take.
    fn alike(&self) -> String {
        self.stage().name().into()
    }

    /// What it would take, by a small piece of it; `None` where that cannot be said. What it
    /// needs need not be there.
    ///
    /// # Errors
    /// As [`Work::make`].
    fn measure(&self, _: &Bench<'_>) -> Result<Option<Cost>> {
        Ok(None)
    }
}

/// What came of making a stage.
pub enum Made {
    /// All that it should be, with a summary for people and reports.
    Whole(Value),
    /// Something was left out that may be there the next time: it is not done.
    Partly,
}

impl Made {
    /// [`Made::Whole`].
    ///
    /// # Errors
    /// When the summary cannot be written as JSON.
    pub fn whole(summary: &impl Serialize) -> Result<Self> {
        Ok(Self::Whole(serde_json::to_value(summary)?))
    }
}

/// What a stage in work has around it.
pub struct Desk<'d> {
    /// Where it is computed.
    pub lab: &'d Lab<'d>,
    /// Its own stage.
    pub stage: &'d Stage,
    /// Its progress line.
    pub progress: &'d Task<'d>,
}

impl Desk<'_> {
    /// For a training under `seed`: its checkpoint is the stage's.
    pub fn training(&self, seed: u64) -> TrainContext<'_> {
        TrainContext::new(seed)
            .device(self.lab.device)
            .progress(self.progress)
            .checkpoint(self.stage.file(CHECKPOINT))
    }
}

/// A stage and whether it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// As on the progress line.
    pub title: String,
    /// The stage's name.
    pub stage: String,
    /// Its key.
    pub key: StageKey,
    /// Whether its output is there.
    pub done: bool,
}

impl Planned {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            title: job.work.title(),
            stage: job.work.stage().name().into(),
            key: job.work.stage().key().clone(),
            done: job.done,
        }
    }
}

/// Stages in an order in which each comes after those that it needs.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) jobs: Vec<Job>,
    places: HashMap<StageKey, usize>,
    /// Those that were left out because they are done.
    finished: HashSet<StageKey>,
}

pub(super) struct Job {
    pub(super) work: Arc<dyn Work>,
    pub(super) done: bool,
    pub(super) needs: Vec<usize>,
}

impl Graph {
    /// Adds a stage behind all that it needs. With `missing_only`, stages that are done,
    /// and what only they need, are left out.
    pub(super) fn add(
        &mut self,
        work: &Arc<dyn Work>,
        missing_only: bool,
    ) -> Result<Option<usize>> {
        let key = work.stage().key();
        if let Some(&place) = self.places.get(key) {
            return Ok(Some(place));
        }
        let done = work.stage().is_done()?;
        if done && missing_only {
            self.finished.insert(key.clone());
            return Ok(None);
        }
        let mut needs = Vec::new();
        for need in work.needs() {
            needs.extend(self.add(&need, missing_only)?);
        }
        let place = self.jobs.len();
        self.places.insert(key.clone(), place);
        self.jobs.push(Job { work: Arc::clone(work), done, needs });
        Ok(Some(place))
    }
}

/// Where the jobs of a graph stand.
struct Board {
    state: Vec<State>,
    errors: Vec<(usize, Error)>,
    panic: Option<Box<dyn Any + Send>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Over,
}

impl Board {
    fn stopped(&self) -> bool {
        !self.errors.is_empty() || self.panic.is_some()
    }

    /// The first job whose needs are over.
    fn ready(&self, jobs: &[Job]) -> Option<usize> {
        let over = |&need: &usize| self.state[need] == State::Over;
        (0..jobs.len())
            .find(|&job| self.state[job] == State::Waiting && jobs[job].needs.iter().all(over))
    }
}

impl Lab<'_> {
    /// Everything behind `wanted`, in an order in which it could be made. Nothing is
    /// computed.
    ///
    /// # Errors
    /// When a stage's directory is of something else.
    pub fn plan(&self, wanted: &[Arc<dyn Work>]) -> Result<Vec<Planned>> {
        let mut graph = Graph::default();
        for work in wanted {
            graph.add(work, false)?;
        }
        Ok(graph.jobs.iter().map(Planned::of).collect())
    }

    /// Makes what is missing of `wanted`, side by side on the cores. Of several stages it is
    /// said first how many there are, and as they come how long the rest will take. After a
    /// failure nothing new is begun; what is done stays done.
    ///
    /// # Errors
    /// That of the first stage that failed.
    pub fn make(&self, wanted: &[Arc<dyn Work>]) -> Result<()> {
        let mut graph = Graph::default();
        for work in wanted {
            graph.add(work, true)?;
        }
        let jobs = &graph.jobs;
        if jobs.len() > 1 {
            let (missing, finished) = (jobs.len(), graph.finished.len());
            let line = format!("{missing} stages to compute; {finished} found finished");
            self.reporter.say(&line);
        }
        let kind = |job: &Job| job.work.stage().name().to_owned();
        let ahead = Mutex::new(Ahead::of(jobs.iter().map(kind), self.jobs));
        let board = Mutex::new(Board {
            state: vec![State::Waiting; jobs.len()],
            errors: Vec::new(),
            panic: None,
        });
        let changed = Condvar::new();
        let lock = || board.lock().unwrap_or_else(PoisonError::into_inner);
        let take = || -> Option<usize> {
            let mut board: MutexGuard<'_, Board> = lock();
            loop {
                if board.stopped() || !board.state.contains(&State::Waiting) {
                    return None;
                }
                if let Some(job) = board.ready(jobs) {
                    board.state[job] = State::Running;
                    return Some(job);
                }
                board = changed.wait(board).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let hand = || {
            while let Some(job) = take() {
                let begun = Instant::now();
                let made =
                    catch_unwind(AssertUnwindSafe(|| self.make_one(jobs[job].work.as_ref())));
                let line = ahead.lock().unwrap_or_else(PoisonError::into_inner).finished(
                    &kind(&jobs[job]),
                    begun.elapsed(),
                    Instant::now(),
                );
                if let Some(line) = line {
                    self.reporter.say(&line);
                }
                let mut board = lock();
                board.state[job] = State::Over;
                match made {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => board.errors.push((job, error)),
                    Err(panic) => board.panic = Some(panic),
                }
                changed.notify_all();
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(jobs.len()) {
                scope.spawn(hand);
            }
        });
        let Board { mut errors, panic, .. } =
            board.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        errors.sort_by_key(|(job, _)| *job);
        errors.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    fn make_one(&self, work: &dyn Work) -> Result<()> {
        let stage = work.stage();
        let title = work.title();
        let say = |line: &str| self.reporter.say(line);
        let begun_before = stage.dir().exists();
        let Some(claim) = stage.claim(self.if_busy, &say)? else { return Ok(()) };
        let progress = self.reporter.task(&title);
        progress.begin("", 0);
        let begun = Instant::now();
        let desk = Desk { lab: self, stage, progress: &progress };
        let made = work.make(&desk).with_context(|| title.clone())?;
        progress.end();
        if let Made::Whole(summary) = made {
            Took::since(begun, !begun_before).keep(stage);
            claim.finish(&summary)?;
            tidy(stage);
        }
        Ok(())
    }
}

/// Removes what only an unfinished stage needs, and what a killed program left half
/// written. What cannot be removed harms nothing.
fn tidy(stage: &Stage) {
    let _ = fs::remove_file(stage.file(CHECKPOINT));
    for entry in fs::read_dir(stage.dir()).into_iter().flatten().flatten() {
        if dl_core::atomic::is_unfinished(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The same list with its items as [`Work`].
pub(crate) fn all<W: Work + 'static>(work: &[Arc<W>]) -> Vec<Arc<dyn Work>> {
    work.iter().map(|one| Arc::clone(one) as Arc<dyn Work>).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{console::Reporter, stages::Services};
    use anyhow::bail;
    use dl_core::Store;
    use std::sync::Barrier;

    /// The sum of what it needs and its own number, written to a file.
    struct Sum {
        stage: Stage,
        own: u64,
        needs: Vec<Arc<Sum>>,
        /// Two that must run at the same time.
        meeting: Option<Arc<Barrier>>,
    }

    impl Sum {
        fn new(store: &Store, own: u64, needs: &[&Arc<Sum>]) -> Arc<Self> {
            Self::meeting(store, own, needs, None)
        }

        fn meeting(
            store: &Store,
            own: u64,
            needs: &[&Arc<Sum>],
            meeting: Option<Arc<Barrier>>,
        ) -> Arc<Self> {
            let mut draft = store.stage("sum", 1).config("own", &own);
            for (place, need) in needs.iter().enumerate() {
                draft = draft.input(&place.to_string(), need.stage.key());
            }
            let needs = needs.iter().map(|&need| Arc::clone(need)).collect();
            Arc::new(Self { stage: draft.open(), own, needs, meeting })
        }
    }

    impl Work for Sum {
        fn stage(&self) -> &Stage {
            &self.stage
        }

        fn title(&self) -> String {
            format!("sum {}", self.own)
        }

        fn needs(&self) -> Vec<Arc<dyn Work>> {
            all(&self.needs)
        }

        fn make(&self, _: &Desk<'_>) -> Result<Made> {
            if let Some(meeting) = &self.meeting {
                meeting.wait();
            }
            if self.own == 13 {
                bail!("unlucky");
            }
            let mut sum = self.own;
            for need in &self.needs {
                sum += need.stage.summary::<u64>()?;
            }
            Made::whole(&sum)
        }
    }

    fn lab<'r>(reporter: &'r Reporter, root: &std::path::Path, jobs: usize) -> Lab<'r> {
        let services = Services { reporter, jobs: Some(jobs), if_busy: Default::default() };
        Lab::at(&services, root, tch::Device::Cpu)
    }

    #[test]
    fn a_stage_is_made_after_what_it_needs_and_once() {
        let root = tempfile::tempdir().unwrap();
        let reporter = Reporter::new();
        for jobs in [1, 3] {
            let lab = lab(&reporter, &root.path().join(jobs.to_string()), jobs);
            let (a, b) = (Sum::new(&lab.store, 1, &[]), Sum::new(&lab.store, 2, &[]));
            let c = Sum::new(&lab.store, 4, &[&a, &b]);
            let twin = Sum::new(&lab.store, 2, &[]);
            let d = Sum::new(&lab.store, 8, &[&c, &twin]);
            let titles = |done: bool| -> Vec<String> {
                let plan = lab.plan(&all(std::slice::from_ref(&d))).unwrap();
                plan.into_iter().filter(|p| p.done == done).map(|p| p.title).collect()
            };
            assert_eq!(titles(false), ["sum 1", "sum 2", "sum 4", "sum 8"]);
            lab.make(&all(&[d.clone(), c.clone()])).unwrap();
            assert_eq!(d.stage.summary::<u64>().unwrap(), 17);
            assert_eq!(titles(true), ["sum 1", "sum 2", "sum 4", "sum 8"]);
            // What is done needs nothing.
            fs::remove_dir_all(a.stage.dir()).unwrap();
            lab.make(&all(std::slice::from_ref(&d))).unwrap();
            assert!(!a.stage.is_done().unwrap());
        }
    }

    #[test]
    fn stages_that_are_ready_run_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let reporter = Reporter::new();
        let lab = lab(&reporter, root.path(), 2);
        // Neither goes on before the other has begun.
        let barrier = Arc::new(Barrier::new(2));
        let pair = [1, 2].map(|own| Sum::meeting(&lab.store, own, &[], Some(Arc::clone(&barrier))));
        lab.make(&all(&pair)).unwrap();
    }

    #[test]
    fn a_failure_is_told_by_its_title_and_what_is_done_stays() {
        let root = tempfile::tempdir().unwrap();
        let reporter = Reporter::new();
        let lab = lab(&reporter, root.path(), 1);
        let (good, bad) = (Sum::new(&lab.store, 1, &[]), Sum::new(&lab.store, 13, &[]));
        let behind = Sum::new(&lab.store, 2, &[&good, &bad]);
        let error = lab.make(&all(std::slice::from_ref(&behind))).unwrap_err();
        assert_eq!(format!("{error:#}"), "sum 13: unlucky");
        assert!(good.stage.is_done().unwrap() && !behind.stage.is_done().unwrap());
    }
}
