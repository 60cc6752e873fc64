//! Training captions as what the decoding methods look up: unit rows that are shared with
//! the training set, not copied, and read some audio rows at a time.

use dl_torch::tensor_file::Tensors;
use tch::{Kind, Tensor};

use crate::{data::Pairs, error::BridgeError, method::Stored};

/// Cosines that are in memory at once: 64 MB of f32.
const COSINES: i64 = 1 << 24;

/// Unit rows of captions, `[captions, dim]`.
pub(super) struct Support(Tensor);

impl Support {
    /// The training captions.
    pub(super) fn of(pairs: &Pairs) -> Self {
        Self(pairs.train.text.shallow_clone())
    }

    pub(super) fn load(stored: &mut Stored<'_>) -> Result<Self, BridgeError> {
        let captions = stored.take("support", &[-1, stored.dim as i64])?;
        if captions.size()[0] == 0 {
            return Err(stored.fault("tensor `support` holds no captions; fit the bridge anew"));
        }
        Ok(Self(captions))
    }

    pub(super) fn tensors(&self) -> Tensors {
        Tensors::from([("support".to_owned(), self.0.shallow_clone())])
    }

    /// For each of `rows` `[rows, dim]` the nearest caption by cosine: `[rows, dim]`.
    pub(super) fn nearest(&self, rows: &Tensor) -> Tensor {
        self.by_cosines(rows, |cosines| self.0.index_select(0, &cosines.argmax(1, false)))
    }

    /// For each of `rows` the mean of the captions weighted by softmax(cosine /
    /// temperature): `[rows, dim]`, not normalised.
    pub(super) fn project(&self, rows: &Tensor, temperature: f64) -> Tensor {
        self.by_cosines(rows, |mut cosines| {
            let _ = cosines.g_div_scalar_(temperature);
            cosines.softmax(-1, None::<Kind>).matmul(&self.0)
        })
    }

    fn by_cosines(&self, rows: &Tensor, answer: impl Fn(Tensor) -> Tensor) -> Tensor {
        let (count, captions) = (rows.size()[0], self.0.size()[0]);
        let chunk = (COSINES / captions.max(1)).clamp(1, count.max(1));
        let answers = (0..count).step_by(chunk as usize).map(|start| {
            let rows = rows.narrow(0, start, chunk.min(count - start));
            answer(rows.matmul(&self.0.tr()))
        });
        match count {
            0 => rows.shallow_clone(),
            _ => Tensor::cat(&answers.collect::<Vec<_>>(), 0),
        }
    }
}

pub(super) fn check_temperature(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}
