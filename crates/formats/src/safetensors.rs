//! Files of tensors by name: [`Safetensors`].

use std::{cmp::Reverse, collections::BTreeMap, path::Path};

use deckle_tensor::{DType, Tensor, shape_text};
use serde_json::{Map, Value};

use crate::{
    Error, Result, disk,
    hdf5::{Datatype, Number, byte_count, bytes_of},
    json,
};

const METADATA: &str = "__metadata__";

/// Tensors by name, and texts about them: a `.safetensors` file.
///
/// A length, a header in JSON, and the numbers, of which every byte belongs to one tensor.
/// Tensors are written by the size of their elements, the largest first, and then by name; so
/// equal contents are equal bytes.
///
/// # Examples
///
/// ```
/// use deckle_formats::Safetensors;
/// use deckle_tensor::Tensor;
///
/// let mut file = Safetensors::new();
/// file.tensors.insert("dense/kernel".into(), Tensor::from([[1.0f32, 2.0]]));
/// file.metadata.insert("model".into(), "small".into());
///
/// let again = Safetensors::from_bytes(&file.to_bytes()?)?;
/// assert_eq!(again, file);
/// assert_eq!(again.tensors["dense/kernel"].shape(), [1, 2]);
/// # Ok::<(), deckle_formats::Error>(())
/// ```
///
/// # References
///
/// <https://huggingface.co/docs/safetensors>, "Format".
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Safetensors {
    /// What is said about the file.
    pub metadata: BTreeMap<String, String>,
    /// The tensors.
    pub tensors: BTreeMap<String, Tensor>,
}

impl Safetensors {
    /// A file without anything in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a `.safetensors` file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and as [`from_bytes`](Self::from_bytes).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&disk::read(path)?).map_err(|error| error.in_file(path))
    }

    /// Reads the bytes of a `.safetensors` file.
    ///
    /// Integers of 8 and 16 bits become `int32`, `U16` becomes `uint32`, `U64` becomes `int64`
    /// if it fits.
    ///
    /// # Errors
    ///
    /// If the header is absurd, truncated or no JSON of the right form, if tensors overlap,
    /// leave bytes out or have a size that is not that of their shape, or if their elements are
    /// of a type that does not exist here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let truncated =
            || Error::new("not a safetensors file, or a truncated one: no whole header");
        let (len, rest) = bytes.split_first_chunk::<8>().ok_or_else(truncated)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| truncated())?;
        let (header, data) = rest.split_at_checked(len).ok_or_else(truncated)?;
        let header = json::parse(header).map_err(|error| error.inside("header"))?;
        let Value::Object(header) = header else {
            return Err(Error::new("not an object").inside("header"));
        };
        let mut file = Self::new();
        let mut ranges = Vec::new();
        for (name, entry) in &header {
            if name == METADATA {
                file.metadata =
                    metadata(entry).map_err(|error| error.inside(METADATA))?;
                continue;
            }
            let (tensor, range) = tensor(entry, data)
                .map_err(|error| error.inside(format_args!("tensor {name}")))?;
            ranges.push((range, name));
            file.tensors.insert(name.clone(), tensor);
        }
        ranges.sort_unstable();
        let mut end = 0;
        for ((start, next), name) in ranges {
            if start != end {
                return Err(Error::new(format_args!(
                    "begins at byte {start} where {end} is next: tensors overlap or leave bytes out"
                ))
                .inside(format_args!("tensor {name}")));
            }
            end = next;
        }
        if end != data.len() {
            return Err(Error::new(format_args!(
                "{} bytes of numbers, of which the tensors have {end}",
                data.len()
            )));
        }
        Ok(file)
    }

    /// Writes a `.safetensors` file, replacing what was there at once.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes), and if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| error.in_file(path))?;
        disk::write_atomically(path, &bytes)
    }

    /// The bytes of a `.safetensors` file.
    ///
    /// # Errors
    ///
    /// If a tensor is named `__metadata__`, or of a type of elements that the format does not
    /// have.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut order: Vec<_> = self.tensors.iter().collect();
        order.sort_by_key(|(name, tensor)| (Reverse(tensor.dtype().size()), *name));
        let (mut header, mut data) = (Map::new(), Vec::new());
        if !self.metadata.is_empty() {
            header.insert(METADATA.to_owned(), json::json!(self.metadata));
        }
        for (name, tensor) in order {
            if name == METADATA {
                return Err(Error::new("cannot be the name of a tensor").inside(name));
            }
            let start = data.len();
            data.extend(bytes_of(tensor));
            let dtype = dtype_name(tensor.dtype()).map_err(|error| error.inside(name))?;
            let entry = json::json!({
                "dtype": dtype,
                "shape": tensor.shape(),
                "data_offsets": [start, data.len()],
            });
            header.insert(name.clone(), entry);
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        Ok(bytes)
    }
}

fn metadata(entry: &Value) -> Result<BTreeMap<String, String>> {
    let wrong = || Error::new("not texts by name");
    let entries = entry.as_object().ok_or_else(wrong)?;
    entries
        .iter()
        .map(|(key, text)| Ok((key.clone(), text.as_str().ok_or_else(wrong)?.to_owned())))
        .collect()
}

/// A tensor that the header describes, and where its bytes are.
fn tensor(entry: &Value, data: &[u8]) -> Result<(Tensor, (usize, usize))> {
    let numbers = |key: &str| -> Result<Vec<usize>> {
        let wrong = || Error::new(format_args!("no list of whole numbers as `{key}`"));
        let list = entry.get(key).and_then(Value::as_array).ok_or_else(wrong)?;
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        list.iter().map(|value| number(value).ok_or_else(wrong)).collect()
    };
    let dtype = entry.get("dtype").and_then(Value::as_str).unwrap_or_default();
    let datatype = datatype(dtype)?;
    let shape = numbers("shape")?;
    let &[start, end] = &numbers("data_offsets")?[..] else {
        return Err(Error::new("no two numbers as `data_offsets`"));
    };
    let bytes = data.get(start..end).ok_or_else(|| {
        Error::new(format_args!(
            "bytes {start} to {end} of {} that there are",
            data.len()
        ))
    })?;
    let expected = byte_count(&shape, datatype.size())?;
    if bytes.len() != expected {
        return Err(Error::new(format_args!(
            "{} bytes for shape {}, which has {expected}",
            bytes.len(),
            shape_text(&shape)
        )));
    }
    Ok((datatype.tensor(&shape, bytes)?, (start, end)))
}

fn datatype(name: &str) -> Result<Datatype> {
    let number = match name {
        "F64" => Number::F64,
        "F32" => Number::F32,
        "F16" => Number::F16,
        "BF16" => Number::BF16,
        "I64" => Number::Signed(8),
        "I32" => Number::Signed(4),
        "I16" => Number::Signed(2),
        "I8" => Number::Signed(1),
        "U64" => Number::Unsigned(8),
        "U32" => Number::Unsigned(4),
        "U16" => Number::Unsigned(2),
        "U8" => Number::Unsigned(1),
        "BOOL" => return Ok(Datatype::Bool),
        other => {
            return Err(Error::new(format_args!(
                "elements of type {other:?}, which does not exist here"
            )));
        }
    };
    Ok(Datatype::Number { number, big_endian: false })
}

fn dtype_name(dtype: DType) -> Result<&'static str> {
    Ok(match dtype {
        DType::F64 => "F64",
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::I64 => "I64",
        DType::I32 => "I32",
        DType::U32 => "U32",
        DType::U8 => "U8",
        DType::Bool => "BOOL",
        other => {
            return Err(Error::new(format_args!(
                "elements of type {other}, which the format does not have"
            )));
        }
    })
}
