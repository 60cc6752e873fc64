//! Sentence similarity and FENSE with models on disk, for `score` and T2: `dl-eval` has the
//! metrics, `dl-encoder` the models.

use std::{cell::RefCell, collections::HashMap, path::Path};

use anyhow::Result;
use dl_encoder::MiniLm;
use dl_eval::caption::{
    metric::Metric,
    similarity::{Fault, FluencyClassifier, SentenceEncoder, Similarity},
};
use ndarray::{Array1, Array2};
use tch::Device;

/// The models, opened once.
pub struct Sentences {
    encoder: Remembering,
    fluency: Option<Fluency>,
    name: String,
}

impl Sentences {
    /// `None` where no encoder is named.
    pub fn open(encoder: Option<&Path>, fluency: Option<&Path>) -> Result<Option<Self>> {
        let Some(directory) = encoder else { return Ok(None) };
        let encoder = MiniLm::open(directory, Device::Cpu)?;
        let mut name = format!("{} ({})", encoder.name(), encoder.fingerprint().short());
        let fluency = fluency.map(Fluency::open).transpose()?;
        if let Some(classifier) = &fluency {
            name = format!("{name}, {}", classifier.name());
        }
        let encoder = Remembering { encoder, known: RefCell::default() };
        Ok(Some(Self { encoder, fluency, name }))
    }

    /// The encoder's folder and the classifier's checkpoint, each with its fingerprint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The classifier, where one is named.
    pub fn fluency(&self) -> Option<&dyn FluencyClassifier> {
        self.fluency.as_ref().map(|classifier| classifier as _)
    }

    /// The columns of these captions.
    pub fn metric(
        &self,
        candidates: &[String],
        references: &[Vec<String>],
    ) -> Result<Box<dyn Metric>> {
        let fluency = self.fluency();
        Ok(Box::new(Similarity::new(&self.encoder, fluency, candidates, references)?))
    }
}

/// A table scores many systems on the same references: each text is embedded once.
struct Remembering {
    encoder: MiniLm,
    known: RefCell<HashMap<String, Array1<f32>>>,
}

impl SentenceEncoder for Remembering {
    fn embed(&self, texts: &[String]) -> Result<Array2<f32>, Fault> {
        let mut known = self.known.borrow_mut();
        let new: Vec<String> =
            texts.iter().filter(|text| !known.contains_key(*text)).cloned().collect();
        for (text, row) in new.iter().zip(self.encoder.embed(&new)?.rows()) {
            known.insert(text.clone(), row.to_owned());
        }
        let mut rows = Array2::zeros((texts.len(), self.encoder.dim()));
        for (text, mut row) in texts.iter().zip(rows.rows_mut()) {
            row.assign(&known[text]);
        }
        Ok(rows)
    }
}

/// The classifier of fluency errors, opened once.
pub struct Fluency(dl_encoder::FluencyClassifier);

impl Fluency {
    /// Reads its directory.
    pub fn open(directory: &Path) -> Result<Self> {
        Ok(Self(dl_encoder::FluencyClassifier::load(directory, Device::Cpu)?))
    }

    /// The checkpoint with its fingerprint.
    pub fn name(&self) -> String {
        format!("fluency by {} ({})", self.0.name(), self.0.fingerprint().short())
    }
}

impl FluencyClassifier for Fluency {
    fn error_probabilities(&self, texts: &[String]) -> Result<Vec<f64>, Fault> {
        Ok(self.0.error_probabilities(texts)?)
    }
}
