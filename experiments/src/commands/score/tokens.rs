//! BERTScore's model: `dl-eval` has the metric, `dl-encoder` the model.

use std::path::Path;

use anyhow::Result;
use dl_encoder::TokenStates;
use dl_eval::caption::{bert_score::TokenEncoder, similarity::Fault};
use ndarray::Array2;
use tch::Device;

use crate::console::note;

pub(super) struct Tokens(TokenStates);

impl Tokens {
    pub(super) fn open(directory: &Path, layer: Option<usize>) -> Result<Self> {
        Ok(Self(TokenStates::load(directory, layer, Device::Cpu)?))
    }

    /// The directory, the layer and the fingerprint.
    pub(super) fn name(&self) -> String {
        let Self(model) = self;
        let print = model.fingerprint().short();
        format!("BERTScore by {}, layer {} ({print})", model.name(), model.layer())
    }
}

impl TokenEncoder for Tokens {
    fn embed_tokens(&self, texts: &[String]) -> Result<Vec<Array2<f32>>, Fault> {
        let cut = self.0.cut_texts(texts)?;
        if !cut.is_empty() {
            let most = self.0.max_tokens();
            let captions = cut.len();
            note(format_args!("BERTScore: {captions} captions are cut off at {most} tokens"));
        }
        Ok(self.0.embed(texts)?)
    }
}
