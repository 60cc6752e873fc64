//! Between ndarray and libtorch.

use ndarray::{Array2, ArrayView2};
use tch::{Device, Kind, Tensor};

use crate::TorchError;

/// `[rows, columns]` f32 on `device`.
pub fn tensor2(array: ArrayView2<'_, f32>, device: Device) -> Tensor {
    let shape = [array.nrows() as i64, array.ncols() as i64];
    let tensor = match array.as_slice() {
        Some(values) => Tensor::from_slice(values),
        None => Tensor::from_slice(&array.iter().copied().collect::<Vec<_>>()),
    };
    tensor.view(shape).to_device(device)
}

/// Indices as an i64 tensor on `device`.
pub fn indices(values: &[usize], device: Device) -> Tensor {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    Tensor::from_slice(&values).to_device(device)
}

/// A `[rows, columns]` tensor of any float kind as an f32 array.
///
/// # Errors
/// [`TorchError::Torch`] when it has not two dimensions.
pub fn array2(tensor: &Tensor) -> Result<Array2<f32>, TorchError> {
    let (rows, columns) = tensor.size2()?;
    let values = vec1(tensor)?;
    Array2::from_shape_vec((rows as usize, columns as usize), values)
        .map_err(|error| TorchError::Torch(error.to_string()))
}

/// All elements, row-major, as f32.
///
/// # Errors
/// [`TorchError::Torch`] when they cannot be copied to the processor.
pub fn vec1(tensor: &Tensor) -> Result<Vec<f32>, TorchError> {
    let tensor = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn arrays_round_trip_whatever_their_memory_order() {
        let array = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let tensor = tensor2(array.t(), Device::Cpu);
        assert_eq!(tensor.double_value(&[2, 1]), 6.0);
        assert_eq!(array2(&tensor).unwrap(), array.t());
        assert!(array2(&Tensor::from_slice(&[1.0_f32])).is_err());
    }
}
