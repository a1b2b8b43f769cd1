//! Types of elements in HDF5 files.

use deckle_tensor::{DType, Tensor};

use super::read::Bytes;
use crate::{Error, Result};

/// A type of elements, as far as Keras uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datatype {
    Number {
        number: Number,
        big_endian: bool,
    },
    /// h5py's enumeration of FALSE and TRUE.
    Bool,
    /// Bytes whose meaning is told elsewhere.
    Opaque {
        size: usize,
    },
    /// Characters, filled up to `size`.
    Text {
        size: usize,
        padding: Padding,
    },
    /// A reference to characters in a global heap.
    HeapText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    BF16,
    F32,
    F64,
    Signed(usize),
    Unsigned(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    Nul,
    Space,
}

const FIXED: u8 = 0;
const FLOAT: u8 = 1;
const TEXT: u8 = 3;
const OPAQUE: u8 = 5;
const ENUMERATION: u8 = 8;
const VARIABLE: u8 = 9;

/// A reference into a global heap: a length, an address and an index.
pub(super) const HEAP_TEXT_SIZE: usize = 16;

impl Datatype {
    pub(super) fn parse(bytes: &mut Bytes<'_>) -> Result<Self> {
        let class_and_version = bytes.u8()?;
        let (class, version) = (class_and_version & 15, class_and_version >> 4);
        let flags = [bytes.u8()?, bytes.u8()?, bytes.u8()?];
        let size = bytes.u32()? as usize;
        match class {
            FIXED => {
                let (offset, precision) = (bytes.u16()?, usize::from(bytes.u16()?));
                let number = if flags[0] & 8 == 0 {
                    Number::Unsigned(size)
                } else {
                    Number::Signed(size)
                };
                if offset != 0 || precision != 8 * size || !matches!(size, 1 | 2 | 4 | 8)
                {
                    return Err(unsupported("integers of an unusual layout"));
                }
                Ok(Self::Number { number, big_endian: flags[0] & 1 != 0 })
            }
            FLOAT => Self::parse_float(flags, size, bytes),
            TEXT => Ok(Self::Text {
                size,
                padding: if flags[0] & 15 == 2 { Padding::Space } else { Padding::Nul },
            }),
            OPAQUE => {
                bytes.skip(usize::from(flags[0]))?;
                Ok(Self::Opaque { size })
            }
            ENUMERATION => Self::parse_bool(flags, version, bytes),
            VARIABLE if flags[0] & 15 == 1 && size == HEAP_TEXT_SIZE => {
                Ok(Self::HeapText)
            }
            2 => Err(unsupported("times")),
            4 => Err(unsupported("bit fields")),
            6 => Err(unsupported("compound elements")),
            7 => Err(unsupported("references")),
            VARIABLE => Err(unsupported("sequences of variable length")),
            10 => Err(unsupported("arrays as elements")),
            11 => Err(unsupported("complex numbers")),
            _ => Err(Error::new(format_args!(
                "damaged: no element type has class {class}"
            ))),
        }
    }

    fn parse_float(flags: [u8; 3], size: usize, bytes: &mut Bytes<'_>) -> Result<Self> {
        let (offset, precision) = (bytes.u16()?, usize::from(bytes.u16()?));
        let layout = [bytes.u8()?, bytes.u8()?, bytes.u8()?, bytes.u8()?];
        let bias = bytes.u32()?;
        let number = [Number::F16, Number::BF16, Number::F32, Number::F64]
            .into_iter()
            .find(|number| {
                number.float_layout() == Some((layout, bias)) && number.size() == size
            });
        match number {
            // The leading bit of the mantissa is implied, the sign is the highest bit.
            Some(number)
                if offset == 0
                    && precision == 8 * size
                    && matches!(flags[0] & !0x0e, 0x20 | 0x21)
                    && usize::from(flags[1]) == 8 * size - 1 =>
            {
                Ok(Self::Number { number, big_endian: flags[0] & 1 != 0 })
            }
            _ => Err(unsupported("floating-point numbers of an unusual layout")),
        }
    }

    fn parse_bool(flags: [u8; 3], version: u8, bytes: &mut Bytes<'_>) -> Result<Self> {
        let members = u16::from_le_bytes([flags[0], flags[1]]);
        let base = bytes.u8()? & 15;
        bytes.skip(3)?;
        let size = bytes.u32()?;
        bytes.skip(4)?;
        let name_size = |name: &str| if version < 3 { 8 } else { name.len() + 1 };
        let mut named = |name: &str| -> Result<bool> {
            let read = bytes.take(name_size(name))?;
            Ok(read.split(|&byte| byte == 0).next() == Some(name.as_bytes()))
        };
        if (base, size, members) == (FIXED, 1, 2)
            && named("FALSE")?
            && named("TRUE")?
            && bytes.take(2)? == [0, 1]
        {
            Ok(Self::Bool)
        } else {
            Err(unsupported("enumerations other than FALSE and TRUE"))
        }
    }

    /// The bytes of one element.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::Number { number, .. } => number.size(),
            Self::Bool => 1,
            Self::Opaque { size } | Self::Text { size, .. } => size,
            Self::HeapText => HEAP_TEXT_SIZE,
        }
    }

    /// Whether a tensor can have such elements.
    pub(super) fn check_number(self) -> Result<()> {
        match self {
            Self::Number { .. } | Self::Bool => Ok(()),
            Self::Opaque { .. } => Err(unsupported("opaque bytes")),
            Self::Text { .. } | Self::HeapText => Err(unsupported("texts")),
        }
    }

    /// The type that h5py writes for tensors of `dtype`.
    pub(super) fn of(dtype: DType) -> Result<Self> {
        let number = match dtype {
            DType::F16 => Number::F16,
            DType::F32 => Number::F32,
            DType::F64 => Number::F64,
            DType::I32 => Number::Signed(4),
            DType::I64 => Number::Signed(8),
            DType::U8 => Number::Unsigned(1),
            DType::U32 => Number::Unsigned(4),
            DType::Bool => return Ok(Self::Bool),
            DType::BF16 => return Ok(Self::Opaque { size: 2 }),
            other => return Err(unsupported(other.name())),
        };
        Ok(Self::Number { number, big_endian: false })
    }

    /// The message that describes the type.
    pub(super) fn encode(self) -> Vec<u8> {
        let head = |class: u8, flags: [u8; 3], size: usize| {
            let mut head = vec![class | 0x10, flags[0], flags[1], flags[2]];
            head.extend((size as u32).to_le_bytes());
            head
        };
        let precision = |size: usize| [0, 0, (8 * size) as u8, 0];
        match self {
            Self::Number { number, big_endian } => {
                let (order, size) = (u8::from(big_endian), number.size());
                let mut message = match number.float_layout() {
                    Some(_) => head(FLOAT, [0x20 | order, (8 * size - 1) as u8, 0], size),
                    None => {
                        let signed = u8::from(matches!(number, Number::Signed(_)));
                        head(FIXED, [signed << 3 | order, 0, 0], size)
                    }
                };
                message.extend(precision(size));
                if let Some((layout, bias)) = number.float_layout() {
                    message.extend(layout);
                    message.extend(bias.to_le_bytes());
                }
                message
            }
            Self::Bool => {
                let mut message = head(ENUMERATION, [2, 0, 0], 1);
                message.extend(head(FIXED, [8, 0, 0], 1));
                message.extend(precision(1));
                message.extend(*b"FALSE\0\0\0TRUE\0\0\0\0\0\x01");
                message
            }
            Self::Opaque { size } => head(OPAQUE, [0; 3], size),
            Self::Text { size, padding } => {
                head(TEXT, [if padding == Padding::Space { 2 } else { 1 }, 0, 0], size)
            }
            // Of UTF-8 characters that end with a NUL, which is not stored.
            Self::HeapText => {
                let mut message = head(VARIABLE, [1, 1, 0], HEAP_TEXT_SIZE);
                message.extend(head(FIXED, [0; 3], 1));
                message.extend(precision(1));
                message
            }
        }
    }

    /// The tensor with these elements; `shape` and `raw` agree.
    pub(crate) fn tensor(self, shape: &[usize], raw: &[u8]) -> Result<Tensor> {
        let (number, big_endian) = match self {
            Self::Number { number, big_endian } => (number, big_endian),
            Self::Bool => return Ok(Tensor::from_bytes(DType::Bool, shape, raw)?),
            other => {
                other.check_number()?;
                return Err(unsupported("elements that are no numbers"));
            }
        };
        let swapped: Vec<u8>;
        let raw = if big_endian && number.size() > 1 {
            let elements = raw.chunks_exact(number.size());
            swapped =
                elements.flat_map(|element| element.iter().rev().copied()).collect();
            &swapped
        } else {
            raw
        };
        let dtype = match number {
            Number::F16 => DType::F16,
            Number::BF16 => DType::BF16,
            Number::F32 => DType::F32,
            Number::F64 => DType::F64,
            Number::Signed(4) => DType::I32,
            Number::Signed(8) => DType::I64,
            Number::Unsigned(1) => DType::U8,
            Number::Unsigned(4) => DType::U32,
            _ => return number.widened(shape, raw),
        };
        Ok(Tensor::from_bytes(dtype, shape, raw)?)
    }
}

impl Number {
    const fn size(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Signed(size) | Self::Unsigned(size) => size,
        }
    }

    /// Position and size of exponent and mantissa, and the exponent's bias.
    const fn float_layout(self) -> Option<([u8; 4], u32)> {
        match self {
            Self::F16 => Some(([10, 5, 0, 10], 15)),
            Self::BF16 => Some(([7, 8, 0, 7], 127)),
            Self::F32 => Some(([23, 8, 0, 23], 127)),
            Self::F64 => Some(([52, 11, 0, 52], 1023)),
            Self::Signed(_) | Self::Unsigned(_) => None,
        }
    }

    /// The tensor of little-endian integers that no [`DType`] holds as they are.
    fn widened(self, shape: &[usize], raw: &[u8]) -> Result<Tensor> {
        let elements = raw.chunks_exact(self.size());
        let two = |bytes: &[u8]| [bytes[0], bytes[1]];
        Ok(match self {
            Self::Signed(1) => {
                let values: Vec<_> =
                    raw.iter().map(|&x| i32::from(x.cast_signed())).collect();
                Tensor::new(values, shape)?
            }
            Self::Signed(_) => {
                let values: Vec<_> =
                    elements.map(|x| i32::from(i16::from_le_bytes(two(x)))).collect();
                Tensor::new(values, shape)?
            }
            Self::Unsigned(2) => {
                let values: Vec<_> =
                    elements.map(|x| u32::from(u16::from_le_bytes(two(x)))).collect();
                Tensor::new(values, shape)?
            }
            // `uint64`: the bytes of an `int64`, unless the highest bit is set.
            _ => {
                let tensor = Tensor::from_bytes(DType::I64, shape, raw)?;
                if tensor.to_vec::<i64>()?.iter().any(|&value| value < 0) {
                    return Err(Error::new("numbers of type uint64 that exceed int64"));
                }
                tensor
            }
        })
    }
}

/// The bytes of a tensor in row-major order, little-endian.
pub(crate) fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.contiguous();
    let mut bytes = tensor.as_bytes().unwrap_or_default().to_vec();
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
    }
    bytes
}

pub(super) fn unsupported(what: &str) -> Error {
    Error::new(format_args!("holds {what}, which Keras does not write"))
}
