//! What every caption metric gives, so that a table need not know which ones it shows: a
//! figure of all clips together and one for each clip ([`Column`]). A metric from outside
//! stands beside the built-in ones through [`Metric`]. SPIDEr ([`spider`]) and its kin
//! follow from other columns.

use std::sync::Arc;

use rayon::prelude::*;

use super::{
    Item,
    bleu::Bleu,
    cider_d,
    meteor::{Matchers, Meteor},
    rouge_l, spice,
};
use crate::{EvalError, stats};

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// For files: `bleu_1`.
    pub key: &'static str,
    /// For people: `BLEU-1`.
    pub name: &'static str,
    /// The figures, or one sentence that says why there are none.
    pub scores: Result<Scores, String>,
}

/// The figures of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// All items together; not every metric takes the mean.
    pub corpus: f64,
    /// Each item alone, in the order of the items. NaN where it has no score and the
    /// corpus figure leaves it out ([`Scores::mean_of_known`]).
    pub per_item: Vec<f64>,
    summary: Summary,
}

/// How the figure of several items comes about.
#[derive(Clone, Debug, PartialEq)]
enum Summary {
    Mean,
    /// Of the items that have a score.
    MeanOfKnown,
    Bleu {
        counts: Arc<Bleu>,
        n: usize,
    },
    Meteor(Arc<Meteor>),
}

impl Scores {
    /// Of a metric whose corpus figure is the mean over items.
    pub fn mean_of(per_item: Vec<f64>) -> Self {
        Self { corpus: stats::mean(&per_item), per_item, summary: Summary::Mean }
    }

    /// Of a metric whose corpus figure is the mean over the items that have a score; NaN
    /// where none has.
    pub fn mean_of_known(per_item: Vec<Option<f64>>) -> Self {
        let per_item: Vec<f64> =
            per_item.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect();
        let mut scores = Self { corpus: 0.0, per_item, summary: Summary::MeanOfKnown };
        let all: Vec<usize> = (0..scores.per_item.len()).collect();
        scores.corpus = scores.resampled(&all);
        scores
    }

    /// The corpus figure of the items `chosen`, with repetitions, for the bootstrap.
    pub fn resampled(&self, chosen: &[usize]) -> f64 {
        match &self.summary {
            Summary::Mean => {
                let sum: f64 = chosen.iter().map(|&item| self.per_item[item]).sum();
                sum / chosen.len().max(1) as f64
            }
            Summary::MeanOfKnown => {
                let scores = chosen.iter().map(|&item| self.per_item[item]);
                let known: Vec<f64> = scores.filter(|score| !score.is_nan()).collect();
                if known.is_empty() { f64::NAN } else { stats::mean(&known) }
            }
            Summary::Bleu { counts, n } => counts.resampled(chosen)[*n],
            Summary::Meteor(counts) => counts.resampled(chosen),
        }
    }
}

/// Something that scores a set of captions.
pub trait Metric: Sync {
    /// One column or more, always the same ones. What has no meaning on these items (one
    /// clip, missing data) is a column with a reason.
    ///
    /// # Errors
    /// Faults of the items, such as [`EvalError::NoReference`].
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError>;
}

/// The metrics of this crate that have a score for each clip.
#[derive(Clone, Copy, Debug)]
pub enum BuiltIn<'a> {
    /// BLEU-1 to BLEU-4: four columns.
    Bleu,
    /// METEOR, or what its matchers are called without its data.
    Meteor(Matchers<'a>),
    /// ROUGE-L.
    RougeL,
    /// CIDEr-D; of one clip not computed.
    CiderD,
    /// CIDEr-D with the document frequencies of these captions ([`cider_d::per_item_in`]).
    CiderDIn(&'a [Vec<Vec<String>>]),
    /// SPICE and its sub-scores: seven columns. The evaluator keeps the references' graphs.
    Spice(&'a spice::Evaluator),
}

impl Metric for BuiltIn<'_> {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        let one = |key, name, scores| Ok(vec![Column { key, name, scores }]);
        match *self {
            Self::Bleu => {
                let bleu = Arc::new(Bleu::new(items)?);
                let (corpus, each) = (bleu.corpus(), bleu.per_item());
                let names = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"];
                let keys = ["bleu_1", "bleu_2", "bleu_3", "bleu_4"];
                let column = |n: usize| {
                    let per_item = each.iter().map(|scores| scores[n]).collect();
                    let summary = Summary::Bleu { counts: Arc::clone(&bleu), n };
                    let scores = Ok(Scores { corpus: corpus[n], per_item, summary });
                    Column { key: keys[n], name: names[n], scores }
                };
                Ok((0..4).map(column).collect())
            }
            Self::Meteor(matchers) => {
                let meteor = Meteor::new(items, matchers)?;
                let (corpus, per_item) = (meteor.corpus(), meteor.per_item());
                let summary = Summary::Meteor(Arc::new(meteor));
                one(matchers.key(), matchers.name(), Ok(Scores { corpus, per_item, summary }))
            }
            Self::RougeL => {
                one("rouge_l", "ROUGE-L", Ok(Scores::mean_of(rouge_l::per_item(items)?)))
            }
            Self::CiderD => cider_d_column(cider_d::per_item(items)),
            Self::CiderDIn(documents) => cider_d_column(cider_d::per_item_in(items, documents)),
            Self::Spice(evaluator) => evaluator.columns(items),
        }
    }
}

fn cider_d_column(scores: Result<Vec<f64>, EvalError>) -> Result<Vec<Column>, EvalError> {
    let scores = match scores {
        Ok(per_item) => Ok(Scores::mean_of(per_item)),
        Err(few @ EvalError::TooFewClips(_)) => Err(few.to_string()),
        Err(fault) => return Err(fault),
    };
    Ok(vec![Column { key: "cider_d", name: "CIDEr-D", scores }])
}

/// The place of a metric that cannot be computed here.
#[derive(Clone, Debug)]
pub struct NotComputed {
    /// As in [`Column::key`].
    pub key: &'static str,
    /// As in [`Column::name`].
    pub name: &'static str,
    /// One sentence: why, and where there is one, the remedy.
    pub reason: String,
}

impl Metric for NotComputed {
    fn columns(&self, _: &[Item]) -> Result<Vec<Column>, EvalError> {
        Ok(vec![Column { key: self.key, name: self.name, scores: Err(self.reason.clone()) }])
    }
}

/// The columns of all `metrics` in their order, computed side by side.
///
/// # Errors
/// The first fault of a metric, in the order of `metrics`.
pub fn evaluate(metrics: &[&dyn Metric], items: &[Item]) -> Result<Vec<Column>, EvalError> {
    let columns: Vec<_> = metrics.par_iter().map(|metric| metric.columns(items)).collect();
    let columns: Result<Vec<Vec<Column>>, EvalError> = columns.into_iter().collect();
    Ok(columns?.into_iter().flatten().collect())
}

/// SPIDEr: the mean of SPICE and CIDEr-D (Liu et al., 2017, "Improved image captioning via
/// policy gradient optimization of SPIDEr"), from the columns `spice` and `cider_d`. Range
/// 0 to 5.5, nearly all of it CIDEr-D's. Not computed where one of them is not.
pub fn spider(columns: &[Column]) -> Column {
    let scores = part(columns, "spice").and_then(|spice| {
        let cider_d = part(columns, "cider_d")?;
        let each = spice.per_item.iter().zip(&cider_d.per_item);
        Ok(Scores::mean_of(each.map(|(&spice, &cider_d)| f64::midpoint(spice, cider_d)).collect()))
    });
    Column { key: "spider", name: "SPIDEr", scores }
}

/// SPIDEr-FL, of DCASE 2023 and aac-metrics: SPIDEr, of which a caption with a fluency error
/// keeps a tenth, from the columns `spider` and `fluency_error` (0 or 1; what
/// [`Similarity`](super::similarity::Similarity) with a classifier gives).
pub fn spider_fl(columns: &[Column]) -> Column {
    let scores = part(columns, "spider").and_then(|spider| {
        let errors = part(columns, "fluency_error")?;
        let each = spider.per_item.iter().zip(&errors.per_item);
        let penalised = each.map(|(&spider, &error)| spider * (1.0 - FLUENCY_PENALTY * error));
        Ok(Scores::mean_of(penalised.collect()))
    });
    Column { key: "spider_fl", name: "SPIDEr-FL", scores }
}

/// What a fluency error costs.
const FLUENCY_PENALTY: f64 = 0.9;

/// SPIDEr-max (Labbé et al., DCASE 2022): the best SPIDEr of each clip's candidates; the
/// first of equals is the best.
#[derive(Clone, Debug, PartialEq)]
pub struct SpiderMax {
    /// `spider_max`, and CIDEr-D and SPICE of the best candidates: `cider_d_max`,
    /// `spice_max`, as aac-metrics names them.
    pub columns: [Column; 3],
    /// Which candidate of each clip is the best, from 0; empty where SPIDEr is not computed.
    pub best: Vec<usize>,
}

impl SpiderMax {
    /// From the columns `spider`, `cider_d` and `spice` of every candidate as an item with
    /// its clip's references, those of a clip one after another, `candidates` of each clip.
    ///
    /// # Errors
    /// [`EvalError::Shape`] where `candidates` does not add up to the items or a clip has
    /// none.
    pub fn new(columns: &[Column], candidates: &[usize]) -> Result<Self, EvalError> {
        let mut best = Vec::new();
        let mut chosen = Vec::new();
        if let Ok(spider) = part(columns, "spider") {
            let (expected, got) = (spider.per_item.len(), candidates.iter().sum());
            if expected != got || candidates.contains(&0) {
                return Err(EvalError::Shape { what: "candidates of all clips", expected, got });
            }
            let mut first = 0;
            for &count in candidates {
                let scores = &spider.per_item[first..first + count];
                let better = |best, next| if scores[next] > scores[best] { next } else { best };
                best.push((1..count).fold(0, better));
                chosen.push(first + best[best.len() - 1]);
                first += count;
            }
        }
        let of_best = |(key, name, of)| {
            // Where SPIDEr has no scores, none of its parts has a best candidate.
            let scores = part(columns, "spider").and_then(|_| part(columns, of)).map(|scores| {
                Scores::mean_of(chosen.iter().map(|&item| scores.per_item[item]).collect())
            });
            Column { key, name, scores }
        };
        let columns = [
            ("spider_max", "SPIDEr-max", "spider"),
            ("cider_d_max", "CIDEr-D of the best", "cider_d"),
            ("spice_max", "SPICE of the best", "spice"),
        ];
        Ok(Self { columns: columns.map(of_best), best })
    }
}

fn part<'a>(columns: &'a [Column], key: &str) -> Result<&'a Scores, String> {
    match columns.iter().find(|column| column.key == key) {
        Some(column) => column.scores.as_ref().map_err(String::clone),
        None => Err(format!("there is no column {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&dyn Metric; 4] =
        [&BuiltIn::Bleu, &BuiltIn::Meteor(Matchers::ExactStem), &BuiltIn::RougeL, &BuiltIn::CiderD];

    /// A metric from outside.
    struct Spice([f64; 2]);

    impl Metric for Spice {
        fn columns(&self, _: &[Item]) -> Result<Vec<Column>, EvalError> {
            let scores = Ok(Scores::mean_of(self.0.to_vec()));
            Ok(vec![Column { key: "spice", name: "SPICE", scores }])
        }
    }

    fn items() -> [Item; 2] {
        [Item::new("a dog barks", &["a dog barks loudly"]), Item::new("rain", &["rain falls"])]
    }

    #[test]
    fn columns_are_those_of_the_metrics_in_their_order() {
        let items = items();
        let columns = evaluate(&ALL, &items).unwrap();
        let keys: Vec<_> = columns.iter().map(|column| column.key).collect();
        let bleu = ["bleu_1", "bleu_2", "bleu_3", "bleu_4"];
        assert_eq!(keys, [&bleu[..], &["exact_stem", "rouge_l", "cider_d"]].concat());
        let of = |key: &str| {
            columns.iter().find(|column| column.key == key).unwrap().scores.clone().unwrap()
        };
        // Four words said where six stand: all right, and short by exp(1 - 6 / 4).
        assert!((of("bleu_1").corpus - (-0.5_f64).exp()).abs() < 1e-8);
        assert!((of("bleu_1").per_item[1] - (-1.0_f64).exp()).abs() < 1e-8);
        let cider_d = of("cider_d");
        assert!(
            (cider_d.corpus - f64::midpoint(cider_d.per_item[0], cider_d.per_item[1])).abs()
                < 1e-15
        );
        assert_eq!(of("exact_stem").per_item.len(), 2);
    }

    #[test]
    fn spider_is_the_mean_of_spice_and_cider_d() {
        let items = items();
        let spice = Spice([0.25, 0.75]);
        let columns = evaluate(&[&BuiltIn::CiderD, &spice], &items).unwrap();
        let cider_d = columns[0].scores.clone().unwrap();
        let found = spider(&columns).scores.unwrap();
        assert!((found.corpus - (0.5 + cider_d.corpus) / 2.0).abs() < 1e-15);
        assert!((found.per_item[1] - (0.75 + cider_d.per_item[1]) / 2.0).abs() < 1e-15);
        assert!(spider(&columns[..1]).scores.unwrap_err().contains("no column spice"));
    }

    #[test]
    fn a_fluency_error_costs_nine_tenths() {
        let column = |key, per_item: &[f64]| Column {
            key,
            name: "",
            scores: Ok(Scores::mean_of(per_item.to_vec())),
        };
        let columns =
            [column("spider", &[0.4, 0.5, 0.2]), column("fluency_error", &[0.0, 1.0, 0.0])];
        let found = spider_fl(&columns).scores.unwrap();
        assert!((found.per_item[1] - 0.05).abs() < 1e-15);
        assert!((found.corpus - 0.65 / 3.0).abs() < 1e-15);
        assert!(spider_fl(&columns[..1]).scores.unwrap_err().contains("fluency_error"));
    }

    #[test]
    fn the_best_candidate_of_a_clip_is_that_of_spider() {
        let column = |key, per_item: &[f64]| Column {
            key,
            name: "",
            scores: Ok(Scores::mean_of(per_item.to_vec())),
        };
        // SPICE alone would take the first; of equals the first is taken.
        let columns = [
            column("spice", &[0.6, 0.2, 0.1, 0.3, 0.1]),
            column("cider_d", &[0.2, 0.8, 0.3, 0.1, 0.3]),
        ];
        let columns = [&columns[..], &[spider(&columns)]].concat();
        let found = SpiderMax::new(&columns, &[2, 3]).unwrap();
        assert_eq!(found.best, [1, 0]);
        let per_item =
            found.columns.clone().map(|column| (column.key, column.scores.unwrap().per_item));
        let expected =
            [("spider_max", [0.5, 0.2]), ("cider_d_max", [0.8, 0.3]), ("spice_max", [0.2, 0.1])];
        assert_eq!(per_item, expected.map(|(key, scores)| (key, scores.to_vec())));
        assert!((found.columns[0].scores.as_ref().unwrap().corpus - 0.35).abs() < 1e-15);
        for counts in [&[2][..], &[5, 0], &[2, 4]] {
            let refused = SpiderMax::new(&columns, counts);
            assert!(matches!(refused, Err(EvalError::Shape { expected: 5, .. })), "{counts:?}");
        }
        let none = SpiderMax::new(&columns[..1], &[2, 3]).unwrap();
        assert!(none.best.is_empty() && none.columns.iter().all(|column| column.scores.is_err()));
    }

    #[test]
    fn items_without_a_score_are_left_out() {
        let scores = Scores::mean_of_known(vec![Some(0.25), None, Some(0.75)]);
        assert_eq!(scores.corpus, 0.5);
        assert_eq!(scores.resampled(&[0, 1, 1]), 0.25);
        assert!(scores.resampled(&[1]).is_nan() && scores.per_item[1].is_nan());
    }

    #[test]
    fn a_caption_without_a_word_scores_nothing_and_nothing_below() {
        let [dog, rain] = items();
        let items = [Item { candidate: Vec::new(), ..dog }, rain];
        for column in evaluate(&ALL, &items).unwrap() {
            let score = column.scores.unwrap().per_item[0];
            assert!(score == 0.0 && score.is_sign_positive(), "{}: {score}", column.key);
        }
    }

    #[test]
    fn what_has_no_meaning_says_why_and_faults_stay_faults() {
        let one = &items()[..1];
        let spice =
            NotComputed { key: "spice", name: "SPICE", reason: "there is no parser".into() };
        let columns = evaluate(&[&BuiltIn::RougeL, &BuiltIn::CiderD, &spice], one).unwrap();
        assert!(columns[0].scores.is_ok());
        assert!(columns[1].scores.as_ref().unwrap_err().contains("at least 2 clips"));
        assert_eq!(spider(&columns).scores, Err("there is no parser".into()));
        let none = Item { candidate: vec!["rain".into()], references: Vec::new() };
        for metric in ALL {
            assert_eq!(metric.columns(std::slice::from_ref(&none)), Err(EvalError::NoReference(0)));
        }
    }
}
