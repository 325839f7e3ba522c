//! The operations of an encoder layer, and the whole layer.

pub(crate) mod activate;
pub(crate) mod attention;
pub(crate) mod encoder_layer;
pub(crate) mod feed_forward;
pub(crate) mod layer_norm;
pub(crate) mod rotary;
