//! The pickle as a flat table of values. Nothing is executed, and nothing is called.
//!
//! Python's `pickletools` describes the format. The reader knows the instructions of protocols 2 to 5 that a state
//! dict needs, and the few classes and functions of torch in it. A value refers to others by their number in the
//! table, and the memo holds such numbers. So no value is copied, and no function calls itself.

use std::ops::Range;

use crate::archive::Bytes;
use crate::error::{PickleErrorKind, Result, TorchError, shown};
use crate::tensor::Dtype;

/// Maximum length of a pickle: about 40,000 tensors.
pub(crate) const MAX_BYTES: u64 = 4 << 20;

/// Maximum number of values, and of references between them. Each takes at most 32 bytes; a tensor has about 30.
const MAX_VALUES: usize = 1 << 19;

/// The number of a value in the table.
pub(crate) type Id = u32;

/// The values of a pickle.
pub(crate) struct Pickle {
    bytes: Vec<u8>,
    values: Vec<Value>,
    /// The parts of all tuples.
    parts: Vec<Id>,
    root: Id,
}

/// A value of the pickle.
#[derive(Debug)]
pub(crate) enum Value {
    /// None, a boolean, a floating-point number, bytes, or an integer beyond 64 bits: no tensor needs its value.
    Other,
    Integer(i64),
    /// A range of the pickle, which is UTF-8.
    Text(Range<u32>),
    Global(Global),
    /// A range of the parts.
    Tuple(Range<u32>),
    /// A list or a set, whose elements no tensor needs.
    List,
    /// Keys and values in their order.
    Dict(Vec<(Id, Id)>),
    /// The tuple that names a storage.
    Storage(Id),
    /// The tuple of arguments that describes a tensor.
    Tensor(Id),
}

/// The classes and functions of a state dict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    /// `torch.Tensor` or a subclass that adds nothing.
    TensorClass,
    Storage(Dtype),
    RebuildTensor,
    RebuildParameter,
    RebuildFromType,
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Tensor")
            | ("torch._tensor", "Tensor")
            | ("torch.nn.parameter", "Parameter" | "Buffer") => Self::TensorClass,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::RebuildParameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("torch", name) => Self::Storage(Dtype::of_storage(name)?),
            _ => return None,
        })
    }
}

impl Pickle {
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self> {
        let mut machine = Machine::new(&bytes);
        let root = loop {
            let position = bytes.len() - machine.rest.0.len();
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => break root,
                Err(kind) => return Err(TorchError::Pickle { position, kind }),
            }
        };
        let (values, parts) = (machine.values, machine.parts);
        Ok(Self {
            bytes,
            values,
            parts,
            root,
        })
    }

    pub(crate) fn root(&self) -> &Value {
        self.value(self.root)
    }

    pub(crate) fn value(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match self.value(id) {
            Value::Text(range) => text(&self.bytes, range),
            _ => None,
        }
    }

    pub(crate) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Tuple(range) => self.parts.get(indices(range)),
            _ => None,
        }
    }

    /// An integer that is not negative.
    pub(crate) fn size(&self, id: Id) -> Option<u64> {
        match self.value(id) {
            Value::Integer(value) => (*value).try_into().ok(),
            _ => None,
        }
    }
}

fn text<'a>(bytes: &'a [u8], range: &Range<u32>) -> Option<&'a str> {
    std::str::from_utf8(bytes.get(indices(range))?).ok()
}

fn indices(range: &Range<u32>) -> Range<usize> {
    range.start as usize..range.end as usize
}

type Step<T> = std::result::Result<T, PickleErrorKind>;

/// The machine of a pickle: a stack, marks in it, and a memo.
struct Machine<'a> {
    whole: &'a [u8],
    rest: Bytes<'a>,
    values: Vec<Value>,
    parts: Vec<Id>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    /// Values and references that the pickle may still make.
    left: usize,
}

impl<'a> Machine<'a> {
    fn new(whole: &'a [u8]) -> Self {
        Self {
            whole,
            rest: Bytes(whole),
            values: Vec::new(),
            parts: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            left: MAX_VALUES,
        }
    }

    /// Takes one instruction; the last returns the value of the pickle.
    fn step(&mut self) -> Step<Option<Id>> {
        let [code] = self.array()?;
        match code {
            0x80 => {
                let [protocol] = self.array()?;
                if !(2..=5).contains(&protocol) {
                    return Err(PickleErrorKind::Opcode(code));
                }
            }
            0x95 => drop(self.array::<8>()?), // FRAME
            b'(' => self.mark()?,
            b'N' | 0x88 | 0x89 => self.push(Value::Other)?, // None, True, False
            b'G' => {
                self.array::<8>()?;
                self.push(Value::Other)?;
            }
            b'K' => {
                let [value] = self.array()?;
                self.push(Value::Integer(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.array()?);
                self.push(Value::Integer(value.into()))?;
            }
            0x8a => {
                let [length] = self.array()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.array()?);
                self.long(length.into())?;
            }
            0x8c => {
                let [length] = self.array()?;
                self.text(length.into())?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.array()?);
                self.text(length.into())?;
            }
            0x8d => {
                let length = u64::from_le_bytes(self.array()?);
                self.text(length)?;
            }
            b'C' => {
                let [length] = self.array()?;
                self.bytes(length.into())?;
            }
            b'B' => {
                let length = u32::from_le_bytes(self.array()?);
                self.bytes(length.into())?;
            }
            b')' => self.tuple(self.stack.len())?,
            0x85..=0x87 => {
                let first = self.below(usize::from(code - 0x84))?;
                self.tuple(first)?;
            }
            b't' => {
                let first = self.marked()?;
                self.tuple(first)?;
            }
            b']' | 0x8f => self.push(Value::List)?,
            b'a' => {
                self.pop()?;
                self.top_list()?;
            }
            b'e' | 0x90 => {
                let first = self.marked()?;
                self.stack.truncate(first);
                self.top_list()?;
            }
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b's' => {
                let first = self.below(2)?;
                self.set_items(first)?;
            }
            b'u' => {
                let first = self.marked()?;
                self.set_items(first)?;
            }
            b'q' => {
                let [place] = self.array()?;
                self.memorize(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.array()?);
                self.memorize(place as usize)?;
            }
            0x94 => self.memorize(self.memo.len())?,
            b'h' => {
                let [place] = self.array()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.array()?);
                self.recall(place as usize)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.text_of(module)?, self.text_of(name)?);
                self.global(module, name)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Storage(id))?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            b'b' => {
                // The attributes of a dict, such as `_metadata`: no value depends on them.
                let attributes = self.pop()?;
                self.dict(attributes)?;
                self.dict(self.top()?)?;
            }
            b'.' => {
                let root = self.pop()?;
                let last = self.stack.is_empty() && self.marks.is_empty() && self.rest.0.is_empty();
                return last.then_some(Some(root)).ok_or(PickleErrorKind::Operands);
            }
            other => return Err(PickleErrorKind::Opcode(other)),
        }
        Ok(None)
    }

    /// Describes what Python would call, as far as it makes a dict, a tensor or a parameter.
    fn call(&mut self, function: Id, arguments: Id) -> Step<()> {
        let parts = self.parts_of(arguments)?;
        match (self.function(function)?, parts) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::RebuildTensor, _) => self.push(Value::Tensor(arguments)),
            (Global::RebuildParameter, &[tensor, ..]) => self.push_tensor(tensor),
            // A tensor with attributes in Python: function, class, arguments, attributes.
            (Global::RebuildFromType, &[inner, class, arguments, _]) => {
                if self.function(class)? != Global::TensorClass {
                    return Err(PickleErrorKind::Operands);
                }
                match (self.function(inner)?, self.parts_of(arguments)?) {
                    (Global::RebuildTensor, _) => self.push(Value::Tensor(arguments)),
                    (Global::RebuildParameter, &[tensor, ..]) => self.push_tensor(tensor),
                    _ => Err(PickleErrorKind::Operands),
                }
            }
            _ => Err(PickleErrorKind::Operands),
        }
    }

    /// Pushes a tensor once more: a parameter is the tensor that it holds.
    fn push_tensor(&mut self, tensor: Id) -> Step<()> {
        match self.value(tensor) {
            Value::Tensor(_) => self.push_id(tensor),
            _ => Err(PickleErrorKind::Operands),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Step<()> {
        let unknown = || PickleErrorKind::Global(shown(&format!("{module}.{name}")));
        let global = Global::find(module, name).ok_or_else(unknown)?;
        self.push(Value::Global(global))
    }

    /// An integer of any length in two's complement.
    fn long(&mut self, length: u64) -> Step<()> {
        let digits = self.take(length)?;
        let negative = digits.last().is_some_and(|byte| *byte > 0x7f);
        let sign = if negative { 0xff } else { 0 };
        let (low, high) = digits.split_at(digits.len().min(8));
        let mut value = [sign; 8];
        value[..low.len()].copy_from_slice(low);
        let value = i64::from_le_bytes(value);
        let fits = high.iter().all(|byte| *byte == sign) && (value < 0) == negative;
        self.push(if fits {
            Value::Integer(value)
        } else {
            Value::Other
        })
    }

    fn text(&mut self, length: u64) -> Step<()> {
        let start = self.whole.len() - self.rest.0.len();
        let text = self.take(length)?;
        std::str::from_utf8(text).map_err(|_| PickleErrorKind::Text)?;
        // A pickle is shorter than 4 GiB.
        let range = start as u32..(start + text.len()) as u32;
        self.push(Value::Text(range))
    }

    fn bytes(&mut self, length: u64) -> Step<()> {
        self.take(length)?;
        self.push(Value::Other)
    }

    fn line(&mut self) -> Step<&'a str> {
        let end = self.rest.0.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.ok_or(PickleErrorKind::Cut)? as u64)?;
        self.array::<1>()?;
        std::str::from_utf8(line).map_err(|_| PickleErrorKind::Text)
    }

    /// Makes a tuple of the stack's values from `first` on.
    fn tuple(&mut self, first: usize) -> Step<()> {
        let count = self.stack.len() - first;
        self.spend(count)?;
        let start = self.parts.len() as u32;
        self.parts.extend(self.stack.drain(first..));
        self.push(Value::Tuple(start..start + count as u32))
    }

    /// Puts the stack's pairs from `first` on into the dict before them.
    fn set_items(&mut self, first: usize) -> Step<()> {
        let count = self.stack.len() - first;
        self.spend(count)?;
        let items = self.stack.split_off(first);
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(PickleErrorKind::Operands);
        };
        let dict = self.top()?;
        match self.values.get_mut(dict as usize) {
            Some(Value::Dict(entries)) => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)))
            }
            _ => return Err(PickleErrorKind::Operands),
        }
        Ok(())
    }

    fn memorize(&mut self, place: usize) -> Step<()> {
        if place >= MAX_VALUES {
            return Err(PickleErrorKind::TooMany(MAX_VALUES));
        }
        let top = self.top()?;
        if place >= self.memo.len() {
            self.memo.resize(place + 1, None);
        }
        self.memo[place] = Some(top);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Step<()> {
        let id = self.memo.get(place).copied().flatten();
        self.push_id(id.ok_or(PickleErrorKind::Operands)?)
    }

    fn push(&mut self, value: Value) -> Step<()> {
        self.spend(1)?;
        let id = self.values.len() as Id;
        self.values.push(value);
        self.push_id(id)
    }

    fn push_id(&mut self, id: Id) -> Step<()> {
        if self.stack.len() >= MAX_VALUES {
            return Err(PickleErrorKind::TooMany(MAX_VALUES));
        }
        self.stack.push(id);
        Ok(())
    }

    fn mark(&mut self) -> Step<()> {
        if self.marks.len() >= MAX_VALUES {
            return Err(PickleErrorKind::TooMany(MAX_VALUES));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// The height of the stack at the last mark, which is taken away.
    fn marked(&mut self) -> Step<usize> {
        self.marks.pop().ok_or(PickleErrorKind::Operands)
    }

    /// The height of the stack below its topmost values. Values below the last mark are out of reach, so that a mark
    /// is never above the stack.
    fn below(&self, count: usize) -> Step<usize> {
        let reach = self.marks.last().copied().unwrap_or(0);
        let height = self.stack.len().checked_sub(count);
        height
            .filter(|height| *height >= reach)
            .ok_or(PickleErrorKind::Operands)
    }

    /// The topmost value; values below the last mark are out of reach.
    fn pop(&mut self) -> Step<Id> {
        self.top()?;
        self.stack.pop().ok_or(PickleErrorKind::Operands)
    }

    fn top(&self) -> Step<Id> {
        let reach = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(reach..).unwrap_or_default();
        above.last().copied().ok_or(PickleErrorKind::Operands)
    }

    fn top_list(&self) -> Step<()> {
        match self.value(self.top()?) {
            Value::List => Ok(()),
            _ => Err(PickleErrorKind::Operands),
        }
    }

    fn dict(&self, id: Id) -> Step<()> {
        match self.value(id) {
            Value::Dict(_) => Ok(()),
            _ => Err(PickleErrorKind::Operands),
        }
    }

    fn function(&self, id: Id) -> Step<Global> {
        match self.value(id) {
            Value::Global(global) => Ok(*global),
            _ => Err(PickleErrorKind::Operands),
        }
    }

    fn text_of(&self, id: Id) -> Step<&'a str> {
        match self.value(id) {
            Value::Text(range) => text(self.whole, range).ok_or(PickleErrorKind::Text),
            _ => Err(PickleErrorKind::Operands),
        }
    }

    fn parts_of(&self, id: Id) -> Step<&[Id]> {
        match self.value(id) {
            Value::Tuple(range) => self.parts.get(indices(range)),
            _ => None,
        }
        .ok_or(PickleErrorKind::Operands)
    }

    fn value(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    fn spend(&mut self, count: usize) -> Step<()> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or(PickleErrorKind::TooMany(MAX_VALUES))?;
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        self.rest.array().ok_or(PickleErrorKind::Cut)
    }

    fn take(&mut self, count: u64) -> Step<&'a [u8]> {
        let count = usize::try_from(count).ok();
        count
            .and_then(|count| self.rest.take(count))
            .ok_or(PickleErrorKind::Cut)
    }
}
