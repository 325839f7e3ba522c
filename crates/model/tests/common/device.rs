//! The device under test, chosen when the tests run: one build has several backends.
//!
//! The environment variable `MPNET_BURN_TEST_DEVICE` names it as `--device` does: `cpu` (the
//! default), `ndarray`, `wgpu` or `cuda`.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "some of the tests that include this file name the device and run no body"
)]

use model::Device;
use model::backend::DeviceError;

/// Names the device under test.
const VARIABLE: &str = "MPNET_BURN_TEST_DEVICE";

/// The device under test.
#[track_caller]
pub(crate) fn test_device() -> Device {
    let name = std::env::var(VARIABLE).unwrap_or_else(|_| "cpu".to_owned());
    usable(name.parse().and_then(Device::select))
}

/// The result of a test's body, which needs a device that can be used.
#[track_caller]
pub(crate) fn usable<T>(result: Result<T, DeviceError>) -> T {
    result.unwrap_or_else(|error| panic!("the device under test ({VARIABLE}, else cpu): {error}"))
}

/// Runs a function that is generic over the backend, `fn body<B: EncoderOps>(device: &B::Device)`, on
/// the device under test. Further arguments and the result are named with their types:
/// `on_test_device!(body(texts: &[String]) -> Vec<f32>)`.
macro_rules! on_test_device {
    ($body:ident) => {
        on_test_device!($body() -> ())
    };
    // For a body that is generic over a backend with gradients: `<B: TrainingBackend>`.
    ($body:ident with gradients) => {{
        fn autodiff<B: model::backend::EncoderOps>(device: &B::Device) {
            $body::<burn::backend::Autodiff<B>>(device);
        }
        on_test_device!(autodiff)
    }};
    ($body:ident($($argument:ident: $type:ty),*) -> $output:ty) => {{
        struct Task<A>(A);

        impl model::backend::BackendTask for Task<($($type,)*)> {
            type Output = $output;

            fn run<B: model::backend::EncoderOps>(self, device: B::Device) -> Self::Output {
                let ($($argument,)*) = self.0;
                $body::<B>(&device, $($argument),*)
            }
        }

        let device = $crate::test_device::test_device();
        $crate::test_device::usable(device.run(Task(($($argument,)*))))
    }};
}
pub(crate) use on_test_device;
