//! One safetensors file whose tensors are read one by one, in blocks, each block straight
//! into its place: neither the file nor a tensor is ever in memory twice.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use tch::{Device, Kind, Tensor};

use crate::LlmError;

/// Bytes of a header that no model has: what is longer is no header.
const LONGEST_HEADER: u64 = 100_000_000;

/// Bytes that are read at once.
const BLOCK: usize = 8 << 20;

/// A file and what its header says.
#[derive(Clone)]
pub(super) struct Shard {
    path: PathBuf,
    header: Metadata,
    /// Where the tensors begin in the file.
    start: u64,
}

impl Shard {
    /// Reads the header and compares what it promises with the length of the file.
    pub(super) fn open(path: &Path) -> Result<Self, LlmError> {
        let mut file = File::open(path).map_err(|error| LlmError::io(path, error))?;
        let broken = |cause: &dyn std::fmt::Display| {
            LlmError::file(
                path,
                format!("not a whole safetensors file ({cause}); copy or download it again"),
            )
        };
        let read = |file: &mut File| -> io::Result<(u64, Vec<u8>, u64)> {
            let length = file.metadata()?.len();
            let mut size = [0; 8];
            file.read_exact(&mut size)?;
            let size = u64::from_le_bytes(size);
            let mut header = Vec::new();
            file.take(size.min(LONGEST_HEADER)).read_to_end(&mut header)?;
            Ok((size, header, length))
        };
        let (size, header, length) = read(&mut file).map_err(|error| broken(&error))?;
        if header.len() as u64 != size {
            return Err(broken(&"the header is cut short"));
        }
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| broken(&error))?;
        let data = header.data_len();
        let (start, expected) = (8 + size, 8 + size + data as u64);
        if expected != length {
            return Err(broken(&format!("{length} bytes where its header promises {expected}")));
        }
        Ok(Self { path: path.into(), header, start })
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.header.info(name).is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = String> + use<> {
        self.header.offset_keys().into_iter()
    }

    fn info(&self, name: &str) -> Result<&TensorInfo, LlmError> {
        let missing = || LlmError::file(&self.path, format!("`{name}` is missing"));
        self.header.info(name).ok_or_else(missing)
    }

    pub(super) fn shape(&self, name: &str) -> Vec<i64> {
        let shape = self.header.info(name).map(|info| &info.shape);
        shape.into_iter().flatten().map(|&n| n as i64).collect()
    }

    pub(super) fn kind_of(&self, name: &str) -> Option<Kind> {
        kind_of(self.header.info(name)?.dtype)
    }

    /// The dtype as the file spells it.
    pub(super) fn dtype(&self, name: &str) -> Option<String> {
        Some(format!("{:?}", self.header.info(name)?.dtype))
    }

    /// Gives the bytes of a tensor to `each`, block by block.
    pub(super) fn blocks<E: From<io::Error>>(
        &self,
        name: &str,
        block: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(info) = self.header.info(name) else {
            return Err(io::Error::other(format!("no tensor `{name}`")).into());
        };
        let (from, to) = info.data_offsets;
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start + from as u64))?;
        let mut buffer = vec![0; block.min(to - from)];
        let mut left = to - from;
        while left > 0 {
            let size = left.min(buffer.len());
            file.read_exact(&mut buffer[..size])?;
            each(&buffer[..size])?;
            left -= size;
        }
        Ok(())
    }

    /// A tensor in `kind` on `device`.
    pub(super) fn read(&self, name: &str, kind: Kind, device: Device) -> Result<Tensor, LlmError> {
        let info = self.info(name)?;
        let stored = kind_of(info.dtype).ok_or_else(|| {
            let problem = format!("`{name}` has dtype {:?}, which is not read here", info.dtype);
            LlmError::file(&self.path, problem)
        })?;
        let tensor = Tensor::f_empty(self.shape(name), (kind, device))?;
        let flat = tensor.view([-1]);
        let mut done = 0;
        self.blocks(name, BLOCK, |bytes| -> Result<(), Block> {
            let count = (bytes.len() / stored.elt_size_in_bytes()) as i64;
            let block = Tensor::f_from_data_size(bytes, &[count], stored)?;
            tch::no_grad(|| flat.narrow(0, done, count).f_copy_(&block))?;
            done += count;
            Ok(())
        })
        .map_err(|error| match error {
            Block::Io(error) => LlmError::io(&self.path, error),
            Block::Torch(error) => error.into(),
        })?;
        Ok(tensor)
    }
}

enum Block {
    Io(io::Error),
    Torch(tch::TchError),
}

impl From<io::Error> for Block {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<tch::TchError> for Block {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error)
    }
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
