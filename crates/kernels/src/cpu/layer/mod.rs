//! The operations of an encoder layer, and the whole layer.

pub(in crate::cpu) mod attention;
pub(in crate::cpu) mod encoder_layer;
pub(in crate::cpu) mod feed_forward;
pub(in crate::cpu) mod gelu;
pub(in crate::cpu) mod layer_norm;
