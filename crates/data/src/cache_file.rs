//! Examples on the disk: [`CacheFile`].

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use deckle_tensor::{AtomicFile, DType, Spec, Tensor};
use flate2::Crc;

use crate::{Batch, Dataset, Error, Example, Field, Result, Stream, adapt::Pool};

/// What a file begins and ends with.
const MAGIC: &[u8; 16] = b"deckle examples\x01";
const END: &[u8; 4] = b"end\n";

/// The bytes after the last example: how many there are, a checksum, [`END`].
const FOOTER: u64 = 16;

/// How many bytes are read or written at once.
const PIECE: usize = 1 << 18;

/// The examples of a file that this wrote, read by index when they are asked for.
///
/// Made by [`DatasetExt::cache_to`](crate::DatasetExt::cache_to) and
/// [`StreamExt::cache_to`](crate::StreamExt::cache_to). Data need not fit into memory: batches are
/// read from the disk, where the system keeps what it has room for. The file is written to a
/// temporary one first, so that there is a whole one or none. Each example has a checksum, which is
/// looked at when it is read; an example takes as many bytes as its tensors and four.
///
/// A file that is there is taken for the data's if names, element types and shapes are the same,
/// and of a data set also the number of examples and every bit of the first and the last one. Other
/// examples between them, or of a stream, whose examples nobody can read twice, are not noticed:
/// whoever changes how data is made removes the file or gives another path.
///
/// # Examples
///
/// ```
/// use deckle_data::{Arrays, Batch, CacheFile, Dataset, DatasetExt};
/// use deckle_tensor::Tensor;
///
/// let path = std::env::temp_dir().join(format!("deckle-cache-{}", std::process::id()));
/// let numbers = Arrays::of_inputs([Tensor::arange(0i64..100)])?;
/// let data = numbers.cache_to(&path)?;
/// let mut batch = Batch::new();
/// data.read_batch(&[99, 3], &mut batch)?;
/// assert_eq!(batch.inputs[0].to_vec::<i64>()?, [99, 3]);
/// assert_eq!(CacheFile::open(&path)?.len(), 100);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), deckle_data::Error>(())
/// ```
///
/// # Keras
///
/// `tf.data.Dataset.cache(filename)`, which keeps batches and can be read in order only.
#[derive(Clone, Debug)]
pub struct CacheFile {
    file: Arc<Source>,
    path: PathBuf,
    example: Example,
    len: usize,
    /// Where the first example begins.
    start: u64,
    /// The bytes of an example's tensors, and of all with the checksum.
    widths: Vec<usize>,
    record: usize,
    pool: Pool<Vec<u8>>,
}

impl CacheFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// If there is none, or this did not write it, or it is cut off or damaged; of examples, that
    /// is seen when they are read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fail = |error: io::Error| {
            Error::from(deckle_tensor::Error::io(path.display(), error))
        };
        let mut file = File::open(path).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        let damaged = |what: &str| {
            Error::file(
                path.display(),
                format_args!("is no whole file of examples: {what}"),
            )
            .help("remove the file: it is written again from the data it was made of")
        };
        let mut read = |count: u64| -> Result<Vec<u8>> {
            let mut found = Vec::new();
            (&mut file).take(count).read_to_end(&mut found).map_err(fail)?;
            if found.len() as u64 == count {
                Ok(found)
            } else {
                Err(damaged("it is cut off"))
            }
        };
        let head = read(20)?;
        if head[..16] != *MAGIC {
            return Err(damaged("it begins otherwise"));
        }
        let header_len = u64::from(number(&head[16..]));
        let header = read(header_len)?;
        let sum = read(4)?;
        if checksum(&[&header]) != number(&sum) {
            return Err(damaged("the checksum of its header is another"));
        }
        let example =
            decode(&header).ok_or_else(|| damaged("its header makes no sense"))?;
        let (widths, record) =
            layout(&example).ok_or_else(|| damaged("its header makes no sense"))?;
        let start = 24 + header_len;
        file.seek(SeekFrom::Start(bytes.saturating_sub(FOOTER).max(start)))
            .map_err(fail)?;
        let mut footer = Vec::new();
        file.read_to_end(&mut footer).map_err(fail)?;
        let len = match footer.get(..8).map(TryInto::try_into) {
            Some(Ok(count)) if footer.len() as u64 == FOOTER => u64::from_le_bytes(count),
            _ => return Err(damaged("it is cut off")),
        };
        let is_end = footer[12..] == *END
            && checksum(&[&footer[..8], &header]) == number(&footer[8..12]);
        let expected = len
            .checked_mul(record as u64)
            .and_then(|examples| examples.checked_add(start + FOOTER));
        if !is_end || expected != Some(bytes) {
            return Err(damaged("it is cut off"));
        }
        let len =
            usize::try_from(len).map_err(|_| damaged("it has too many examples"))?;
        let file = Arc::new(Source::new(file));
        let path = path.to_path_buf();
        Ok(Self {
            file,
            path,
            example,
            len,
            start,
            widths,
            record,
            pool: Pool::default(),
        })
    }

    pub(crate) fn of_dataset(path: &Path, data: &dyn Dataset) -> Result<Self> {
        let is_new = !path.exists();
        if is_new {
            let (_, record) = layout(data.example()).ok_or_else(too_large)?;
            let (mut next, step) = (0, (PIECE / record).max(1));
            write(path, data.example(), |batch| {
                let indices: Vec<_> = (next..data.len().min(next + step)).collect();
                next += indices.len();
                if !indices.is_empty() {
                    data.read_batch(&indices, batch)?;
                    batch.settle(data.example(), indices.len())?;
                }
                Ok(!indices.is_empty())
            })?;
        }
        let found = Self::open(path)?;
        found.check(data.example(), Some(data.len()))?;
        if !is_new {
            found.compare(data)?;
        }
        Ok(found)
    }

    pub(crate) fn of_stream(path: &Path, mut stream: impl Stream) -> Result<Self> {
        let example = stream.example().clone();
        if !path.exists() {
            write(path, &example, |batch| stream.next_batch(batch))?;
        }
        let found = Self::open(path)?;
        found.check(&example, None)?;
        Ok(found)
    }

    fn check(&self, example: &Example, len: Option<usize>) -> Result<()> {
        if self.example == *example && len.is_none_or(|len| len == self.len) {
            return Ok(());
        }
        let text = |len: Option<usize>, example: &Example| match len {
            Some(len) => format!("{len} examples of {example}"),
            None => format!("examples of {example}"),
        };
        Err(Error::file(self.path.display(), "holds other examples")
            .expected(text(len, example))
            .got(text(len.map(|_| self.len), &self.example))
            .help("remove the file, or give another path"))
    }

    /// Checks that the first and the last example are those of the data set, bit for bit.
    fn compare(&self, data: &dyn Dataset) -> Result<()> {
        let (mut expected, mut got) = (Batch::new(), Batch::new());
        let ends = [0, self.len.wrapping_sub(1)];
        for &index in ends.iter().take(self.len.min(2)) {
            data.read_batch(&[index], &mut expected)?;
            expected.settle(&self.example, 1)?;
            self.read_batch(&[index], &mut got)?;
            let mut pairs = expected.tensors().zip(got.tensors());
            let Some(at) = pairs.position(|(one, other)| !one.bits_equal(other)) else {
                continue;
            };
            let fields = self.example.inputs.iter().chain(&self.example.targets);
            let name = fields.map(|field| &*field.name).nth(at).unwrap_or("weights");
            return Err(Error::file(self.path.display(), "holds other examples")
                .expected(format_args!("example {index} as the data set has it"))
                .got(format_args!("another `{name}` in example {index}"))
                .help("remove the file, or give another path"));
        }
        Ok(())
    }

    /// Reads examples that lie one after the other to rows of a batch.
    fn read_run(
        &self,
        first: usize,
        bytes: &mut [u8],
        into: &mut Batch,
        row: usize,
    ) -> Result<()> {
        let at = self.start + first as u64 * self.record as u64;
        self.file.read_exact_at(bytes, at).map_err(|error| {
            Error::from(deckle_tensor::Error::io(self.path.display(), error))
        })?;
        for (number_of, bytes) in bytes.chunks_exact(self.record).enumerate() {
            let (data, sum) = bytes.split_at(self.record - 4);
            if checksum(&[data]) != number(sum) {
                let index = first + number_of;
                return Err(Error::file(
                    self.path.display(),
                    format_args!("example {index} is damaged: its checksum is another"),
                )
                .help(
                    "remove the file: it is written again from the data it was made of",
                ));
            }
            let mut from = 0;
            for (tensor, &width) in into.tensors_mut().zip(&self.widths) {
                let elements = width / tensor.dtype().size();
                tensor.write_bytes(
                    (row + number_of) * elements,
                    &data[from..from + width],
                )?;
                from += width;
            }
        }
        Ok(())
    }
}

impl Dataset for CacheFile {
    fn len(&self) -> usize {
        self.len
    }

    fn example(&self) -> &Example {
        &self.example
    }

    fn read_batch(&self, indices: &[usize], into: &mut Batch) -> Result<()> {
        self.check_indices(indices)?;
        into.prepare(&self.example, indices.len());
        self.pool.with(|bytes| {
            let mut row = 0;
            while row < indices.len() {
                let first = indices[row];
                let most = (PIECE / self.record).max(1);
                let following = indices[row..].iter().take(most).enumerate();
                let run =
                    following.take_while(|(at, index)| **index == first + at).count();
                bytes.resize(run * self.record, 0);
                self.read_run(first, bytes, into, row)?;
                row += run;
            }
            Ok(())
        })
    }
}

/// Writes all batches, or nothing.
fn write(
    path: &Path,
    example: &Example,
    mut next: impl FnMut(&mut Batch) -> Result<bool>,
) -> Result<()> {
    let (widths, record) = layout(example).ok_or_else(too_large)?;
    let header = encode(example);
    let mut file = AtomicFile::create(path)?;
    let (mut batch, mut count, mut bytes) = (Batch::new(), 0u64, Vec::new());
    bytes.extend(MAGIC);
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(&header);
    bytes.extend(checksum(&[&header]).to_le_bytes());
    while next(&mut batch)? {
        if !batch.is_like(example, batch.len()) {
            return Err(Error::invalid("cache_to", example)
                .got("examples of another shape")
                .help("padded_batch makes examples equally long"));
        }
        let tensors: Vec<Tensor> = batch.tensors().map(Tensor::contiguous).collect();
        for row in 0..batch.len() {
            let begin = bytes.len();
            for (tensor, &width) in tensors.iter().zip(&widths) {
                let all = tensor.as_bytes().unwrap_or_default();
                bytes.extend(&all[row * width..][..width]);
            }
            debug_assert_eq!(bytes.len() - begin + 4, record);
            bytes.extend(checksum(&[&bytes[begin..]]).to_le_bytes());
            count += 1;
            if bytes.len() >= PIECE {
                file.write_all(&bytes).map_err(|error| file.error(error))?;
                bytes.clear();
            }
        }
    }
    bytes.extend(count.to_le_bytes());
    bytes.extend(checksum(&[&count.to_le_bytes(), &header]).to_le_bytes());
    bytes.extend(END);
    file.write_all(&bytes).map_err(|error| file.error(error))?;
    Ok(file.commit()?)
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut sum = Crc::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.sum()
}

/// The number of four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

fn too_large() -> Error {
    Error::invalid("cache_to", "examples that fit into memory")
}

/// The bytes of each tensor of an example, and those of all with the checksum; none if they are too
/// many. An axis of length 0 makes no other axis less long.
fn layout(example: &Example) -> Option<(Vec<usize>, usize)> {
    let (mut widths, mut record) = (Vec::new(), 4usize);
    for spec in example.specs() {
        let mut most = spec.dtype.size();
        for &len in &spec.shape {
            most = most.checked_mul(len.max(1))?;
        }
        let most = Some(most).filter(|most| *most <= isize::MAX.unsigned_abs() / 16)?;
        let width = if spec.shape.contains(&0) { 0 } else { most };
        record = record.checked_add(width)?;
        widths.push(width);
    }
    (record <= isize::MAX.unsigned_abs() / 16).then_some((widths, record))
}

/// Kind, element type, axes and name of each tensor, a line each.
fn encode(example: &Example) -> Vec<u8> {
    let line = |kind: &str, spec: &Spec, name: &str| {
        let shape: Vec<_> = spec.shape.iter().map(usize::to_string).collect();
        // A name may hold any character, so it is escaped.
        format!(
            "{kind}\t{}\t{}\t{}\n",
            spec.dtype,
            shape.join(","),
            name.escape_default()
        )
    };
    let mut text = String::new();
    for (kind, fields) in [("input", &example.inputs), ("target", &example.targets)] {
        for Field { name, spec } in fields {
            text += &line(kind, spec, name);
        }
    }
    for spec in &example.weights {
        text += &line("weight", spec, "");
    }
    text.into_bytes()
}

fn decode(header: &[u8]) -> Option<Example> {
    let mut example = Example::new();
    for line in std::str::from_utf8(header).ok()?.lines() {
        let [kind, dtype, shape, name] =
            line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        let dtype: DType = DType::ALL.into_iter().find(|known| known.name() == dtype)?;
        let axes = shape.split(',').filter(|len| !len.is_empty());
        let shape: Vec<usize> =
            axes.map(|len| len.parse().ok()).collect::<Option<Vec<usize>>>()?;
        let spec = Spec::new(dtype, shape);
        let name = unescape(name)?;
        example = match kind {
            "input" => example.input(name, spec),
            "target" => example.target(name, spec),
            "weight" => {
                example.weights.push(spec);
                example
            }
            _ => return None,
        };
    }
    Some(example)
}

/// Takes back [`str::escape_default`].
fn unescape(text: &str) -> Option<String> {
    let (mut result, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        result += before;
        let mut chars = after.chars();
        let (char, left) = match chars.next()? {
            'u' => {
                let (code, left) = after.strip_prefix("u{")?.split_once('}')?;
                (char::from_u32(u32::from_str_radix(code, 16).ok()?)?, left)
            }
            't' => ('\t', chars.as_str()),
            'r' => ('\r', chars.as_str()),
            'n' => ('\n', chars.as_str()),
            char => (char, chars.as_str()),
        };
        result.push(char);
        rest = left;
    }
    Some(result + rest)
}

/// A file that several threads read at once.
#[derive(Debug)]
struct Source {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
}

impl Source {
    #[cfg(unix)]
    const fn new(file: File) -> Self {
        Self { file }
    }

    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, at)
    }

    #[cfg(not(unix))]
    fn new(file: File) -> Self {
        Self { file: std::sync::Mutex::new(file) }
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut file =
            self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)
    }
}

#[cfg(test)]
mod tests;
