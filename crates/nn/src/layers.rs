//! The layers, each in a file of its own.

mod activation;
mod activity_regularization;
mod adaptive_pooling;
mod affine;
mod attention;
mod axis_list;
mod batch_normalization;
mod bidirectional;
mod cells;
mod concatenate;
mod conv;
mod conv_lstm;
mod conv_transpose;
mod cropping;
mod data_format;
mod dense;
mod depthwise_conv;
mod dot;
mod dropout;
mod einsum_dense;
mod embedding;
mod encoding;
mod factor;
mod flatten;
mod gamma_beta;
mod global_pooling;
mod group_normalization;
mod group_query_attention;
pub(crate) mod gru;
pub(crate) mod heads;
mod identity;
mod interpolation;
mod layer_normalization;
pub(crate) mod lstm;
mod margins;
mod masking;
mod merging;
mod mix_up;
mod mixture;
mod multi_head_attention;
mod noise;
mod normalization;
mod operation;
mod per_axis;
mod permute;
mod pooling;
mod random_crop;
mod random_erasing;
mod random_images;
mod rectifiers;
pub(crate) mod recurrent;
mod repeat_vector;
mod rescaling;
mod reshape;
mod resizing;
mod reversible_embedding;
mod rms_normalization;
mod rnn;
mod separable_conv;
mod setters;
pub(crate) mod simple_rnn;
mod spatial_dropout;
mod spectral_normalization;
mod stacked_rnn_cells;
mod time_distributed;
mod unit_normalization;
mod up_sampling;
mod wrapped;
mod zero_padding;

pub use activation::{Activation, ReLU, Softmax};
pub use activity_regularization::ActivityRegularization;
pub use adaptive_pooling::{
    AdaptiveAveragePooling1D, AdaptiveAveragePooling2D, AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D, AdaptiveMaxPooling2D, AdaptiveMaxPooling3D, AdaptivePooling,
};
pub use affine::{FillMode, RandomRotation, RandomShear, RandomTranslation, RandomZoom};
pub use attention::{AdditiveAttention, Attention, ScoreMode};
pub use axis_list::AxisList;
pub use batch_normalization::{BatchNormalization, RenormClipping};
pub use bidirectional::{Bidirectional, Merge};
pub use cells::{GRUCell, LSTMCell, SimpleRNNCell};
pub use concatenate::Concatenate;
pub use conv::{Conv, Conv1D, Conv2D, Conv3D, Padding};
pub use conv_lstm::{ConvLSTM, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D};
pub use conv_transpose::{
    Conv1DTranspose, Conv2DTranspose, Conv3DTranspose, ConvTranspose,
};
pub use cropping::{Cropping, Cropping1D, Cropping2D, Cropping3D};
pub use data_format::DataFormat;
pub use dense::Dense;
pub use depthwise_conv::{DepthwiseConv, DepthwiseConv1D, DepthwiseConv2D};
pub use dot::{Dot, DotAxes};
pub use dropout::Dropout;
pub use einsum_dense::EinsumDense;
pub use embedding::Embedding;
pub use encoding::{CategoryEncoding, Discretization, OutputMode};
pub use factor::Factor;
pub use flatten::Flatten;
pub use global_pooling::{
    GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D,
    GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D, GlobalPooling,
};
pub use group_normalization::GroupNormalization;
pub use group_query_attention::GroupQueryAttention;
pub use gru::GRU;
pub use identity::Identity;
pub use interpolation::Interpolation;
pub use layer_normalization::LayerNormalization;
pub use lstm::LSTM;
pub use margins::Margins;
pub use masking::Masking;
pub use merging::{Add, Average, Maximum, Minimum, Multiply, Subtract};
pub use mix_up::MixUp;
pub use multi_head_attention::MultiHeadAttention;
pub use noise::{AlphaDropout, GaussianDropout, GaussianNoise};
pub use normalization::Normalization;
pub use operation::Operation;
pub use per_axis::PerAxis;
pub use permute::Permute;
pub use pooling::{
    AveragePooling1D, AveragePooling2D, AveragePooling3D, MaxPooling1D, MaxPooling2D,
    MaxPooling3D, Pooling,
};
pub use random_crop::RandomCrop;
pub use random_erasing::RandomErasing;
pub use random_images::{Flip, RandomBrightness, RandomContrast, RandomFlip};
pub use rectifiers::{ELU, LeakyReLU, PReLU};
pub use repeat_vector::RepeatVector;
pub use rescaling::Rescaling;
pub use reshape::Reshape;
pub use resizing::{CenterCrop, Resizing};
pub use reversible_embedding::ReversibleEmbedding;
pub use rms_normalization::RMSNormalization;
pub use rnn::RNN;
pub use separable_conv::{SeparableConv, SeparableConv1D, SeparableConv2D};
pub use simple_rnn::SimpleRNN;
pub use spatial_dropout::{
    SpatialDropout, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D,
};
pub use spectral_normalization::SpectralNormalization;
pub use stacked_rnn_cells::StackedRNNCells;
pub use time_distributed::TimeDistributed;
pub use unit_normalization::UnitNormalization;
pub use up_sampling::{UpSampling, UpSampling1D, UpSampling2D, UpSampling3D};
pub use wrapped::Wrapped;
pub use zero_padding::{ZeroPadding, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D};

/// The last axis, as a function for serde's defaults.
fn last_axis() -> isize {
    -1
}

/// The shape of one example, without the batch axis; `None` is a length that is unknown until
/// the model is called.
///
/// # Examples
///
/// ```
/// use deckle_nn::layers::KerasShape;
///
/// assert_eq!(KerasShape::from([28, 28]), KerasShape::from([Some(28), Some(28)]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerasShape(pub Vec<Option<usize>>);

/// One number for each example.
impl From<()> for KerasShape {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

impl<const N: usize> From<[usize; N]> for KerasShape {
    fn from(lens: [usize; N]) -> Self {
        Self(lens.into_iter().map(Some).collect())
    }
}

impl<const N: usize> From<[Option<usize>; N]> for KerasShape {
    fn from(lens: [Option<usize>; N]) -> Self {
        Self(lens.into())
    }
}

impl From<Vec<usize>> for KerasShape {
    fn from(lens: Vec<usize>) -> Self {
        Self(lens.into_iter().map(Some).collect())
    }
}

impl From<&[usize]> for KerasShape {
    fn from(lens: &[usize]) -> Self {
        lens.to_vec().into()
    }
}
