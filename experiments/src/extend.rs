//! What a crate needs that adds a bridge, an encoder or a metric of its own to the program:
//! it registers them, and its `main` calls [`main`](crate::main). `tests/extension` is one.

pub use dl_audio::Waveform;
pub use dl_diffusion::{
    BridgeError,
    bridges::affine::{self, AffineMap, CentredPairs},
    data::Pairs,
    method::{BridgeMethod, FittedMethod, MethodReport, Stored},
    register_bridge,
};
pub use dl_encoder::{Encoder, EncoderError, EncoderMethod, FunctionEncoder, register_encoder};
pub use dl_eval::{
    EvalError,
    caption::{Item, metric::Scores},
    register_metric,
};
pub use dl_torch::TrainContext;

/// What fitting or loading a bridge gives.
pub type Fitted = Result<Box<dyn FittedMethod>, BridgeError>;
