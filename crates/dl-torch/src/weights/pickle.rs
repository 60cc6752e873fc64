//! PyTorch checkpoints as tensors of libtorch.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use dl_core::regular;
use tch::{Kind, Tensor};

use super::torch_file::{self, Checkpoint, Element, Fault};
use crate::{TorchError, tensor_file::Tensors};

/// The zip form.
pub(super) fn read_zip(path: &Path) -> Result<Tensors, TorchError> {
    let file = regular::open(path)?;
    let length = file.metadata().map_err(|error| TorchError::io(path, error))?.len();
    assemble(path, torch_file::open_zip(BufReader::new(file), length))
}

/// The form before PyTorch 1.6.
pub(super) fn read_legacy(path: &Path) -> Result<Tensors, TorchError> {
    assemble(path, torch_file::open_legacy::<BufReader<File>>(regular::read(path)?))
}

fn assemble<R: Read + Seek>(
    path: &Path,
    checkpoint: Result<Checkpoint<R>, Fault>,
) -> Result<Tensors, TorchError> {
    let told = |fault| {
        let problem = match fault {
            Fault::Broken(cause) => {
                format!("not a whole PyTorch checkpoint ({cause}); copy or download it again")
            }
            Fault::Unfit(problem) => problem,
        };
        TorchError::file(path, problem)
    };
    let mut checkpoint = checkpoint.map_err(told)?;
    let mut tensors = Tensors::new();
    for index in 0..checkpoint.tensors.len() {
        let bytes = checkpoint.values(index).map_err(|cause| told(Fault::Broken(cause)))?;
        let stored = &checkpoint.tensors[index];
        let shape: Vec<i64> = stored.shape.iter().map(|&side| side as i64).collect();
        let tensor = Tensor::f_from_data_size(&bytes, &shape, kind_of(stored.element))?;
        tensors.insert(stored.name.clone(), tensor);
    }
    Ok(tensors)
}

fn kind_of(element: Element) -> Kind {
    match element {
        Element::F64 => Kind::Double,
        Element::F32 => Kind::Float,
        Element::F16 => Kind::Half,
        Element::Bf16 => Kind::BFloat16,
        Element::I64 => Kind::Int64,
        Element::I32 => Kind::Int,
        Element::I16 => Kind::Int16,
        Element::I8 => Kind::Int8,
        Element::U8 => Kind::Uint8,
        Element::Bool => Kind::Bool,
    }
}
