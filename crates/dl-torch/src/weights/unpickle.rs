//! The objects of a pickle (Python's `pickletools` lists its operations) as a graph that
//! can be looked at. Nothing that a pickle calls is called. Every operation makes one
//! object at most, so that the graph is never larger than a constant times the bytes.

use std::collections::HashMap;

/// An object, as an index into [`Pickle::nodes`].
pub(super) type Id = usize;

/// One object.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool,
    Int(i64),
    /// An integer beyond 64 bits, whose value nothing here needs.
    Large,
    Float,
    Text(String),
    Bytes,
    Tuple(Vec<Id>),
    /// Lists and sets.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// Module and name.
    Global(Id, Id),
    /// What calling an object with arguments would give.
    Call(Box<Call>),
    /// What lies outside of the pickle under this id.
    Outside(Id),
}

/// A call, with what is put into its result afterwards.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callable: Id,
    pub(super) args: Id,
    pub(super) pairs: Vec<(Id, Id)>,
    pub(super) items: Vec<Id>,
    pub(super) state: Option<Id>,
}

/// All objects of one pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
    /// Bytes up to the end of the pickle.
    pub(super) length: usize,
}

/// Reads the pickle at the beginning of `bytes`.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine { bytes, ..Machine::default() };
    loop {
        let at = machine.at;
        let operation = machine.byte()?;
        if operation == b'.' {
            let root = machine.pop()?;
            return Ok(Pickle { nodes: machine.nodes, root, length: machine.at });
        }
        machine.run(operation).map_err(|fault| format!("byte {at} of its pickle: {fault}"))?;
    }
}

#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let part = usize::try_from(count).ok().and_then(|count| rest.get(..count));
        let part = part.ok_or("it ends too early")?;
        self.at += part.len();
        Ok(part)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned little-endian number.
    fn number(&mut self, width: u64) -> Result<u64, String> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn counted(&mut self, width: u64) -> Result<&'a [u8], String> {
        let count = self.number(width)?;
        self.take(count)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or("it ends too early")?;
        let line = self.take(end as u64 + 1)?;
        Ok(String::from_utf8_lossy(&line[..end]).trim_end_matches('\r').to_owned())
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err("its stack is empty".into());
        }
        self.stack.pop().ok_or_else(|| "its stack is empty".into())
    }

    fn top(&self) -> Result<Id, String> {
        let above = self.stack.get(self.floor()..).unwrap_or_default();
        above.last().copied().ok_or_else(|| "its stack is empty".into())
    }

    /// Everything above the last mark, which goes.
    fn marked(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("it has no mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
        if !items.len().is_multiple_of(2) {
            return Err("a key has no value".into());
        }
        Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
    }

    /// A class or function; returns where it stands.
    fn global(&mut self, module: String, name: String) -> Id {
        let at = self.nodes.len();
        self.nodes.extend([Node::Text(module), Node::Text(name), Node::Global(at, at + 1)]);
        at + 2
    }

    fn call(&mut self, callable: Id, args: Id) {
        let call = Call { callable, args, pairs: Vec::new(), items: Vec::new(), state: None };
        self.push(Node::Call(Box::new(call)));
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<(), String> {
        let target = self.top()?;
        match &mut self.nodes[target] {
            Node::List(list) => list.extend(items),
            Node::Call(call) => call.items.extend(items),
            _ => return Err("it adds to what is no list".into()),
        }
        Ok(())
    }

    fn insert(&mut self, pairs: Vec<(Id, Id)>) -> Result<(), String> {
        let target = self.top()?;
        match &mut self.nodes[target] {
            Node::Dict(dict) => dict.extend(pairs),
            Node::Call(call) => call.pairs.extend(pairs),
            _ => return Err("it sets a key of what is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = *self.memo.get(&key).ok_or("it refers to what it did not keep")?;
        self.stack.push(id);
        Ok(())
    }

    fn decimal(line: &str) -> Result<u64, String> {
        line.parse().map_err(|_| format!("{line:?} is no number"))
    }

    fn run(&mut self, operation: u8) -> Result<(), String> {
        match operation {
            0x80 => {
                self.byte()?;
            }
            0x95 => {
                self.number(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                if self.stack.len() == self.floor() && self.marks.pop().is_some() {
                    return Ok(());
                }
                self.pop()?;
            }
            b'1' => {
                self.marked()?;
            }
            b'2' => self.stack.push(self.top()?),
            b'N' => self.push(Node::None),
            0x88 | 0x89 => self.push(Node::Bool),
            b'I' => {
                let line = self.line()?;
                self.push(match line.as_str() {
                    "00" | "01" => Node::Bool,
                    text => integer(text)?,
                });
            }
            b'L' => {
                let line = self.line()?;
                self.push(integer(line.trim_end_matches('L'))?);
            }
            b'J' => {
                let number = self.number(4)? as u32;
                self.push(Node::Int(i64::from(number as i32)));
            }
            b'K' | b'M' => {
                let number = self.number(if operation == b'K' { 1 } else { 2 })?;
                self.push(Node::Int(number as i64));
            }
            0x8a | 0x8b => {
                let bytes = self.counted(if operation == 0x8a { 1 } else { 4 })?;
                self.push(long(bytes));
            }
            b'F' => {
                self.line()?;
                self.push(Node::Float);
            }
            b'G' => {
                self.take(8)?;
                self.push(Node::Float);
            }
            b'S' | b'V' => {
                let line = self.line()?;
                let quotes: &[char] = if operation == b'S' { &['\'', '"'] } else { &[] };
                self.push(Node::Text(line.trim_matches(quotes).to_owned()));
            }
            b'X' | 0x8c | 0x8d | b'T' | b'U' => {
                let bytes = self.counted(match operation {
                    b'X' | b'T' => 4,
                    0x8d => 8,
                    _ => 1,
                })?;
                self.push(Node::Text(String::from_utf8_lossy(bytes).into_owned()));
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                self.counted(match operation {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                })?;
                self.push(Node::Bytes);
            }
            b']' | 0x8f => self.push(Node::List(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.marked()?;
                self.extend(items)?;
            }
            b'l' | 0x91 => {
                let items = self.marked()?;
                self.push(Node::List(items));
            }
            b')' => self.push(Node::Tuple(Vec::new())),
            b't' => {
                let items = self.marked()?;
                self.push(Node::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=operation {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push(Node::Tuple(items));
            }
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.marked()?;
                let pairs = Self::pairs(&items)?;
                self.push(Node::Dict(pairs));
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.insert(Self::pairs(&items)?)?;
            }
            b'g' | b'h' | b'j' => {
                let key = match operation {
                    b'g' => Self::decimal(&self.line()?)?,
                    b'h' => self.number(1)?,
                    _ => self.number(4)?,
                };
                self.recall(key)?;
            }
            b'p' | b'q' | b'r' => {
                let key = match operation {
                    b'p' => Self::decimal(&self.line()?)?,
                    b'q' => self.number(1)?,
                    _ => self.number(4)?,
                };
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let id = self.global(module, name);
                self.stack.push(id);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                if !matches!(
                    (&self.nodes[module], &self.nodes[name]),
                    (Node::Text(_), Node::Text(_))
                ) {
                    return Err("a global has no name".into());
                }
                self.push(Node::Global(module, name));
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            0x92 => {
                let (_, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let items = self.marked()?;
                let class = self.global(module, name);
                self.nodes.push(Node::Tuple(items));
                self.call(class, self.nodes.len() - 1);
            }
            b'o' => {
                let mut items = self.marked()?;
                if items.is_empty() {
                    return Err("an object has no class".into());
                }
                let class = items.remove(0);
                self.nodes.push(Node::Tuple(items));
                self.call(class, self.nodes.len() - 1);
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                match &mut self.nodes[target] {
                    Node::Call(call) => call.state = Some(state),
                    _ => return Err("it gives a state to what has none".into()),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Outside(id));
            }
            b'P' => {
                let line = self.line()?;
                self.nodes.push(Node::Text(line));
                self.push(Node::Outside(self.nodes.len() - 1));
            }
            other => return Err(format!("operation 0x{other:02x} is not read here")),
        }
        Ok(())
    }
}

fn integer(text: &str) -> Result<Node, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{:?} is no number", text.chars().take(20).collect::<String>()));
    }
    Ok(text.parse().map_or(Node::Large, Node::Int))
}

/// Two's complement, little-endian; no bytes are zero.
fn long(bytes: &[u8]) -> Node {
    if bytes.len() > 8 {
        return Node::Large;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut whole = if negative { [0xff; 8] } else { [0; 8] };
    whole[..bytes.len()].copy_from_slice(bytes);
    Node::Int(i64::from_le_bytes(whole))
}

impl Pickle {
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match &self.nodes[id] {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        match self.nodes[id] {
            Node::Int(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match &self.nodes[id] {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The keys and values of a dictionary, of whatever class.
    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match &self.nodes[id] {
            Node::Dict(pairs) => Some(pairs),
            Node::Call(call) if !call.pairs.is_empty() => Some(&call.pairs),
            _ => None,
        }
    }

    /// The name of what an object calls, and its arguments.
    pub(super) fn called(&self, id: Id) -> Option<(&str, &str, &[Id])> {
        let Node::Call(call) = &self.nodes[id] else { return None };
        self.named(call.callable, call.args)
    }

    pub(super) fn named(&self, callable: Id, args: Id) -> Option<(&str, &str, &[Id])> {
        let Node::Global(module, name) = self.nodes[callable] else { return None };
        Some((self.text(module)?, self.text(name)?, self.tuple(args)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_size() {
        // pickletools.dis(pickle.dumps(n, 2)) for 2^63, -2^63, -1, 255 and 0.
        for (bytes, expected) in [
            (&b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\x80\0."[..], None),
            (b"\x80\x02\x8a\x08\0\0\0\0\0\0\0\x80.", Some(i64::MIN)),
            (b"\x80\x02J\xff\xff\xff\xff.", Some(-1)),
            (b"\x80\x02K\xff.", Some(255)),
            (b"L9223372036854775808L\n.", None),
            (b"L-5L\n.", Some(-5)),
            (b"\x80\x02\x8a\0.", Some(0)),
        ] {
            let pickle = read(bytes).unwrap();
            assert_eq!(pickle.int(pickle.root), expected, "{bytes:?}");
            assert_eq!(pickle.length, bytes.len());
        }
    }

    #[test]
    fn a_list_is_kept_before_it_is_filled() {
        // x = []; pickle.dumps((x, [x.append(7), x][1]), 2)
        let pickle = read(b"\x80\x02]q\0K\x07ah\0\x86q\x01.").unwrap();
        let pair = pickle.tuple(pickle.root).unwrap();
        assert_eq!(pair[0], pair[1]);
        assert!(matches!(&pickle.nodes[pair[0]], Node::List(items) if items.len() == 1));
    }

    #[test]
    fn what_refers_to_itself_is_read() {
        // x = []; x.append(x)
        let pickle = read(b"\x80\x02]q\0h\0a.").unwrap();
        assert!(matches!(&pickle.nodes[pickle.root], Node::List(items) if items == &[pickle.root]));
    }

    #[test]
    fn faults_are_told() {
        for bytes in [&b""[..], b".", b"\x80", b"X\xff\xff\xff\xffab.", b"e.", b"h\0.", b"K\x01s."]
        {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        let fault = read(b"\x80\x02\xff.").unwrap_err();
        assert_eq!(fault, "byte 2 of its pickle: operation 0xff is not read here");
    }
}
