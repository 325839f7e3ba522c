//! A backend of two devices, for tests: burn's router in front of two runners of `Flex`.
//!
//! The devices differ as two GPUs do: burn refuses operands of both, and only `to_device` brings a tensor over. The
//! router's own channel cannot have the same backend twice: it tells devices apart by ids that the two would share.

use std::pin::Pin;

use burn::tensor::backend::{
    Backend, BackendTypes, DTypeUsageSet, Device, DeviceId, DeviceOps, ExecutionError,
};
use burn::tensor::{DType, Shape, TensorData};
use burn_flex::{Flex, FlexDevice};
use burn_ir::{BackendIr, OperationIr, TensorId, TensorIr};
use burn_router::{
    BackendRouter, MultiBackendBridge, RouterTensor, Runner, RunnerChannel, RunnerClient,
};

/// The backend.
pub(super) type TwoDevices = BackendRouter<Channel>;

/// One of its devices.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TestDevice(pub(super) u16);

impl Device for TestDevice {
    fn from_id(id: DeviceId) -> Self {
        Self(id.index_id)
    }

    fn to_id(&self) -> DeviceId {
        DeviceId::new(0, self.0 as _)
    }
}

impl DeviceOps for TestDevice {}

#[derive(Clone)]
pub(super) struct Client {
    runner: Runner<Flex>,
    device: TestDevice,
}

impl RunnerClient for Client {
    type Device = TestDevice;

    fn register_op(&self, operation: OperationIr) {
        self.runner.register_op(operation);
    }

    fn read_tensor_async(
        &self,
        tensor: TensorIr,
    ) -> Pin<Box<dyn Future<Output = Result<TensorData, ExecutionError>> + Send>> {
        self.runner.read_tensor_async(tensor)
    }

    fn sync(&self) -> Result<(), ExecutionError> {
        self.runner.sync()
    }

    fn create_empty_handle(&self) -> TensorId {
        self.runner.create_empty_handle()
    }

    fn register_tensor_data(&self, data: TensorData) -> RouterTensor<Self> {
        let tensor = self.runner.register_tensor_data_desc(data);
        RouterTensor::new(tensor.id, tensor.shape, tensor.dtype, self.clone())
    }

    fn device(&self) -> TestDevice {
        self.device
    }

    fn seed(&self, seed: u64) {
        self.runner.seed(seed);
    }

    fn dtype_usage(&self, dtype: DType) -> DTypeUsageSet {
        self.runner.dtype_usage(dtype)
    }
}

type Handle = <Flex as BackendIr>::Handle;

/// Both devices are the memory of the CPU: a handle of one is good on the other.
pub(super) struct Bridge;

impl MultiBackendBridge for Bridge {
    type TensorHandle = Handle;
    type Device = TestDevice;

    fn change_backend_float(handle: Handle, _: Shape, _: &TestDevice) -> Handle {
        handle
    }

    fn change_backend_int(handle: Handle, _: Shape, _: &TestDevice) -> Handle {
        handle
    }

    fn change_backend_bool(handle: Handle, _: Shape, _: &TestDevice) -> Handle {
        handle
    }
}

#[derive(Clone)]
pub(super) struct Channel;

impl RunnerChannel for Channel {
    type Device = TestDevice;
    type Bridge = Bridge;
    type Client = Client;
    type FloatElem = <Flex as BackendTypes>::FloatElem;
    type IntElem = <Flex as BackendTypes>::IntElem;
    type BoolElem = <Flex as BackendTypes>::BoolElem;

    fn name(_: &TestDevice) -> String {
        Flex::name(&FlexDevice)
    }

    fn init_client(device: &TestDevice) -> Client {
        Client {
            runner: Runner::new(FlexDevice),
            device: *device,
        }
    }

    fn get_tensor_handle(tensor: &TensorIr, client: &Client) -> Handle {
        client.runner.get_tensor_handle(tensor)
    }

    fn register_tensor(
        client: &Client,
        handle: Handle,
        shape: Shape,
        dtype: DType,
    ) -> RouterTensor<Client> {
        let owner = client.clone();
        client.runner.register_tensor(handle, shape, dtype, owner)
    }
}
