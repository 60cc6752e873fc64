//! Scores in process, for whoever has captions in memory and not in files: references are
//! kept with what is known of them, so that a training can score every epoch.

use std::path::Path;

use anyhow::{Context, Result, bail};
use dl_eval::{
    EvalError,
    caption::{
        Item,
        meteor::{Matchers, MeteorData},
        metric::{BuiltIn, Column, Metric, SpiderMax, evaluate, spider, spider_fl},
        spice::Evaluator,
        tokenize_lines,
    },
};

use crate::meteor_data;

/// The figures that aac-metrics gives unless it is asked for others.
pub const DEFAULT: [&str; 9] =
    ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider_d", "spice", "spider"];

/// All figures that [`Scorer::columns`] can give by itself.
pub const ALL: [&str; 15] = [
    "bleu_1",
    "bleu_2",
    "bleu_3",
    "bleu_4",
    "meteor",
    "rouge_l",
    "cider_d",
    "spice",
    "spice_object",
    "spice_attribute",
    "spice_relation",
    "spice_color",
    "spice_count",
    "spice_size",
    "spider",
];

/// References as words, with METEOR's data and SPICE's graphs of them.
#[derive(Debug)]
pub struct Scorer {
    /// By clip.
    references: Vec<Vec<Vec<String>>>,
    meteor: Option<MeteorData>,
    spice: Evaluator,
}

impl Scorer {
    /// Keeps `references`, those of each clip. METEOR's data is in `meteor`, or where
    /// [`meteor_data`] finds it.
    ///
    /// # Errors
    /// A clip without a reference; a file that is not METEOR's data.
    pub fn new(references: &[Vec<String>], meteor: Option<&Path>) -> Result<Self> {
        Ok(Self { meteor: meteor_data(meteor)?, ..Self::without_meteor(references)? })
    }

    /// As [`Scorer::new`], for whoever needs no METEOR.
    ///
    /// # Errors
    /// A clip without a reference.
    pub fn without_meteor(references: &[Vec<String>]) -> Result<Self> {
        if let Some(clip) = references.iter().position(Vec::is_empty) {
            return Err(EvalError::NoReference(clip).into());
        }
        let flat: Vec<&String> = references.iter().flatten().collect();
        let mut words = tokenize_lines(&flat).into_iter();
        let by_clip = references.iter().map(|own| words.by_ref().take(own.len()).collect());
        Ok(Self { references: by_clip.collect(), meteor: None, spice: Evaluator::new() })
    }

    /// Of how many clips the references are.
    pub fn clips(&self) -> usize {
        self.references.len()
    }

    /// The columns `keys` of one caption for each clip, in the order of `keys`: some of
    /// [`ALL`], some that the metrics `outside` give, and SPIDEr-FL (`spider_fl`) where one of
    /// those gives `fluency_error`. `told` is called with the name of each metric once it is
    /// computed, from any thread.
    ///
    /// # Errors
    /// A key that does not exist, another number of captions than of clips, METEOR without
    /// its data.
    pub fn columns(
        &self,
        candidates: &[String],
        keys: &[&str],
        outside: &[Box<dyn Metric>],
        told: &(dyn Fn(&str) + Sync),
    ) -> Result<Vec<Column>> {
        let wanted = |part: &[&str]| keys.iter().any(|key| part.contains(key));
        let data = self.meteor.as_ref();
        if wanted(&["meteor"]) && data.is_none() {
            bail!(
                "METEOR is not computed, its data is missing (`cargo setup --metrics` brings it); \
                 name a converted file, or leave meteor out"
            );
        }
        let matchers = data.map_or(Matchers::ExactStem, Matchers::All);
        let of_spice = |key: &&str| key.starts_with("spice") || key.starts_with("spider");
        let metrics = [
            (wanted(&DEFAULT[..4]), "BLEU", BuiltIn::Bleu),
            (wanted(&["meteor"]), "METEOR", BuiltIn::Meteor(matchers)),
            (wanted(&["rouge_l"]), "ROUGE-L", BuiltIn::RougeL),
            (wanted(&["cider_d", "spider", "spider_fl"]), "CIDEr-D", BuiltIn::CiderD),
            (keys.iter().any(of_spice), "SPICE", BuiltIn::Spice(&self.spice)),
        ];
        let metrics: Vec<Told> = metrics
            .into_iter()
            .filter_map(|(is_wanted, name, metric)| {
                is_wanted.then_some(Told { name, metric, told })
            })
            .collect();
        let own = metrics.iter().map(|metric| metric as &dyn Metric);
        let metrics: Vec<&dyn Metric> = own.chain(outside.iter().map(Box::as_ref)).collect();
        let mut columns = evaluate(&metrics, &self.items(candidates)?)?;
        columns.push(spider(&columns));
        if columns.iter().any(|column| column.key == "fluency_error") {
            columns.push(spider_fl(&columns));
        }
        let column = |key: &&str| {
            let found = columns.iter().find(|column| column.key == *key).cloned();
            let of_these = || format!("there is no metric {key}; take some of {}", ALL.join(", "));
            found.with_context(of_these)
        };
        keys.iter().map(column).collect()
    }

    /// SPIDEr-max of any number of candidates for each clip, at least one ([`SpiderMax`]).
    ///
    /// # Errors
    /// Candidates of more or fewer clips, a clip without one, and CIDEr-D's refusal of a
    /// single clip.
    pub fn spider_max(
        &self,
        candidates: &[Vec<String>],
        told: &(dyn Fn(&str) + Sync),
    ) -> Result<SpiderMax> {
        self.spider_max_in(candidates, None, told)
    }

    /// The same with CIDEr-D's document frequencies of `documents`, in place of the
    /// references.
    pub(crate) fn spider_max_in(
        &self,
        candidates: &[Vec<String>],
        documents: Option<&[Vec<Vec<String>>]>,
        told: &(dyn Fn(&str) + Sync),
    ) -> Result<SpiderMax> {
        self.check_count(candidates.len())?;
        if let Some(clip) = candidates.iter().position(Vec::is_empty) {
            bail!("clip {clip} has no candidate; give at least one or leave it out");
        }
        let flat: Vec<&String> = candidates.iter().flatten().collect();
        let clips = candidates.iter().zip(&self.references);
        let references = clips.flat_map(|(own, references)| own.iter().map(move |_| references));
        let items: Vec<Item> = tokenize_lines(&flat)
            .into_iter()
            .zip(references)
            .map(|(candidate, references)| Item { candidate, references: references.clone() })
            .collect();
        // A clip's references are one document, however many candidates it has.
        let cider_d = BuiltIn::CiderDIn(documents.unwrap_or(&self.references));
        let cider_d = Told { name: "CIDEr-D", metric: cider_d, told };
        let spice = Told { name: "SPICE", metric: BuiltIn::Spice(&self.spice), told };
        let mut columns = evaluate(&[&cider_d, &spice], &items)?;
        columns.push(spider(&columns));
        let counts: Vec<usize> = candidates.iter().map(Vec::len).collect();
        Ok(SpiderMax::new(&columns, &counts)?)
    }

    /// Refuses another number of candidates than of clips.
    ///
    /// # Errors
    /// [`EvalError::Shape`] with both numbers.
    pub fn check_count(&self, got: usize) -> Result<(), EvalError> {
        let expected = self.clips();
        if expected == got {
            Ok(())
        } else {
            Err(EvalError::Shape { what: "candidates", expected, got })
        }
    }

    fn items(&self, candidates: &[String]) -> Result<Vec<Item>> {
        self.check_count(candidates.len())?;
        let words = tokenize_lines(candidates).into_iter();
        let pairs = words.zip(&self.references);
        Ok(pairs
            .map(|(candidate, references)| Item { candidate, references: references.clone() })
            .collect())
    }
}

/// A metric that says when it is done.
struct Told<'a> {
    name: &'static str,
    metric: BuiltIn<'a>,
    told: &'a (dyn Fn(&str) + Sync),
}

impl Metric for Told<'_> {
    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, EvalError> {
        let columns = self.metric.columns(items)?;
        (self.told)(self.name);
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use dl_eval::caption::metric::Scores;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn scorer() -> Scorer {
        Scorer::new(&[texts(&["a dog barks", "dogs bark"]), texts(&["rain falls"])], None).unwrap()
    }

    #[test]
    fn asked_columns_come_in_the_order_asked_for() {
        let said = texts(&["a dog barks", "wind blows"]);
        let names = Mutex::new(Vec::new());
        let told = |name: &str| names.lock().unwrap().push(name.to_owned());
        let columns =
            scorer().columns(&said, &["spider", "rouge_l", "bleu_2"], &[], &told).unwrap();

        let keys: Vec<&str> = columns.iter().map(|column| column.key).collect();
        assert_eq!(keys, ["spider", "rouge_l", "bleu_2"]);
        assert_eq!(columns[1].scores.as_ref().unwrap().per_item, [1.0, 0.0]);
        let mut names = names.into_inner().unwrap();
        names.sort();
        assert_eq!(names, ["BLEU", "CIDEr-D", "ROUGE-L", "SPICE"]);
    }

    #[test]
    fn kept_references_give_what_fresh_ones_give() {
        let scorer = scorer();
        let quiet = |_: &str| ();
        let keys: Vec<&str> = ALL.into_iter().filter(|key| *key != "meteor").collect();
        for said in [texts(&["a dog barks", "wind blows"]), texts(&["rain", "rain falls down"])] {
            let references = [texts(&["a dog barks", "dogs bark"]), texts(&["rain falls"])];
            let fresh = Item::all(&said, &references).unwrap();
            let spice = Evaluator::new();
            let fresh = evaluate(&[&BuiltIn::CiderD, &BuiltIn::Spice(&spice)], &fresh).unwrap();
            let kept = scorer.columns(&said, &keys, &[], &quiet).unwrap();
            for column in fresh {
                let same = kept.iter().find(|kept| kept.key == column.key).unwrap();
                // NaN is not equal to itself: compared as text.
                assert_eq!(format!("{same:?}"), format!("{column:?}"));
            }
        }
    }

    #[test]
    fn metrics_from_outside_stand_beside_the_own_ones() {
        struct Errors;
        impl Metric for Errors {
            fn columns(&self, _: &[Item]) -> Result<Vec<Column>, EvalError> {
                let scores = Ok(Scores::mean_of(vec![1.0, 0.0]));
                Ok(vec![Column { key: "fluency_error", name: "fluency errors", scores }])
            }
        }
        let said = texts(&["a dog barks", "rain falls"]);
        let outside: [Box<dyn Metric>; 1] = [Box::new(Errors)];
        let keys = ["spider_fl", "fluency_error", "spider"];
        let columns = scorer().columns(&said, &keys, &outside, &|_| ()).unwrap();
        let of = |at: usize| columns[at].scores.as_ref().unwrap().per_item.clone();
        assert_eq!(of(1), [1.0, 0.0]);
        assert!((of(0)[0] - 0.1 * of(2)[0]).abs() < 1e-15 && of(0)[1] == of(2)[1]);
        let without = scorer().columns(&said, &keys[..1], &[], &|_| ()).unwrap_err().to_string();
        assert!(without.starts_with("there is no metric spider_fl"), "{without}");
    }

    #[test]
    fn the_best_of_one_candidate_is_spider_whatever_others_have() {
        let quiet = |_: &str| ();
        let scorer = scorer();
        let [dog, wind, rain] = ["a dog barks", "wind blows", "rain falls hard"];
        let one = |said: &[&str]| -> (Vec<f64>, Vec<f64>, Vec<f64>) {
            let columns =
                scorer.columns(&texts(said), &["spider", "cider_d", "spice"], &[], &quiet).unwrap();
            let of = |at: usize| columns[at].scores.as_ref().unwrap().per_item.clone();
            (of(0), of(1), of(2))
        };
        // Clips of different numbers of candidates: each scores what it scores alone.
        let found =
            scorer.spider_max(&[texts(&[wind, dog, "a dog"]), texts(&[rain])], &quiet).unwrap();
        let (spider, cider_d, spice) = one(&[dog, rain]);
        let of = |at: usize| found.columns[at].scores.as_ref().unwrap().per_item.clone();
        for (got, expected) in [(of(0), spider), (of(1), cider_d), (of(2), spice)] {
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-12, "{got} {expected}");
            }
        }
        assert_eq!(found.best, [1, 0]);
        let said = |candidates: &[Vec<String>]| {
            scorer.spider_max(candidates, &quiet).unwrap_err().to_string()
        };
        assert_eq!(said(&[texts(&[dog])]), "candidates: expected 2, got 1");
        assert!(said(&[texts(&[dog]), Vec::new()]).starts_with("clip 1 has no candidate"));
    }

    #[test]
    fn faults_are_sentences() {
        let quiet = |_: &str| ();
        let said = |candidates: &[&str], keys: &[&str]| {
            format!("{:#}", scorer().columns(&texts(candidates), keys, &[], &quiet).unwrap_err())
        };
        assert_eq!(said(&["a"], &["rouge_l"]), "candidates: expected 2, got 1");
        let unknown = said(&["a", "b"], &["bleu"]);
        assert!(unknown.starts_with("there is no metric bleu; take some of bleu_1, "), "{unknown}");
        let none = format!("{:#}", Scorer::new(&[Vec::new()], None).unwrap_err());
        assert!(none.starts_with("clip 0 has no reference caption"), "{none}");
    }
}
