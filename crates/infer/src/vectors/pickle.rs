//! The pickle of one tensor, as `torch.save` writes it and `torch.load(weights_only=True)` reads it.
//!
//! Python's `pickletools` describes the protocol. The reader knows only the instructions of a float32
//! tensor, and executes nothing.

/// The shape of a float32 tensor, and the place of its values in its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorLayout {
    /// The values are the entry `data/KEY` of the archive.
    pub(super) key: String,
    /// Elements before the first value.
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) stride: Vec<u64>,
}

/// `torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, OrderedDict())`.
pub(super) fn write(rows: u64, width: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(b"\x80\x02"); // protocol 2
    global(&mut out, "torch._utils", "_rebuild_tensor_v2");
    out.extend(b"((");
    text(&mut out, "storage");
    global(&mut out, "torch", "FloatStorage");
    text(&mut out, "0");
    text(&mut out, "cpu");
    integer(&mut out, rows * width);
    out.extend(b"tQ"); // the persistent storage
    integer(&mut out, 0);
    integer(&mut out, rows);
    integer(&mut out, width);
    out.push(b'\x86'); // shape, a pair
    integer(&mut out, width);
    integer(&mut out, 1);
    out.push(b'\x86'); // stride, a pair
    out.push(b'\x89'); // requires_grad: False
    global(&mut out, "collections", "OrderedDict");
    out.extend(b")R"); // backward hooks: an empty OrderedDict
    out.extend(b"tR."); // the tensor
    out
}

fn global(out: &mut Vec<u8>, module: &str, name: &str) {
    out.extend(format!("c{module}\n{name}\n").bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes());
}

fn integer(out: &mut Vec<u8>, value: u64) {
    if let Ok(small) = i32::try_from(value) {
        out.push(b'J');
        out.extend(small.to_le_bytes());
    } else {
        // LONG1 is in two's complement: the ninth byte keeps the value positive.
        out.extend(b"\x8a\x09");
        out.extend(value.to_le_bytes());
        out.push(0);
    }
}

/// A value on the stack of the pickle machine.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Mark,
    Integer(u64),
    Text(String),
    Boolean,
    Global(String),
    Tuple(Vec<Value>),
    Storage(String),
    Dict,
    Tensor(TensorLayout),
}

/// The reason that a pickle is not one tensor.
pub(super) type Reason = String;

/// The most values on the stack or in the memo; a tensor needs about twenty.
const MAX_VALUES: usize = 1000;

/// Reads the pickle of one tensor.
pub(super) fn read(bytes: &[u8]) -> Result<TensorLayout, Reason> {
    let mut machine = Machine {
        rest: bytes,
        stack: Vec::new(),
        memo: Vec::new(),
    };
    loop {
        if machine.stack.len() > MAX_VALUES || machine.memo.len() > MAX_VALUES {
            return Err("more than one tensor is pickled".to_owned());
        }
        if let Some(value) = machine.step()? {
            return match value {
                Value::Tensor(layout) => Ok(layout),
                _ => Err("not a tensor is pickled".to_owned()),
            };
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value>,
    memo: Vec<(u32, Value)>,
}

impl Machine<'_> {
    /// Executes one instruction; returns the value of the last.
    fn step(&mut self) -> Result<Option<Value>, Reason> {
        let code = self.bytes::<1>()?[0];
        match code {
            b'\x80' => drop(self.bytes::<1>()?),
            b'\x95' => drop(self.bytes::<8>()?),
            b'c' => {
                let name = format!("{}.{}", self.line()?, self.line()?);
                self.stack.push(Value::Global(name));
            }
            b'(' => self.stack.push(Value::Mark),
            b')' => self.stack.push(Value::Tuple(Vec::new())),
            b'}' => self.stack.push(Value::Dict),
            b'X' => {
                let length = u32::from_le_bytes(self.bytes()?) as usize;
                let text = self.slice(length)?.to_vec();
                self.stack.push(Value::Text(
                    String::from_utf8(text).map_err(|error| error.to_string())?,
                ));
            }
            b'K' => {
                let value = self.bytes::<1>()?[0];
                self.stack.push(Value::Integer(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.bytes()?);
                self.stack.push(Value::Integer(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.bytes()?);
                let value = u64::try_from(value).map_err(|_| "a negative size".to_owned())?;
                self.stack.push(Value::Integer(value));
            }
            b'\x8a' => {
                let length = self.bytes::<1>()?[0];
                let digits = self.slice(length.into())?;
                let (low, high) = digits.split_at(digits.len().min(8));
                if high.iter().any(|byte| *byte != 0) {
                    return Err("a size beyond 64 bits".to_owned());
                }
                let mut value = [0; 8];
                value[..low.len()].copy_from_slice(low);
                self.stack.push(Value::Integer(u64::from_le_bytes(value)));
            }
            b'\x88' | b'\x89' => self.stack.push(Value::Boolean),
            b't' => {
                let tuple = self.pop_to_mark()?;
                self.stack.push(Value::Tuple(tuple));
            }
            b'\x85'..=b'\x87' => {
                let count = usize::from(code - b'\x84');
                let start = self.stack.len().checked_sub(count).ok_or_else(underflow)?;
                let tuple = self.stack.split_off(start);
                self.stack.push(Value::Tuple(tuple));
            }
            b'q' | b'r' => {
                let key = if code == b'q' {
                    self.bytes::<1>()?[0].into()
                } else {
                    u32::from_le_bytes(self.bytes()?)
                };
                let value = self.stack.last().cloned().ok_or_else(underflow)?;
                self.memo.push((key, value));
            }
            b'h' | b'j' => {
                let key = if code == b'h' {
                    self.bytes::<1>()?[0].into()
                } else {
                    u32::from_le_bytes(self.bytes()?)
                };
                let found = self.memo.iter().rev().find(|(name, _)| *name == key);
                let value = found
                    .map(|(_, value)| value.clone())
                    .ok_or("the pickle takes a value that it never stored")?;
                self.stack.push(value);
            }
            b'Q' => {
                let id = self.pop()?;
                self.stack.push(storage(id)?);
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.stack.push(call(function, arguments)?);
            }
            b'.' => return self.pop().map(Some),
            other => {
                return Err(format!(
                    "instruction {other:#04x} does not belong to a pickled float32 tensor"
                ));
            }
        }
        Ok(None)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], Reason> {
        let (slice, rest) = self.rest.split_at_checked(length).ok_or_else(cut)?;
        self.rest = rest;
        Ok(slice)
    }

    fn line(&mut self) -> Result<String, Reason> {
        let end = self
            .rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or_else(cut)?;
        let line = self.slice(end)?.to_vec();
        self.bytes::<1>()?;
        String::from_utf8(line).map_err(|error| error.to_string())
    }

    fn pop(&mut self) -> Result<Value, Reason> {
        self.stack.pop().ok_or_else(underflow)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Reason> {
        let mark = self
            .stack
            .iter()
            .rposition(|value| *value == Value::Mark)
            .ok_or_else(underflow)?;
        let values = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(values)
    }
}

fn cut() -> Reason {
    "the pickle is cut off".to_owned()
}

fn underflow() -> Reason {
    "the pickle takes a value that does not exist".to_owned()
}

/// `("storage", torch.FloatStorage, key, device, elements)`.
fn storage(id: Value) -> Result<Value, Reason> {
    match id {
        Value::Tuple(parts) => match parts.as_slice() {
            [
                Value::Text(kind),
                Value::Global(class),
                Value::Text(key),
                Value::Text(_),
                Value::Integer(_),
            ] if kind == "storage" => {
                if class == "torch.FloatStorage" {
                    Ok(Value::Storage(key.clone()))
                } else {
                    Err(format!("a {class} instead of a torch.FloatStorage"))
                }
            }
            _ => Err("a storage without a name".to_owned()),
        },
        _ => Err("a storage without a name".to_owned()),
    }
}

/// Calls one of the two functions that a tensor needs.
fn call(function: Value, arguments: Value) -> Result<Value, Reason> {
    let Value::Global(name) = function else {
        return Err("a call of a value that is not a function".to_owned());
    };
    let Value::Tuple(arguments) = arguments else {
        return Err("a call without arguments".to_owned());
    };
    match (name.as_str(), arguments.as_slice()) {
        ("collections.OrderedDict", []) => Ok(Value::Dict),
        (
            "torch._utils._rebuild_tensor_v2",
            [
                Value::Storage(key),
                Value::Integer(offset),
                Value::Tuple(shape),
                Value::Tuple(stride),
                ..,
            ],
        ) => Ok(Value::Tensor(TensorLayout {
            key: key.clone(),
            offset: *offset,
            shape: integers(shape)?,
            stride: integers(stride)?,
        })),
        _ => Err(format!("a call of {name}, which gives no plain tensor")),
    }
}

fn integers(values: &[Value]) -> Result<Vec<u64>, Reason> {
    let integer = |value: &Value| match value {
        Value::Integer(value) => Ok(*value),
        _ => Err("a shape that is not made of numbers".to_owned()),
    };
    values.iter().map(integer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        for (rows, width) in [(0, 768), (3, 768), (70_000, 1), (5_000_000_000, 768)] {
            let layout = read(&write(rows, width)).unwrap();
            let expected = TensorLayout {
                key: "0".to_owned(),
                offset: 0,
                shape: vec![rows, width],
                stride: vec![width, 1],
            };
            assert_eq!(layout, expected);
        }
    }

    #[test]
    fn a_module_is_refused() {
        // pickle.dumps(os.system)
        let error = read(b"\x80\x02cposix\nsystem\nq\x00.").unwrap_err();
        assert_eq!(error, "not a tensor is pickled");
        let error = read(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap_err();
        assert_eq!(error, "a call of posix.system, which gives no plain tensor");
    }

    /// The instructions of a valid pickle, one by one.
    fn instructions(rows: u64, width: u64) -> Vec<Vec<u8>> {
        let pickle = write(rows, width);
        let mut machine = Machine {
            rest: &pickle,
            stack: Vec::new(),
            memo: Vec::new(),
        };
        let mut instructions = Vec::new();
        loop {
            let before = machine.rest;
            let end = machine.step().unwrap();
            instructions.push(before[..before.len() - machine.rest.len()].to_vec());
            if end.is_some() {
                return instructions;
            }
        }
    }

    /// Any instruction that the machine knows, with any argument. The memo has few keys, so that an
    /// instruction finds the values of others.
    fn any_instruction() -> impl Strategy<Value = Vec<u8>> {
        let alone = prop::sample::select(b"()}t\x85\x86\x87\x88\x89QR".to_vec());
        prop_oneof![
            4 => alone.prop_map(|code| vec![code]),
            1 => prop::sample::select(instructions(3, 768)),
            2 => (prop::sample::select(b"qh".to_vec()), 0u8..4).prop_map(|(code, key)| vec![code, key]),
            1 => any::<[u8; 4]>().prop_map(|bytes| [&b"J"[..], &bytes].concat()),
            1 => prop::collection::vec(any::<u8>(), 0..12)
                .prop_map(|bytes| [&[b'\x8a', bytes.len() as u8][..], &bytes].concat()),
        ]
    }

    /// A change of one instruction.
    #[derive(Clone, Debug)]
    enum Change {
        Remove,
        Repeat,
        Replace(Vec<u8>),
        Insert(Vec<u8>),
    }

    fn any_change() -> impl Strategy<Value = Change> {
        prop_oneof![
            Just(Change::Remove),
            Just(Change::Repeat),
            any_instruction().prop_map(Change::Replace),
            any_instruction().prop_map(Change::Insert),
        ]
    }

    #[test]
    fn a_pickle_that_lacks_an_instruction_is_refused_or_the_same() {
        let all = instructions(3, 768);
        assert_eq!(all.concat(), write(3, 768));
        let whole = read(&all.concat()).unwrap();
        let mut refused = 0;
        for missing in 0..all.len() {
            let mut some = all.clone();
            some.remove(missing);
            match read(&some.concat()) {
                Ok(layout) => assert_eq!(layout, whole, "{:?}", all[missing]),
                Err(_) => refused += 1,
            }
        }
        // The rest is the version, `requires_grad` and the hooks.
        assert!(refused >= all.len() - 5, "{refused} of {}", all.len());
    }

    proptest! {
        #[test]
        fn no_panic_on_damaged_bytes(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut written = write(3, 768);
            for (index, byte) in damage {
                let index = index.index(written.len());
                written[index] = byte;
            }
            let _ = read(&written);
        }

        // At most 24 instructions: each pair of memo and tuple can double the size of a value.
        #[test]
        fn no_panic_on_any_instructions(instructions in prop::collection::vec(any_instruction(), 0..24)) {
            let pickle = [&instructions.concat()[..], b"."].concat();
            let _ = read(&pickle);
        }

        #[test]
        fn changed_instructions_give_an_error_or_a_tensor(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any_change()), 1..4),
        ) {
            let mut all = instructions(3, 768);
            for (index, change) in changes {
                // The last instruction ends the pickle.
                let index = index.index(all.len() - 1);
                match change {
                    Change::Remove if all.len() > 2 => drop(all.remove(index)),
                    Change::Remove => {}
                    Change::Repeat => all.insert(index, all[index].clone()),
                    Change::Replace(other) => all[index] = other,
                    Change::Insert(other) => all.insert(index, other),
                }
            }
            if let Ok(layout) = read(&all.concat()) {
                prop_assert!(["0", "cpu", "storage"].contains(&layout.key.as_str()), "{layout:?}");
            }
        }
    }
}
