//! Lists of integers in NumPy's object arrays, read without running anything: [`read_lists`].
//!
//! `numpy.save` writes an array of lists as a pickle: a program for a stack machine that may
//! call any function of Python. This machine knows three names (NumPy's `_reconstruct`,
//! `ndarray` and `dtype`), lists, tuples, numbers and texts; all else is an error. Stack, memo,
//! lists and their total length are limited by the length of the file, nothing recurses.

use std::collections::BTreeMap;

use deckle_data::Sequences;

/// What is wrong with a pickle.
type Result<T, E = String> = std::result::Result<T, E>;

/// Values on the stack; Python empties its own at least every 1000.
const MAX_STACK: usize = 1 << 16;
/// Tuples in all; NumPy writes five.
const MAX_TUPLES: usize = 1000;
/// Bytes of a name or of a number in decimal digits.
const MAX_LINE: usize = 256;

/// The lists of an object array of that shape, `(lists,)` or `(lists, ids)`.
///
/// # Errors
///
/// If the pickle is damaged or holds anything but lists of ids; the text says what.
pub(crate) fn read_lists(bytes: &[u8], shape: &[usize]) -> Result<Sequences> {
    let (&count, rest) = shape.split_first().ok_or("an array without axes")?;
    if count > bytes.len() {
        return Err(format!("{count} lists cannot be in {} bytes", bytes.len()));
    }
    let mut machine = Machine::new(bytes, count);
    while machine.step()? {}
    let [Value::Array] = machine.stack[..] else {
        return Err("the end comes before the array".into());
    };
    if machine.at != bytes.len() {
        return Err(format!("{} bytes after the end", bytes.len() - machine.at));
    }
    let Some(Array { shape: inner, list }) = &machine.array else {
        return Err("an array without elements".into());
    };
    if inner != shape {
        return Err(format!(
            "an array of shape {inner:?}, where {shape:?} was announced"
        ));
    }
    machine.sequences(*list, rest)
}

/// A value on the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a [u8]),
    /// By place in [`Machine::tuples`].
    Tuple(usize),
    /// By place in [`Machine::lists`].
    List(usize),
    Global(Global),
    DType,
    /// The one array, which may still wait for its state.
    Array,
}

/// The names that a pickle may use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    Reconstruct,
    NdArray,
    DType,
}

/// The elements of a list, which are all numbers or all lists.
#[derive(Debug)]
enum List {
    Empty,
    Ids(Vec<u32>),
    Lists(Vec<usize>),
}

/// The state of the array: its shape, and the list of its elements.
struct Array {
    shape: Vec<usize>,
    list: usize,
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The number of lists that the array should have.
    count: usize,
    stack: Vec<Value<'a>>,
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value<'a>>,
    lists: Vec<List>,
    tuples: Vec<Vec<Value<'a>>>,
    array: Option<Array>,
}

impl<'a> Machine<'a> {
    const fn new(bytes: &'a [u8], count: usize) -> Self {
        Self {
            bytes,
            at: 0,
            count,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            lists: Vec::new(),
            tuples: Vec::new(),
            array: None,
        }
    }

    /// Runs one instruction; `false` after the last.
    fn step(&mut self) -> Result<bool> {
        let [code] = self.array_of()?;
        match code {
            b'.' => return Ok(false),
            0x80 => match self.array_of()? {
                [0..=5] => {}
                [version] => return Err(format!("pickle protocol {version}, beyond 5")),
            },
            0x95 => {
                let len = u64::from_le_bytes(self.array_of()?);
                if len > (self.bytes.len() - self.at) as u64 {
                    return Err("a frame reaches beyond the end".into());
                }
            }
            b'(' => {
                if self.marks.len() >= MAX_STACK {
                    return Err("too many marks".into());
                }
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a => self.number(code)?,
            b'S' | b'V' | b'U' | b'T' | b'X' | b'C' | b'B' | 0x8c => self.text(code)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(code)?,
            b']' | b'l' | b'a' | b'e' => self.list(code)?,
            b'p' | b'q' | b'r' | 0x94 => self.put(code)?,
            b'g' | b'h' | b'j' => self.get(code)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a name that is no text".into());
                };
                self.global(module, name)?;
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            _ => {
                return Err(format!(
                    "pickle instruction 0x{code:02x} at byte {}, which lists of integers do \
                     not need",
                    self.at - 1
                ));
            }
        }
        Ok(true)
    }

    fn number(&mut self, code: u8) -> Result<()> {
        let value = match code {
            b'K' => i64::from(self.array_of::<1>()?[0]),
            b'M' => i64::from(u16::from_le_bytes(self.array_of()?)),
            b'J' => i64::from(i32::from_le_bytes(self.array_of()?)),
            b'I' | b'L' => {
                let line = self.line()?;
                let digits = line.strip_suffix(b"L").unwrap_or(line);
                match digits {
                    b"00" if code == b'I' => return self.push(Value::Bool(false)),
                    b"01" if code == b'I' => return self.push(Value::Bool(true)),
                    _ => std::str::from_utf8(digits)
                        .ok()
                        .and_then(|digits| digits.parse().ok())
                        .ok_or_else(|| format!("`{}` is no number", shown(line)))?,
                }
            }
            // LONG1: little-endian, of as many bytes as it needs.
            _ => {
                let [len] = self.array_of()?;
                if len > 8 {
                    return Err("an integer of more than 64 bits".into());
                }
                let digits = self.take(usize::from(len))?;
                let negative = digits.last().is_some_and(|&byte| byte >= 0x80);
                let mut wide = [if negative { 0xFF } else { 0 }; 8];
                wide[..digits.len()].copy_from_slice(digits);
                i64::from_le_bytes(wide)
            }
        };
        self.push(Value::Int(value))
    }

    fn text(&mut self, code: u8) -> Result<()> {
        let text = match code {
            b'V' => self.line()?,
            b'S' => {
                let line = self.line()?;
                let quoted = |quote: &[u8]| line.strip_prefix(quote)?.strip_suffix(quote);
                quoted(b"'").or_else(|| quoted(b"\"")).ok_or("a text without quotes")?
            }
            b'U' | b'C' | 0x8c => {
                let [len] = self.array_of()?;
                self.take(usize::from(len))?
            }
            _ => {
                let len = u32::from_le_bytes(self.array_of()?);
                self.take(usize::try_from(len).map_err(|_| "a text beyond the end")?)?
            }
        };
        self.push(Value::Text(text))
    }

    fn tuple(&mut self, code: u8) -> Result<()> {
        let values = match code {
            b')' => Vec::new(),
            b't' => self.pop_to_mark()?,
            _ => {
                let len = usize::from(code - 0x84);
                let start = self.floor_checked(len)?;
                self.stack.split_off(start)
            }
        };
        if self.tuples.len() >= MAX_TUPLES {
            return Err("too many tuples".into());
        }
        self.tuples.push(values);
        self.push(Value::Tuple(self.tuples.len() - 1))
    }

    fn list(&mut self, code: u8) -> Result<()> {
        let values = match code {
            b']' => Vec::new(),
            b'a' => vec![self.pop()?],
            _ => self.pop_to_mark()?,
        };
        if matches!(code, b']' | b'l') {
            if self.lists.len() > self.count {
                return Err(format!("more than the {} lists announced", self.count));
            }
            self.lists.push(List::Empty);
            self.push(Value::List(self.lists.len() - 1))?;
        }
        let Some(&Value::List(list)) = self.stack.last() else {
            return Err("elements of something that is no list".into());
        };
        if self.marks.last().is_some_and(|&mark| mark >= self.stack.len()) {
            return Err("elements of a list behind a mark".into());
        }
        for value in values {
            self.lists[list].push(value)?;
        }
        Ok(())
    }

    fn put(&mut self, code: u8) -> Result<()> {
        let key = match code {
            0x94 => self.memo.len() as u64,
            b'p' => self.key()?,
            b'q' => u64::from(self.array_of::<1>()?[0]),
            _ => u64::from(u32::from_le_bytes(self.array_of()?)),
        };
        if self.memo.len() > self.count + MAX_TUPLES {
            return Err("too many values remembered".into());
        }
        let value = *self.stack.last().ok_or("a value to remember is missing")?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn get(&mut self, code: u8) -> Result<()> {
        let key = match code {
            b'g' => self.key()?,
            b'h' => u64::from(self.array_of::<1>()?[0]),
            _ => u64::from(u32::from_le_bytes(self.array_of()?)),
        };
        let value = *self
            .memo
            .get(&key)
            .ok_or_else(|| format!("value {key} was never remembered"))?;
        self.push(value)
    }

    fn key(&mut self) -> Result<u64> {
        let line = self.line()?;
        std::str::from_utf8(line)
            .ok()
            .and_then(|key| key.parse().ok())
            .ok_or_else(|| format!("`{}` is no place in the memo", shown(line)))
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Result<()> {
        let global = match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => {
                Global::Reconstruct
            }
            (b"numpy", b"ndarray") => Global::NdArray,
            (b"numpy", b"dtype") => Global::DType,
            _ => {
                return Err(format!(
                    "the pickle asks for `{}.{}`, which is not loaded from data",
                    shown(module),
                    shown(name)
                ));
            }
        };
        self.push(Value::Global(global))
    }

    fn reduce(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop_tuple()?, self.pop()?);
        let value = match (function, &self.tuples[arguments][..]) {
            (
                Value::Global(Global::Reconstruct),
                [Value::Global(Global::NdArray), Value::Tuple(_), Value::Text(_)],
            ) => {
                if self.array.is_some() {
                    return Err("an array in an array".into());
                }
                Value::Array
            }
            (Value::Global(Global::DType), [Value::Text(b"O8" | b"O" | b"|O"), ..]) => {
                Value::DType
            }
            (Value::Global(Global::DType), [Value::Text(name), ..]) => {
                return Err(format!(
                    "an array of type `{}`, where lists were expected",
                    shown(name)
                ));
            }
            _ => return Err("a call that NumPy does not write".into()),
        };
        self.push(value)
    }

    fn build(&mut self) -> Result<()> {
        let state = self.pop_tuple()?;
        match self.stack.last() {
            Some(Value::DType) => Ok(()),
            Some(Value::Array) if self.array.is_none() => {
                let [
                    Value::Int(_),
                    Value::Tuple(shape),
                    Value::DType,
                    Value::Bool(fortran),
                    Value::List(list),
                ] = self.tuples[state][..]
                else {
                    return Err("the state of an array that NumPy does not write".into());
                };
                let shape = self.tuples[shape]
                    .iter()
                    .map(|len| match len {
                        Value::Int(len) => usize::try_from(*len).ok(),
                        _ => None,
                    })
                    .collect::<Option<Vec<_>>>()
                    .ok_or("the shape of an array is no list of lengths")?;
                if fortran && shape.len() > 1 {
                    return Err("an array in Fortran's order".into());
                }
                self.array = Some(Array { shape, list });
                Ok(())
            }
            _ => Err("the state of something that is no array".into()),
        }
    }

    /// The ids of every list; of rows of `rest` ids if the array has two axes.
    fn sequences(&self, list: usize, rest: &[usize]) -> Result<Sequences> {
        let mut sequences = Sequences::new();
        match (&self.lists[list], rest) {
            (List::Empty, _) if self.count == 0 => {}
            (List::Lists(lists), []) if lists.len() == self.count => {
                // One list may stand in many places; a program of few bytes could so demand
                // the square of its length.
                let mut left = self.bytes.len().saturating_mul(16);
                for &list in lists {
                    let ids = match &self.lists[list] {
                        List::Empty => &[],
                        List::Ids(ids) => &ids[..],
                        List::Lists(_) => return Err("lists in lists of lists".into()),
                    };
                    left = left
                        .checked_sub(ids.len())
                        .ok_or("more ids than a file of this length should hold")?;
                    sequences.push(ids.iter().copied());
                }
            }
            (List::Ids(ids), &[width])
                if width > 0 && self.count.checked_mul(width) == Some(ids.len()) =>
            {
                for row in ids.chunks_exact(width) {
                    sequences.push(row.iter().copied());
                }
            }
            _ => return Err("another number of lists than announced".into()),
        }
        Ok(sequences)
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.stack.len() >= MAX_STACK {
            return Err("too many values at once".into());
        }
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        let at = self.floor_checked(1)?;
        Ok(self.stack.remove(at))
    }

    /// Where the last `len` values start, if so many are above the last mark.
    fn floor_checked(&self, len: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack
            .len()
            .checked_sub(len)
            .filter(|&start| start >= floor)
            .ok_or_else(|| "a value is missing".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        if mark > self.stack.len() {
            return Err("values before a mark were taken away".into());
        }
        Ok(self.stack.split_off(mark))
    }

    fn pop_tuple(&mut self) -> Result<usize> {
        match self.pop()? {
            Value::Tuple(tuple) => Ok(tuple),
            _ => Err("a tuple is missing".into()),
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken = self.bytes[self.at..].get(..len).ok_or("the pickle is cut off")?;
        self.at += len;
        Ok(taken)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// The bytes up to the end of the line, which is left out.
    fn line(&mut self) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let rest = &rest[..rest.len().min(MAX_LINE)];
        let len =
            rest.iter().position(|&byte| byte == b'\n').ok_or("a line without end")?;
        self.at += len + 1;
        Ok(&rest[..len])
    }
}

impl List {
    fn push(&mut self, value: Value<'_>) -> Result<()> {
        match value {
            Value::Int(id) => {
                let id = u32::try_from(id)
                    .map_err(|_| format!("{id} is no id; ids are 0 to 4294967295"))?;
                match self {
                    Self::Empty => *self = Self::Ids(vec![id]),
                    Self::Ids(ids) => ids.push(id),
                    Self::Lists(_) => return Err("a number among lists".into()),
                }
            }
            Value::List(list) => match self {
                Self::Empty => *self = Self::Lists(vec![list]),
                Self::Lists(lists) => lists.push(list),
                Self::Ids(_) => return Err("a list among numbers".into()),
            },
            _ => return Err("an element that is neither a number nor a list".into()),
        }
        Ok(())
    }
}

/// Bytes of the file in a message.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
