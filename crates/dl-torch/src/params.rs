//! Named parameters. Initial values are counter-based: a pure function of the
//! seed and the parameter's name, whatever was made before it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt, ops,
    path::Path as FilePath,
};

use dl_core::{
    Fingerprint,
    noise::{self, Noise},
};
use tch::{Device, Kind, Tensor};

use crate::{TorchError, tensor_file, tensor_file::Tensors};

/// A model's parameters by name, in a stable order.
pub struct Params {
    seed: u64,
    device: Device,
    tensors: RefCell<BTreeMap<String, Tensor>>,
    /// Where parameters come from; `None` makes new ones.
    stored: Option<RefCell<Stored>>,
}

/// What [`Params::stored`] has not handed out, and what did not fit.
struct Stored {
    values: Tensors,
    faults: Vec<String>,
}

/// A place in the tree of names, where layers put their parameters.
#[derive(Clone)]
pub struct Path<'a> {
    params: &'a Params,
    prefix: String,
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({} values in {} tensors)", self.count(), self.tensors.borrow().len())
    }
}

impl Params {
    /// No parameters yet; those made later draw their initial values from `seed`.
    pub fn new(seed: u64, device: Device) -> Self {
        Self { seed, device, tensors: RefCell::default(), stored: None }
    }

    /// The parameters of a model that is read: layers that are made later take these `values`
    /// (on `device`) as they are, without a gradient, in place of initial ones. So whatever
    /// sizes a file claims, nothing is made that it does not hold. A parameter that is
    /// missing, of another shape or not f32 is an empty tensor; nothing may be computed before
    /// [`Params::check_stored`].
    pub fn stored(values: Tensors, device: Device) -> Self {
        let stored = Stored { values, faults: Vec::new() };
        Self { stored: Some(RefCell::new(stored)), ..Self::new(0, device) }
    }

    /// That [`Params::stored`] had every parameter of the layers made since, in its shape,
    /// and nothing else.
    ///
    /// # Errors
    /// As [`Params::restore`].
    pub fn check_stored(&self, origin: &FilePath) -> Result<(), TorchError> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let Stored { values, faults } = &*stored.borrow();
        let unknown = values.keys().map(|name| format!("`{name}` is unknown"));
        let faults: Vec<String> = faults.iter().cloned().chain(unknown).collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(TorchError::file(origin, list_faults(&faults)))
    }

    /// The top of the tree of names.
    pub fn root(&self) -> Path<'_> {
        Path { params: self, prefix: String::new() }
    }

    /// Where the parameters live.
    pub fn device(&self) -> Device {
        self.device
    }

    /// All parameters by name (sharing memory with the model's own handles).
    pub fn named(&self) -> Tensors {
        self.tensors.borrow().iter().map(|(k, v)| (k.clone(), v.shallow_clone())).collect()
    }

    /// Number of values in all parameters.
    pub fn count(&self) -> usize {
        self.tensors.borrow().values().map(Tensor::numel).sum()
    }

    /// Ends training: no parameter takes a gradient any more.
    pub fn freeze(&self) {
        for tensor in self.tensors.borrow_mut().values_mut() {
            let _ = tensor.set_requires_grad(false);
        }
    }

    /// Copies of all values, detached from the parameters.
    pub fn snapshot(&self) -> Tensors {
        let tensors = self.tensors.borrow();
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor.detach().copy())).collect()
    }

    /// Overwrites all values in place, so that the model's layers see them.
    ///
    /// # Errors
    /// [`TorchError::File`], naming `origin`, with a list of what is missing,
    /// unknown or of another shape. Nothing is changed then.
    pub fn restore(&self, values: &Tensors, origin: &FilePath) -> Result<(), TorchError> {
        let mut tensors = self.tensors.borrow_mut();
        let mut faults = Vec::new();
        for (name, tensor) in tensors.iter() {
            match values.get(name) {
                None => faults.push(format!("`{name}` is missing")),
                Some(value) if value.size() != tensor.size() => faults.push(format!(
                    "`{name}` is {:?}, expected {:?}",
                    value.size(),
                    tensor.size()
                )),
                Some(_) => {}
            }
        }
        faults.extend(
            values
                .keys()
                .filter(|name| !tensors.contains_key(*name))
                .map(|name| format!("`{name}` is unknown")),
        );
        if !faults.is_empty() {
            return Err(TorchError::file(origin, list_faults(&faults)));
        }
        tch::no_grad(|| {
            for (name, tensor) in tensors.iter_mut() {
                tensor.f_copy_(&values[name])?;
            }
            Ok(())
        })
    }

    /// Saves all values with `metadata` in one safetensors file.
    ///
    /// # Errors
    /// As [`tensor_file::write`].
    pub fn save(
        &self,
        path: &FilePath,
        metadata: HashMap<String, String>,
    ) -> Result<(), TorchError> {
        tensor_file::write(path, &self.named(), metadata)
    }

    /// Loads all values and returns the metadata.
    ///
    /// # Errors
    /// As [`tensor_file::read`] and [`Params::restore`].
    pub fn load(&self, path: &FilePath) -> Result<HashMap<String, String>, TorchError> {
        let (tensors, metadata) = tensor_file::read(path, self.device)?;
        self.restore(&tensors, path)?;
        Ok(metadata)
    }

    /// Digest of names, shapes and bits of all values.
    ///
    /// # Errors
    /// [`TorchError::Torch`] when values cannot be copied to the processor.
    pub fn fingerprint(&self) -> Result<Fingerprint, TorchError> {
        let tensors = self.tensors.borrow();
        let named = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        Ok(tensor_file::fingerprint(named))
    }
}

impl Stored {
    fn take(&mut self, name: &str, shape: &[i64], device: Device) -> Tensor {
        match self.values.remove(name) {
            Some(value) if value.size() == shape && value.kind() == Kind::Float => return value,
            Some(value) if value.size() == shape => {
                self.faults.push(format!("`{name}` is of kind {:?}, expected Float", value.kind()));
            }
            Some(value) => {
                self.faults.push(format!("`{name}` is {:?}, expected {shape:?}", value.size()));
            }
            None => self.faults.push(format!("`{name}` is missing")),
        }
        Tensor::zeros([0], (Kind::Float, device))
    }
}

/// At most ten faults in words, then a count.
pub(crate) fn list_faults(faults: &[String]) -> String {
    let shown = faults.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    match faults.len().saturating_sub(10) {
        0 => format!("the tensors do not fit this model: {shown}"),
        more => format!("the tensors do not fit this model: {shown} and {more} more"),
    }
}

impl<'a> Path<'a> {
    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.params.device
    }

    /// Zeros.
    pub fn zeros(&self, name: &str, shape: &[i64]) -> Tensor {
        self.constant(name, shape, 0.0)
    }

    /// Ones.
    pub fn ones(&self, name: &str, shape: &[i64]) -> Tensor {
        self.constant(name, shape, 1.0)
    }

    /// Every value `value`.
    pub fn constant(&self, name: &str, shape: &[i64], value: f64) -> Tensor {
        let full = || Tensor::full(shape, value, (tch::Kind::Float, self.params.device));
        self.add(name, shape, full)
    }

    /// Normal values of mean 0 and standard deviation `std`.
    pub fn normal(&self, name: &str, shape: &[i64], std: f64) -> Tensor {
        self.draw(name, shape, |noise, item, values| {
            noise.fill_normal(item, 0, values);
            for value in values {
                *value *= std as f32;
            }
        })
    }

    /// Uniform values in [-bound, bound).
    pub fn uniform(&self, name: &str, shape: &[i64], bound: f64) -> Tensor {
        self.draw(name, shape, |noise, item, values| {
            noise.fill_uniform(item, 0, values);
            for value in values {
                *value = ((2.0 * f64::from(*value) - 1.0) * bound) as f32;
            }
        })
    }

    fn draw(
        &self,
        name: &str,
        shape: &[i64],
        fill: impl FnOnce(Noise<'_>, u64, &mut [f32]),
    ) -> Tensor {
        self.add(name, shape, || {
            let mut values = vec![0.0; shape.iter().product::<i64>() as usize];
            let item = noise::item_of(&self.full_name(name));
            fill(Noise::new(self.params.seed, "parameters"), item, &mut values);
            Tensor::from_slice(&values).view(shape).to_device(self.params.device)
        })
    }

    /// The stored parameter, or the one that `make` makes.
    fn add(&self, name: &str, shape: &[i64], make: impl FnOnce() -> Tensor) -> Tensor {
        let name = self.full_name(name);
        let tensor = match &self.params.stored {
            Some(stored) => stored.borrow_mut().take(&name, shape, self.params.device),
            None => make().set_requires_grad(true),
        };
        let before = self.params.tensors.borrow_mut().insert(name.clone(), tensor.shallow_clone());
        assert!(before.is_none(), "two parameters are named {name}");
        tensor
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.into() } else { format!("{}.{name}", self.prefix) }
    }
}

impl<'a> ops::Div<&str> for &Path<'a> {
    type Output = Path<'a>;

    fn div(self, name: &str) -> Path<'a> {
        Path { params: self.params, prefix: self.full_name(name) }
    }
}

impl<'a> ops::Div<&str> for Path<'a> {
    type Output = Path<'a>;

    fn div(self, name: &str) -> Path<'a> {
        &self / name
    }
}
