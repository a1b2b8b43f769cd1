//! NumPy's `.npy` format, one array per file.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::Path,
};

use crate::{
    AtomicFile, DType, Element, Error, Result, Storage, Tensor, shape_text,
    tensor::checked_size,
};

pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy's own headers have some 100 bytes, so this is plenty.
const MAX_HEADER: usize = 1 << 20;

const NATIVE: char = if cfg!(target_endian = "little") { '<' } else { '>' };

/// What stands before the data of an `.npy` file.
///
/// For files whose elements no tensor can hold, such as pickled objects (`|O`): parse the
/// header, and read the bytes from [`data_start`](Self::data_start) on by other means.
///
/// # Examples
///
/// ```
/// use deckle_tensor::{NpyHeader, Tensor};
///
/// let bytes = Tensor::from([[1u8, 2]]).to_npy()?;
/// let header = NpyHeader::parse(&bytes, "x.npy")?;
/// assert_eq!(header.descr, "|u1");
/// assert_eq!(header.shape, [1, 2]);
/// assert_eq!(bytes[header.data_start..], [1, 2]);
/// # Ok::<(), deckle_tensor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    /// Major and minor version of the format: 1.0, 2.0 or 3.0.
    pub version: (u8, u8),
    /// NumPy's name of the element type, as `<f4`.
    pub descr: String,
    /// Whether the first axis changes fastest.
    pub fortran_order: bool,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The position of the first byte after the header.
    pub data_start: usize,
}

impl NpyHeader {
    /// Parses the header at the start of `bytes`; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// If the bytes do not start with a complete header of a known version.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        Self::read(&mut &bytes[..], file)
    }

    fn read(reader: &mut impl Read, file: &str) -> Result<Self> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(|error| broken(file, error))?;
        if start[..6] != *MAGIC {
            return Err(Error::file(file, "is not an .npy file: its first bytes differ"));
        }
        let version = (start[6], start[7]);
        let width = match version {
            (1, 0) => 2,
            (2 | 3, 0) => 4,
            (major, minor) => {
                return Err(Error::file(
                    file,
                    format_args!(
                        "has version {major}.{minor} of the .npy format; 1.0, 2.0 and 3.0 are known"
                    ),
                ));
            }
        };
        let mut len = [0; 4];
        reader.read_exact(&mut len[..width]).map_err(|error| broken(file, error))?;
        let len = u32::from_le_bytes(len) as usize;
        if len > MAX_HEADER {
            return Err(Error::file(file, format_args!("has a header of {len} bytes")));
        }
        let mut text = vec![0; len];
        reader.read_exact(&mut text).map_err(|error| broken(file, error))?;
        let text = String::from_utf8_lossy(&text);
        let fields = Parser { rest: &text }.fields().map_err(|problem| {
            Error::file(file, format_args!("has a broken header: {problem}"))
        })?;
        let (descr, fortran_order, shape) = fields;
        let data_start = start.len() + width + len;
        Ok(Self { version, descr, fortran_order, shape, data_start })
    }

    /// The bytes of a tensor's header.
    pub(crate) fn of(tensor: &Tensor, file: &str) -> Result<Vec<u8>> {
        let code = match tensor.dtype() {
            DType::F32 => "f4",
            DType::F64 => "f8",
            DType::I32 => "i4",
            DType::I64 => "i8",
            DType::U8 => "u1",
            DType::U32 => "u4",
            DType::Bool => "b1",
            DType::F16 => "f2",
            dtype => {
                return Err(Error::file(
                    file,
                    format_args!("cannot hold {dtype}, which NumPy lacks"),
                )
                .help("convert the tensor first: .cast(DType::F32)"));
            }
        };
        let order = if tensor.dtype().size() == 1 { '|' } else { NATIVE };
        let fields = format!(
            "{{'descr': '{order}{code}', 'fortran_order': False, 'shape': {}, }}",
            shape_text(tensor.shape())
        );
        // The data starts at a multiple of 64, the header ends with a line feed.
        let padded =
            |fixed: usize| (fixed + fields.len() + 1).next_multiple_of(64) - fixed;
        let mut bytes = MAGIC.to_vec();
        let (len, fixed) = match u16::try_from(padded(10)) {
            Ok(len) => {
                bytes.extend([1, 0]);
                bytes.extend(len.to_le_bytes());
                (usize::from(len), 10)
            }
            Err(_) => {
                let len = padded(12);
                bytes.extend([2, 0]);
                let short = u32::try_from(len).map_err(|_| {
                    Error::file(file, format_args!("cannot hold {} axes", tensor.rank()))
                })?;
                bytes.extend(short.to_le_bytes());
                (len, 12)
            }
        };
        bytes.extend(fields.bytes());
        bytes.resize(fixed + len - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl Tensor {
    /// Reads an `.npy` file.
    ///
    /// Versions 1 to 3, row-major or Fortran order, either byte order. `bool`, `uint8`,
    /// `int32`, `int64`, `uint32`, `float16`, `float32` and `float64` keep their type. What
    /// tensors lack is widened: `int8`, `int16` and `uint16` to `I32`, `uint64` to `I64`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no complete `.npy` file, or its elements are of a type
    /// that tensors cannot hold (strings, objects, complex numbers, dates, `uint64` beyond
    /// 2⁶³ - 1).
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let fail = |error| Error::io(&name, error);
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        read(&mut BufReader::new(file), len, &name)
    }

    /// The tensor that `.npy` bytes hold; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// As [`Tensor::read_npy`].
    ///
    /// # Examples
    ///
    /// ```
    /// use deckle_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.5f32, 2.5]]);
    /// assert_eq!(Tensor::from_npy(&x.to_npy()?, "x.npy")?, x);
    /// # Ok::<(), deckle_tensor::Error>(())
    /// ```
    pub fn from_npy(bytes: &[u8], file: &str) -> Result<Self> {
        read(&mut &bytes[..], bytes.len() as u64, file)
    }

    /// Writes an `.npy` file, which appears whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or the elements are `BF16`, which NumPy lacks.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut file = AtomicFile::create(path)?;
        write(self, &mut file, &path.display().to_string())?;
        file.commit()
    }

    /// The bytes of an `.npy` file with this tensor.
    ///
    /// # Errors
    ///
    /// If the elements are `BF16`, which NumPy lacks.
    pub fn to_npy(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        write(self, &mut bytes, "an .npy file")?;
        Ok(bytes)
    }
}

/// Writes header and data.
pub(crate) fn write(tensor: &Tensor, to: &mut impl Write, file: &str) -> Result<()> {
    let header = NpyHeader::of(tensor, file)?;
    let tensor = tensor.contiguous();
    let bytes = tensor.as_bytes().unwrap_or_default();
    to.write_all(&header)
        .and_then(|()| to.write_all(bytes))
        .map_err(|error| Error::io(file, error))
}

/// Reads `len` bytes of header and data. Nothing is allocated before the lengths agree.
fn read(reader: &mut impl Read, len: u64, file: &str) -> Result<Tensor> {
    let header = NpyHeader::read(reader, file)?;
    let encoding = Encoding::new(&header.descr, file)?;
    let size = checked_size(&header.shape).map_err(|_| {
        let shape = shape_text(&header.shape);
        Error::file(file, format_args!("claims the shape {shape}, which no memory holds"))
    })?;
    let expected = (size * encoding.width) as u64;
    let found = len.saturating_sub(header.data_start as u64);
    if found != expected {
        let what = if found < expected { "is truncated" } else { "is too long" };
        return Err(Error::file(
            file,
            format_args!(
                "{what}: {found} bytes of data for shape {} of {}, which takes {expected}",
                shape_text(&header.shape),
                header.descr
            ),
        ));
    }
    let mut shape = header.shape;
    if header.fortran_order {
        shape.reverse();
    }
    let tensor = encoding.read(reader, &shape, size, file)?;
    Ok(if header.fortran_order { tensor.transpose().contiguous() } else { tensor })
}

fn broken(file: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::file(file, "is truncated"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            Error::file(file, format_args!("is damaged: {error}"))
        }
        _ => Error::io(file, error),
    }
}

/// How the elements are stored.
struct Encoding {
    /// NumPy's letter: `b`, `i`, `u` or `f`.
    kind: char,
    width: usize,
    swapped: bool,
}

impl Encoding {
    fn new(descr: &str, file: &str) -> Result<Self> {
        let mut letters = descr.chars();
        let order = letters.next();
        let kind = letters.next();
        let width = letters.as_str();
        let known = match (kind, width) {
            (Some('b'), "1") => Some(('b', 1)),
            (Some(kind @ ('i' | 'u')), "1" | "2" | "4" | "8")
            | (Some(kind @ 'f'), "2" | "4" | "8") => {
                Some((kind, width.parse().unwrap_or_default()))
            }
            _ => None,
        };
        let swapped = match order {
            Some('<' | '>') => order != Some(NATIVE),
            _ => false,
        };
        let (kind, width) = known.filter(|_| matches!(order, Some('<' | '>' | '|' | '='))).ok_or_else(|| {
            let what = match kind {
                Some('O') => "pickled Python objects",
                Some('U' | 'S') => "strings",
                Some('c') => "complex numbers",
                Some('M' | 'm') => "dates or times",
                _ => "elements that no tensor holds",
            };
            Error::file(file, format_args!("has {what} (`{descr}`)"))
                .help("save it from NumPy as bool, an integer or a floating-point type: array.astype(\"float32\")")
        })?;
        Ok(Self { kind, width, swapped })
    }

    fn read(
        &self,
        reader: &mut impl Read,
        shape: &[usize],
        size: usize,
        file: &str,
    ) -> Result<Tensor> {
        let mut storage = Storage::zeroed(size * self.width);
        let bytes = storage.as_mut_slice::<u8>();
        reader.read_exact(bytes).map_err(|error| broken(file, error))?;
        if self.swapped && self.width > 1 {
            bytes.chunks_exact_mut(self.width).for_each(<[u8]>::reverse);
        }
        let same = match (self.kind, self.width) {
            ('b', _) => {
                if let Some(byte) = bytes.iter().find(|&&byte| byte > 1) {
                    return Err(Error::file(file, format_args!("has {byte} for a bool")));
                }
                DType::Bool
            }
            ('i', 4) => DType::I32,
            ('i', 8) => DType::I64,
            ('u', 1) => DType::U8,
            ('u', 4) => DType::U32,
            ('f', 2) => DType::F16,
            ('f', 4) => DType::F32,
            ('f', 8) => DType::F64,
            _ => return self.widen(bytes, shape, file),
        };
        Ok(Tensor::from_storage(storage, same, shape))
    }

    /// Integers of types that no tensor has.
    fn widen(&self, bytes: &[u8], shape: &[usize], file: &str) -> Result<Tensor> {
        match (self.kind, self.width) {
            ('i', 1) => converted(bytes, shape, |[a]| i32::from(i8::from_ne_bytes([a]))),
            ('i', _) => converted(bytes, shape, |ab| i32::from(i16::from_ne_bytes(ab))),
            ('u', 2) => converted(bytes, shape, |ab| i32::from(u16::from_ne_bytes(ab))),
            _ => {
                let wide =
                    bytes.as_chunks().0.iter().map(|&bytes| u64::from_ne_bytes(bytes));
                if let Some(large) =
                    wide.clone().find(|&value| i64::try_from(value).is_err())
                {
                    return Err(Error::file(
                        file,
                        format_args!("has the uint64 {large}, which is beyond int64"),
                    ));
                }
                converted(bytes, shape, |bytes| u64::from_ne_bytes(bytes).cast_signed())
            }
        }
    }
}

fn converted<T: Element, const N: usize>(
    bytes: &[u8],
    shape: &[usize],
    convert: impl Fn([u8; N]) -> T,
) -> Result<Tensor> {
    let values: Vec<T> =
        bytes.as_chunks().0.iter().map(|&bytes| convert(bytes)).collect();
    Tensor::new(values, shape)
}

/// Reads the Python dictionary of a header.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn fields(mut self) -> Result<(String, bool, Vec<usize>), String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.skip('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => descr = Some(self.descr()?.to_owned()),
                "fortran_order" => fortran_order = Some(self.truth()?),
                "shape" => shape = Some(self.shape()?),
                other => return Err(format!("unknown key `{other}`")),
            }
            if !self.skip(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim().is_empty() {
            return Err("more than one dictionary".to_owned());
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok((descr, fortran_order, shape))
            }
            _ => Err("`descr`, `fortran_order` and `shape` are not all there".to_owned()),
        }
    }

    fn skip(&mut self, letter: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(letter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        if self.skip(letter) { Ok(()) } else { Err(format!("`{letter}` is missing")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        let quote = self.rest.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
        let quoted = quote.and_then(|quote| self.rest[1..].split_once(quote));
        let (string, rest) = quoted.ok_or("a string is missing")?;
        self.rest = rest;
        Ok(string)
    }

    fn descr(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('[') {
            return Err("several fields per element, which no tensor holds".to_owned());
        }
        self.string()
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("`fortran_order` is neither True nor False".to_owned())
    }

    fn shape(&mut self) -> Result<Vec<usize>, String> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.skip(')') {
            self.rest = self.rest.trim_start();
            let end =
                self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            shape.push(digits.parse().map_err(|_| format!("`{digits}` is no length"))?);
            // Python 2 marks long integers.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.skip(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(header.len()).unwrap().to_le_bytes();
        [&MAGIC[..], &[1, 0], &len[..], header.as_bytes(), data].concat()
    }

    #[track_caller]
    fn check(header: &str, data: &[u8], expected: &str) {
        let error = Tensor::from_npy(&file(header, data), "x.npy").unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn every_element_type_comes_back() {
        for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
            for shape in [&[][..], &[0], &[1], &[2, 3], &[2, 0, 3]] {
                let x = Tensor::from_fn(shape, |index| {
                    index.iter().sum::<usize>() as i64 % 2
                });
                let x = x.cast(dtype).transpose();
                let bytes = x.to_npy().unwrap();
                assert_eq!(NpyHeader::parse(&bytes, "x").unwrap().data_start % 64, 0);
                assert_eq!(Tensor::from_npy(&bytes, "x").unwrap(), x);
            }
        }
    }

    #[test]
    fn what_numpy_lacks_names_the_cast() {
        let error = Tensor::zeros(DType::BF16, [1]).to_npy().unwrap_err();
        assert_eq!(
            error.to_string(),
            "an .npy file: cannot hold bfloat16, which NumPy lacks\n      help: convert the \
             tensor first: .cast(DType::F32)"
        );
    }

    #[test]
    fn headers_are_read_as_python_reads_them() {
        let header = "{ \"shape\":(2L , 1,),'fortran_order' : True, 'descr': '>i2'}  \n";
        let x = Tensor::from_npy(&file(header, &[0, 1, 255, 255]), "x").unwrap();
        assert_eq!(x, Tensor::from([[1], [-1]]));
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        check(
            header,
            &[0; 7],
            "x.npy: is truncated: 7 bytes of data for shape (2,) of <f4, which takes 8",
        );
        check(
            header,
            &[0; 9],
            "x.npy: is too long: 9 bytes of data for shape (2,) of <f4, which takes 8",
        );
        check(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,99999999999), }",
            &[],
            "x.npy: claims the shape (99999999999, 99999999999), which no memory holds",
        );
        check(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }",
            &[0; 16],
            "x.npy: is truncated: 16 bytes of data for shape (99999999999,) of <f8, which takes \
             799999999992",
        );
        check(
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            &[],
            "x.npy: has pickled Python objects (`|O`)\n      help: save it from NumPy as bool, an \
             integer or a floating-point type: array.astype(\"float32\")",
        );
        check(
            "{'descr': '<f4'}",
            &[],
            "x.npy: has a broken header: `descr`, `fortran_order` and `shape` are not all there",
        );
        check(
            "{'descr': [('a', '<f4')]}",
            &[],
            "x.npy: has a broken header: several fields per element, which no tensor holds",
        );
        check("{'shape': (-1,)}", &[], "x.npy: has a broken header: `` is no length");
        check("", &[], "x.npy: has a broken header: `{` is missing");
        check(
            "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }",
            &[2],
            "x.npy: has 2 for a bool",
        );
        check(
            "{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }",
            &[255; 8],
            "x.npy: has the uint64 18446744073709551615, which is beyond int64",
        );
        let text = |bytes: &[u8]| Tensor::from_npy(bytes, "x").unwrap_err().to_string();
        assert_eq!(
            text(b"PK\x03\x04...."),
            "x: is not an .npy file: its first bytes differ"
        );
        assert_eq!(text(b"\x93NUM"), "x: is truncated");
        assert_eq!(
            text(b"\x93NUMPY\x09\x00"),
            "x: has version 9.0 of the .npy format; 1.0, 2.0 and 3.0 are known"
        );
        assert_eq!(
            text(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
            "x: has a header of 4294967295 bytes"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Tensor::read_npy("no/such/file.npy").unwrap_err();
        assert_eq!(error.to_string(), "no/such/file.npy: cannot be read or written");
    }
}
