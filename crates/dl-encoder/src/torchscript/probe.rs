//! The probe of a bundle: inputs, and what the model made of them before its export.

use std::path::Path;

use dl_torch::tensor_file::{self, Tensors};
use tch::{Device, Tensor};

use super::TorchScriptEncoder;
use crate::{EncoderError, error::bad};

/// Rounding on another processor moves a unit row by some 1e-6 and its cosine by
/// 1e-12, reduced-precision convolutions of a GPU by some 1e-4 and 1e-7; a trace
/// that kept a branch or a size loses whole digits of the cosine.
const COSINE: f64 = 0.99999;
/// Guards single components, of which the cosine forgives a few.
const DIFFERENCE: f64 = 1e-3;
/// Above this cosine between all of its items, a probe cannot tell a module that
/// hears from one that always gives the same.
const DISTINCT: f64 = 0.999;

/// Runs the probe one by one, as a whole and one by one again: TorchScript
/// optimises a module after its first runs, and what is used later is the result.
pub(super) fn run(encoder: &TorchScriptEncoder, path: &Path) -> Result<(), EncoderError> {
    let probe = Probe::read(path)?;
    let texts = probe.text.size()[0];
    let clips = probe.audio.size()[0];
    let one = |tensor: &Tensor, item: i64| tensor.narrow(0, item, 1);
    let singly = || {
        for item in 0..clips {
            let found = encoder.hear(&one(&probe.features, item), &one(&probe.is_longer, item))?;
            compare(path, "audio", item, "alone", &one(&probe.audio, item), &found)?;
        }
        for item in 0..texts {
            let mask = one(&probe.mask, item);
            // Without its padding, as a text alone comes.
            let tokens = mask.sum(tch::Kind::Int64).int64_value(&[]);
            let cut = |tensor: &Tensor| one(tensor, item).narrow(1, 0, tokens);
            let found = encoder.read(&cut(&probe.ids), &cut(&probe.mask))?;
            compare(path, "text", item, "alone", &one(&probe.text, item), &found)?;
        }
        Ok::<(), EncoderError>(())
    };
    singly()?;
    let sides = [
        ("audio", clips, &probe.audio, encoder.hear(&probe.features, &probe.is_longer)?),
        ("text", texts, &probe.text, encoder.read(&probe.ids, &probe.mask)?),
    ];
    for (side, items, expected, found) in &sides {
        for item in 0..*items {
            compare(path, side, item, "in a batch", &one(expected, item), &one(found, item))?;
        }
    }
    singly()
}

struct Probe {
    features: Tensor,
    is_longer: Tensor,
    audio: Tensor,
    ids: Tensor,
    mask: Tensor,
    text: Tensor,
}

impl Probe {
    /// Reads a probe and checks that it can prove anything.
    fn read(path: &Path) -> Result<Self, EncoderError> {
        let (mut tensors, _) = tensor_file::read(path, Device::Cpu)?;
        let features = take(&mut tensors, path, "features", 4)?;
        let clips = features.size()[0];
        let is_longer = take(&mut tensors, path, "is_longer", 2)?;
        let audio = take(&mut tensors, path, "audio", 2)?;
        let ids = take(&mut tensors, path, "ids", 2)?;
        let mask = take(&mut tensors, path, "mask", 2)?;
        let text = take(&mut tensors, path, "text", 2)?;
        let fits = is_longer.size() == [clips, 1]
            && audio.size()[0] == clips
            && mask.size() == ids.size()
            && text.size()[0] == ids.size()[0]
            && audio.size()[1] == text.size()[1];
        if !fits {
            return Err(bad(path, "its tensors do not fit together; export the bundle again"));
        }
        for (side, rows) in [("clips", &audio), ("texts", &text)] {
            if rows.isfinite().all().int64_value(&[]) == 0 {
                let problem = "have embeddings that are no numbers; export the bundle again";
                return Err(bad(path, format!("its {side} {problem}")));
            }
            let rows = rows.to_kind(tch::Kind::Double);
            let distinct = rows.size()[0] > 1
                && rows.matmul(&rows.transpose(0, 1)).min().double_value(&[]) <= DISTINCT;
            if !distinct {
                return Err(bad(
                    path,
                    format!(
                        "its {side} have one and the same embedding, which proves nothing; export \
                         the bundle with different ones"
                    ),
                ));
            }
        }
        Ok(Self { features, is_longer, audio, ids, mask, text })
    }
}

fn take(
    tensors: &mut Tensors,
    path: &Path,
    name: &str,
    rank: usize,
) -> Result<Tensor, EncoderError> {
    match tensors.remove(name) {
        Some(tensor) if tensor.dim() == rank && tensor.numel() > 0 => Ok(tensor),
        Some(tensor) => Err(bad(
            path,
            format!(
                "`{name}` is {:?}, expected rank {rank}; export the bundle again",
                tensor.size()
            ),
        )),
        None => Err(bad(path, format!("`{name}` is missing; export the bundle again"))),
    }
}

fn compare(
    path: &Path,
    side: &str,
    item: i64,
    way: &str,
    expected: &Tensor,
    found: &Tensor,
) -> Result<(), EncoderError> {
    let [expected, found] =
        [expected, found].map(|row| row.to_device(Device::Cpu).to_kind(tch::Kind::Double));
    if expected.size() != found.size() {
        return Err(bad(
            path,
            format!(
                "the {side} module gives {:?} for item {item}, expected {:?}; export the bundle again",
                found.size(),
                expected.size()
            ),
        ));
    }
    let product = (&expected * &found).sum(tch::Kind::Double);
    let norms = expected.norm() * found.norm();
    let cosine = (product / norms).double_value(&[]);
    let difference = (expected - found).abs().max().double_value(&[]);
    // A NaN fails both.
    if cosine >= COSINE && difference <= DIFFERENCE {
        return Ok(());
    }
    Err(bad(
        path,
        format!(
            "the {side} module does not give what the model gave before its export: item {item} \
             {way} has cosine {cosine:.6} (at least {COSINE} expected) and differs by up to \
             {difference:.1e} (at most {DIFFERENCE:.0e}); export the bundle again"
        ),
    ))
}
