//! PHP's `serialize()` format as a document that can be edited without touching the rest of it.
//!
//! WordPress keeps all of a user's application passwords in one serialized value that plugins may have
//! extended with anything PHP can write. So a value is not turned into a tree of our own and written
//! anew: the document keeps the bytes as read, every value is a span of them, and an edit replaces just
//! the spans it is about.
//!
//! Mirrors `unserialize()` of PHP 8 (what it refuses is refused here, what it accepts is accepted) and
//! `is_serialized()` of `wp-includes/functions.php`. Never builds an object, never calls a class, knows
//! nothing about what a value means.
//!
//! Differences from PHP, all on purpose:
//! - the number of values is limited to [`MAX_VALUES`] (PHP: its memory limit);
//! - any class and enum name is taken at its word, since which classes exist depends on the plugins that
//!   a request loads: an enum or a `C:` object of an unknown class is kept, PHP refuses it;
//! - an array that contains itself keeps doing so (PHP 8 reads it, but writes `N;` in its place).

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::fmt;

/// How deep arrays and objects may nest: PHP's `unserialize_max_depth`. PHP does not count an empty array.
///
/// Nothing here recurses; whoever walks a document by recursion needs a lower limit of its own.
pub const MAX_DEPTH: usize = 4_096;

/// How many values a document may hold. Each costs 40 bytes here and more in PHP, whose memory limit
/// in WordPress is 256 MB at most unless raised.
pub const MAX_VALUES: usize = 4_000_000;

/// No node: the end of a list, the parent of the root, a reference that cannot be followed.
const NONE: u32 = u32::MAX;

/// A value of a [`Document`]. Stays valid while the document is edited; ids of removed values and of
/// other documents are harmless but mean nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NodeId(u32);

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub enum View<'a> {
    /// `N;`
    Null,
    /// `b:1;`
    Bool(bool),
    /// `i:5;`; numbers out of range are the nearest one in range, as in PHP.
    Int(i64),
    /// `d:0.5;`
    Float(f64),
    /// `s:1:"a";` or `S:1:"\61";`
    Str(Cow<'a, [u8]>),
    /// `a:0:{}`: see [`Document::entries`].
    Array,
    /// `O:8:"stdClass":0:{}`: its properties are its [`Document::entries`], with PHP's mangled names
    /// (`\0*\0name` protected, `\0Class\0name` private).
    Object {
        /// The class, as written.
        class: &'a [u8],
    },
    /// `C:3:"Foo":1:{x}`: written by the class's own `Serializable::serialize()`.
    Custom {
        /// The class, as written.
        class: &'a [u8],
        /// What only that class can read.
        payload: &'a [u8],
    },
    /// `E:11:"Suit:Hearts";`: class and case.
    Enum(&'a [u8]),
    /// A reference to something behind a `C:` object. Such an object may count values that nobody
    /// outside can see, so what the reference means is only known to PHP.
    Unresolved,
}

impl View<'_> {
    /// Whether PHP takes the value for true: `! empty( $value )`.
    pub fn is_truthy(&self) -> bool {
        match self {
            View::Null => false,
            View::Bool(value) => *value,
            View::Int(value) => *value != 0,
            View::Float(value) => *value != 0.0,
            View::Str(value) => !matches!(&**value, b"" | b"0"),
            // The number of entries is the document's to know: Document::is_truthy().
            View::Array | View::Object { .. } | View::Custom { .. } | View::Enum(_) | View::Unresolved => {
                true
            }
        }
    }

    /// The value as PHP's `(int)` gives it. `None` for arrays, objects, enums and what cannot be known.
    ///
    /// `created` and `last_used` are integers when core wrote them, but may be anything: plugins and
    /// imports leave numeric strings and floats.
    pub fn to_int(&self) -> Option<i64> {
        match self {
            View::Null => Some(0),
            View::Bool(value) => Some(i64::from(*value)),
            View::Int(value) => Some(*value),
            View::Float(value) => Some(float_to_int(*value)),
            View::Str(value) => Some(leading_number(value)),
            View::Array | View::Object { .. } | View::Custom { .. } | View::Enum(_) | View::Unresolved => {
                None
            }
        }
    }

    /// The bytes of a string; `None` for every other type.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            View::Str(value) => Some(value),
            _ => None,
        }
    }
}

/// PHP's `(int)` of a float: towards zero, and modulo 2^64 when out of range.
fn float_to_int(value: f64) -> i64 {
    const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;
    if !value.is_finite() {
        0
    } else if (-TWO_POW_63..TWO_POW_63).contains(&value) {
        value as i64
    } else {
        let modulus = TWO_POW_63 * 2.0;
        let remainder = value.trunc() % modulus;
        let positive = if remainder < 0.0 { remainder + modulus } else { remainder };
        (positive as u64).cast_signed()
    }
}

/// PHP's `(int)` of a string: the number at its start, 0 if there is none.
fn leading_number(text: &[u8]) -> i64 {
    let start = text.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
    let text = &text[start.unwrap_or(text.len())..];
    let integer_end = scan_integer(text, 0);
    let float_end = scan_float(text, 0);
    match (integer_end, float_end) {
        (Some(end), float) if float.is_none_or(|float_end| float_end <= end) => parse_int(&text[..end]),
        // PHP: unlike a float, a string out of range is the nearest integer; out of a float's range it is 0.
        (_, Some(end)) => match parse_float(&text[..end]) {
            number if number.is_finite() => number as i64,
            _ => 0,
        },
        _ => 0,
    }
}

/// A key of a PHP array.
///
/// PHP: a string that is a decimal integer (`"5"`, not `"05"` or `"+5"`) is that integer; keys read from
/// a document are normalised already, keys passed to one are normalised there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key<'a> {
    /// `i:0;`
    Int(i64),
    /// `s:4:"uuid";`
    Str(Cow<'a, [u8]>),
}

impl<'a> Key<'a> {
    /// The key that PHP makes of `bytes` between brackets: `$array['…']`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Key::Str(Cow::Borrowed(bytes)).normalised()
    }

    fn normalised(self) -> Self {
        match &self {
            Key::Str(text) => canonical_int(text).map_or(self, Key::Int),
            Key::Int(_) => self,
        }
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Self {
        Key::new(text.as_bytes())
    }
}

impl From<i64> for Key<'_> {
    fn from(number: i64) -> Self {
        Key::Int(number)
    }
}

/// A value that can be written into a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar<'a> {
    /// `N;`
    Null,
    /// `b:1;`
    Bool(bool),
    /// `i:5;`
    Int(i64),
    /// `s:1:"a";`: any bytes.
    Str(&'a [u8]),
}

/// Why bytes are not a serialized value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    /// Where, counted from 0.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with serialized bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The bytes end before the value does.
    #[error("the value is cut off")]
    Truncated,
    /// Not one of PHP's type letters, or not followed by what belongs there.
    #[error("no serialized value starts")]
    NotAValue,
    /// A length counts more bytes than there are.
    #[error("a length exceeds what is left")]
    BadLength,
    /// The closing quote is not where the length says: bytes were changed without adjusting it.
    #[error("a string does not have the length it claims")]
    WrongLength,
    /// `S:` with something other than two hexadecimal digits behind a backslash.
    #[error("a string has a malformed escape")]
    BadEscape,
    /// More entries than bytes to hold them.
    #[error("an array or object claims more entries than can follow")]
    BadCount,
    /// Fewer or more entries than counted.
    #[error("an array or object does not have the number of entries it claims")]
    WrongCount,
    /// Neither an integer nor a string.
    #[error("an array key is neither a number nor a string")]
    BadKey,
    /// A class name that PHP does not allow.
    #[error("an object has an impossible class name")]
    BadClass,
    /// `R:` or `r:` with a number that no earlier value has.
    #[error("a reference points at nothing")]
    BadReference,
    /// More than [`MAX_DEPTH`] levels.
    #[error("arrays are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// More than [`MAX_VALUES`], or more bytes than a `longtext` column can hold.
    #[error("the value is too large")]
    TooLarge,
}

/// Why an edit was not made. The document is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Only arrays can be edited.
    #[error("it is not an array")]
    NotAnArray,
    /// A `C:` object counts values that only its own class can see, and references count across it: with
    /// one more or one less value before it they would point elsewhere.
    #[error("references in the data of a PHP class would point elsewhere")]
    OpaqueReferences,
    /// The array contains itself under that key.
    #[error("the entry is a reference to the whole value")]
    WholeValue,
    /// The array would be nested more than [`MAX_DEPTH`] levels.
    #[error("arrays would be nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// The document would be larger than what can be read back.
    #[error("the value would be too large")]
    TooLarge,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    False,
    True,
    Int,
    Float,
    Str,
    EscapedStr,
    Array,
    Object,
    Custom,
    Enum,
    /// `R:`: another name of the same variable. Takes no slot.
    Reference,
    /// `r:`: another variable that holds the same object.
    Handle,
}

/// One value with the key it has in its parent. Bytes `key..start` are the key, `start..end` the value.
#[derive(Clone)]
struct Node {
    kind: Kind,
    /// Something inside was edited, so the span is out of date.
    dirty: bool,
    /// Two entries have the same key.
    duplicates: bool,
    key: u32,
    start: u32,
    /// Where the content begins: behind the quote of a string, behind the brace of an array.
    body: u32,
    end: u32,
    parent: u32,
    next: u32,
    /// The first entry; of a `Reference` the variable, of a `Handle` the object it stands for.
    first: u32,
    last: u32,
    /// Entries as written: duplicate keys count.
    count: u32,
}

static NOWHERE: Node = Node {
    kind: Kind::Null,
    dirty: false,
    duplicates: false,
    key: 0,
    start: 0,
    body: 0,
    end: 0,
    parent: NONE,
    next: NONE,
    first: NONE,
    last: NONE,
    count: 0,
};

impl Node {
    fn is_container(&self) -> bool {
        matches!(self.kind, Kind::Array | Kind::Object)
    }
}

/// A serialized PHP value: see the head of this file.
#[derive(Clone)]
pub struct Document {
    /// The bytes as read, then the keys and values that edits added.
    bytes: Vec<u8>,
    source_len: usize,
    /// In document order as far as they were read; edits append.
    nodes: Vec<Node>,
    edited: bool,
    /// There is an `R:` or `r:`.
    references: bool,
    /// There is a `C:`.
    custom: bool,
    /// There is a `C:` whose payload may hold references of its own.
    custom_references: bool,
}

impl fmt::Debug for Document {
    /// Shows no content: values hold password hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("source_len", &self.source_len)
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Reads one serialized value. Bytes behind it are accepted and kept, as PHP does.
    ///
    /// # Errors
    /// What `unserialize()` refuses, with the byte offset, and what exceeds [`MAX_DEPTH`] or [`MAX_VALUES`].
    pub fn parse(bytes: Vec<u8>) -> Result<Document, ParseError> {
        if bytes.len() >= NONE as usize {
            return Err(ParseError { offset: 0, reason: Reason::TooLarge });
        }
        let mut parser = Parser::new(&bytes);
        parser.document()?;
        let Parser { nodes, references, custom, custom_references, .. } = parser;
        let source_len = bytes.len();
        let mut document =
            Document { bytes, source_len, nodes, edited: false, references, custom, custom_references };
        if references {
            document.resolve_references()?;
        }
        Ok(document)
    }

    /// `array()`, which WordPress stores when the last password was deleted.
    pub fn empty_array() -> Document {
        let bytes = b"a:0:{}".to_vec();
        let root = Node { kind: Kind::Array, body: 5, end: 6, ..NOWHERE.clone() };
        Document {
            source_len: bytes.len(),
            bytes,
            nodes: vec![root],
            edited: false,
            references: false,
            custom: false,
            custom_references: false,
        }
    }

    /// The whole document; what was not edited is byte for byte as read.
    pub fn to_bytes(&self) -> Vec<u8> {
        if !self.edited {
            return self.bytes.get(..self.source_len).unwrap_or_default().to_vec();
        }
        let mut writer = Writer::new(self);
        if self.renumbers() {
            // Once to count how many names each variable still has, once to write.
            writer.run();
            writer.restart();
        }
        writer.run();
        let mut out = writer.out;
        // What stood behind the value stays behind it. The root is never replaced, so its original
        // end is still in its node.
        out.extend_from_slice(self.bytes.get(self.node(0).end as usize..self.source_len).unwrap_or_default());
        out
    }

    /// The outermost value.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// What the value is; references are followed.
    pub fn view(&self, id: NodeId) -> View<'_> {
        let Some(id) = self.resolve(id.0) else { return View::Unresolved };
        let node = self.node(id);
        match node.kind {
            Kind::Null => View::Null,
            Kind::False => View::Bool(false),
            Kind::True => View::Bool(true),
            Kind::Int => View::Int(parse_int(self.text(node.body, node.end - 1))),
            Kind::Float => View::Float(parse_float(self.text(node.body, node.end - 1))),
            Kind::Str => View::Str(Cow::Borrowed(self.text(node.body, node.end - 2))),
            Kind::EscapedStr => View::Str(Cow::Owned(unescape(self.text(node.body, node.end - 2)))),
            Kind::Array => View::Array,
            Kind::Object => View::Object { class: quoted(self.text(node.start, node.end)) },
            Kind::Custom => View::Custom {
                class: quoted(self.text(node.start, node.end)),
                payload: self.text(node.body, node.end - 1),
            },
            Kind::Enum => View::Enum(quoted(self.text(node.start, node.end))),
            Kind::Reference | Kind::Handle => View::Unresolved,
        }
    }

    /// Whether the value is written as a reference (`R:` or `r:`) to another one.
    ///
    /// References may lead back to where one came from: whoever walks a document through them needs a
    /// limit of its own.
    pub fn is_reference(&self, id: NodeId) -> bool {
        matches!(self.node(id.0).kind, Kind::Reference | Kind::Handle)
    }

    /// Whether PHP takes the value for true, `! empty( $value )`: an empty array is false.
    pub fn is_truthy(&self, id: NodeId) -> bool {
        let view = self.view(id);
        if view == View::Array { self.len(id) > 0 } else { view.is_truthy() }
    }

    /// The class of the first value that PHP can only read where that class is loaded: an enum, or a `C:` object of a
    /// class that is not PHP's own. Without it the whole document is unreadable to `unserialize()`.
    pub fn class_to_be_loaded(&self) -> Option<&[u8]> {
        const OWN: [&[u8]; 7] = [
            b"arrayobject",
            b"arrayiterator",
            b"recursivearrayiterator",
            b"splobjectstorage",
            b"spldoublylinkedlist",
            b"splqueue",
            b"splstack",
        ];
        // What an edit removed is still among the nodes, but not in the tree.
        self.nodes.iter().find_map(|node| match node.kind {
            Kind::Enum => quoted(self.text(node.start, node.end)).split(|byte| *byte == b':').next(),
            Kind::Custom => {
                let class = quoted(self.text(node.start, node.end));
                (!OWN.contains(&class.to_ascii_lowercase().as_slice())).then_some(class)
            }
            _ => None,
        })
    }

    /// Where the value's own bytes begin in what was read, for messages; `None` for values that were added.
    pub fn offset(&self, id: NodeId) -> Option<usize> {
        let start = self.node(id.0).start as usize;
        (start < self.source_len).then_some(start)
    }

    /// Keys and values of an array, or properties of an object, in order; of everything else none.
    ///
    /// PHP: of entries with the same key the last one's value counts, in the first one's place.
    pub fn entries(&self, array: NodeId) -> impl Iterator<Item = (Key<'_>, NodeId)> + '_ {
        let container = self.resolve(array.0).map_or(&NOWHERE, |id| self.node(id));
        let as_property = container.kind == Kind::Object;
        let next = if container.is_container() { container.first } else { NONE };
        let ordered = container.duplicates.then(|| self.effective_entries(container).into_iter());
        Entries { document: self, as_property, next, ordered }
    }

    /// The number of [`Document::entries`].
    pub fn len(&self, array: NodeId) -> usize {
        let container = self.resolve(array.0).map_or(&NOWHERE, |id| self.node(id));
        if container.duplicates {
            self.effective_entries(container).len()
        } else if container.is_container() {
            container.count as usize
        } else {
            0
        }
    }

    /// Whether there are no [`Document::entries`].
    pub fn is_empty(&self, array: NodeId) -> bool {
        self.len(array) == 0
    }

    /// The value under `key`: `$array[ $key ]` of an array, `$object->$key` of an object.
    pub fn get(&self, array: NodeId, key: &[u8]) -> Option<NodeId> {
        let container = self.node(self.resolve(array.0)?);
        let key = match container.kind {
            Kind::Array => Key::new(key),
            Kind::Object => Key::Str(Cow::Borrowed(key)),
            _ => return None,
        };
        self.find(container, &key).map(NodeId)
    }

    /// The value under an already normalised or integer key.
    pub fn get_key(&self, array: NodeId, key: &Key<'_>) -> Option<NodeId> {
        match key {
            Key::Str(text) => self.get(array, text),
            Key::Int(number) => self.get(array, number.to_string().as_bytes()),
        }
    }

    /// The key that PHP 8 gives to the next appended value, `$array[] = …`, right after `unserialize()`:
    /// the highest integer key + 1, or 0 if there is none. `None` when the highest key is `PHP_INT_MAX`,
    /// where PHP throws, and for what is no array.
    ///
    /// PHP 7 counts from 0 when all keys are negative; either key is free.
    pub fn next_index(&self, array: NodeId) -> Option<i64> {
        let container = self.node(self.resolve(array.0)?);
        if container.kind != Kind::Array {
            return None;
        }
        let highest = self.raw_entries(container).filter_map(|id| match self.key_of(id, false) {
            Key::Int(number) => Some(number),
            Key::Str(_) => None,
        });
        highest.max().map_or(Some(0), |highest| highest.checked_add(1))
    }

    /// `$array[ $key ] = $value`: replaces in place, or appends as last. Through a reference the
    /// variable changes that it stands for, under all its names, as in PHP.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn set(&mut self, array: NodeId, key: Key<'_>, value: Scalar<'_>) -> Result<(), EditError> {
        let mut token = Vec::new();
        let (kind, content) = match value {
            Scalar::Null => {
                token.extend_from_slice(b"N;");
                (Kind::Null, 0)
            }
            Scalar::Bool(value) => {
                token.extend_from_slice(if value { b"b:1;" } else { b"b:0;" });
                (if value { Kind::True } else { Kind::False }, 0)
            }
            Scalar::Int(number) => {
                token.extend_from_slice(format!("i:{number};").as_bytes());
                (Kind::Int, 2)
            }
            Scalar::Str(text) => (Kind::Str, push_string(&mut token, text)),
        };
        self.edit(|document| document.assign(array, key, kind, &token, content)).map(|_| ())
    }

    /// `$array[ $key ] = array()`: see [`Document::set`].
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn push_array(&mut self, array: NodeId, key: Key<'_>) -> Result<NodeId, EditError> {
        self.edit(|document| {
            let id = document.array(array)?;
            // The document root is level 1.
            if document.depth(id) >= MAX_DEPTH {
                return Err(EditError::TooDeep);
            }
            document.assign(array, key, Kind::Array, b"a:0:{}", 5)
        })
    }

    /// `unset( $array[ $key ] )`: all entries with that key; none is no error. What other references
    /// stand for lives on under its remaining names, as in PHP.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn remove(&mut self, array: NodeId, key: Key<'_>) -> Result<(), EditError> {
        let key = key.normalised();
        self.edit(|document| {
            let array = document.array(array)?;
            let container = document.node(array);
            let removed: HashSet<u32> =
                document.raw_entries(container).filter(|&id| document.has_key(id, &key, false)).collect();
            if document.opaque()
                && removed
                    .iter()
                    .any(|&id| document.node(id).kind != Kind::Reference && !document.is_tail(id))
            {
                return Err(EditError::OpaqueReferences);
            }
            if !removed.is_empty() {
                document.unlink(array, &removed);
            }
            Ok(())
        })
    }

    /// Removes every entry.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn clear(&mut self, array: NodeId) -> Result<(), EditError> {
        self.edit(|document| {
            let array = document.array(array)?;
            if document.node(array).count == 0 {
                return Ok(());
            }
            if document.opaque() && !document.is_tail(array) {
                return Err(EditError::OpaqueReferences);
            }
            if let Some(node) = document.nodes.get_mut(array as usize) {
                node.first = NONE;
                node.last = NONE;
                node.count = 0;
                node.duplicates = false;
            }
            document.touch(array);
            Ok(())
        })
    }

    /// A value's own bytes, for a copy of it elsewhere.
    ///
    /// `None` where they do not say it all: references mean something only where they stand, and so may what a PHP
    /// class wrote for itself; what was edited since it was read has no bytes yet.
    pub fn raw(&self, id: NodeId) -> Option<&[u8]> {
        let (at, node) = (id.0 as usize, self.node(id.0));
        if node.end <= node.start || node.end as usize > self.source_len || node.dirty {
            return None;
        }
        // Nodes are in the order of the document, so what is inside follows.
        let inside = self.nodes.get(at..)?.iter().take_while(|inner| inner.start < node.end);
        let mut inside = inside.filter(|inner| inner.start >= node.start);
        let plain = inside.all(|inner| !matches!(inner.kind, Kind::Reference | Kind::Handle | Kind::Custom));
        plain.then(|| self.text(node.start, node.end))
    }

    /// This array with more entries in it, each a key and the [`Document::raw`] bytes of a value. An entry gets the
    /// key that it wants and stands in the order of the numbers, or, where the key is taken, behind all of them.
    ///
    /// # Errors
    /// [`EditError::OpaqueReferences`] where the array holds references: they count places. [`EditError::NotAnArray`],
    /// [`EditError::TooLarge`].
    pub fn with_entries(&self, more: &[(Key<'_>, &[u8])]) -> Result<Document, EditError> {
        let root = self.root();
        if self.edited {
            let again = Document::parse(self.to_bytes()).map_err(|_error| EditError::TooLarge)?;
            return again.with_entries(more);
        }
        let container = self.node(root.0);
        if container.kind != Kind::Array {
            return Err(EditError::NotAnArray);
        }
        if self.references || self.custom_references {
            return Err(EditError::OpaqueReferences);
        }
        let mut items: Vec<(Key<'_>, Cow<'_, [u8]>)> = Vec::new();
        for id in self.raw_entries(container) {
            let node = self.node(id);
            items.push((self.key_of(id, false), Cow::Borrowed(self.text(node.key, node.end))));
        }
        let mut next = self.next_index(root);
        for (wanted, value) in more {
            let taken = items.iter().any(|(key, _)| key == wanted);
            let key = if taken { Key::Int(next.ok_or(EditError::TooLarge)?) } else { wanted.clone() };
            let place = match &key {
                Key::Int(number) => {
                    next = next.and_then(|next| number.checked_add(1).map(|after| next.max(after)));
                    let number_is = |item: &(Key<'_>, Cow<'_, [u8]>), greater: bool| match item.0 {
                        Key::Int(other) => !greater || other > *number,
                        Key::Str(_) => false,
                    };
                    let greater = items.iter().position(|item| number_is(item, true));
                    greater.or_else(|| Some(items.iter().rposition(|item| number_is(item, false))? + 1))
                }
                Key::Str(_) => None,
            };
            let mut token = Vec::with_capacity(value.len() + 12);
            match &key {
                Key::Int(number) => token.extend_from_slice(format!("i:{number};").as_bytes()),
                Key::Str(text) => {
                    push_string(&mut token, text);
                }
            }
            token.extend_from_slice(value);
            items.insert(place.unwrap_or(items.len()), (key, Cow::Owned(token)));
        }
        let mut bytes = format!("a:{}:{{", items.len()).into_bytes();
        for (_, item) in &items {
            bytes.extend_from_slice(item);
        }
        bytes.push(b'}');
        bytes.extend_from_slice(self.bytes.get(container.end as usize..self.source_len).unwrap_or_default());
        Document::parse(bytes).map_err(|_error| EditError::TooLarge)
    }

    // ---- reading ----

    fn node(&self, id: u32) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&NOWHERE)
    }

    fn text(&self, start: u32, end: u32) -> &[u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The value that a node stands for. An `R:` names a variable, which may hold an `r:`.
    fn resolve(&self, id: u32) -> Option<u32> {
        let mut id = id;
        for _ in 0..2 {
            match self.node(id).kind {
                Kind::Reference | Kind::Handle => id = self.node(id).first,
                _ => break,
            }
        }
        (id != NONE).then_some(id)
    }

    /// The variable that a node is a name of.
    fn variable(&self, id: u32) -> Option<u32> {
        let node = self.node(id);
        let variable = if node.kind == Kind::Reference { node.first } else { id };
        (variable != NONE).then_some(variable)
    }

    fn raw_entries<'a>(&'a self, container: &Node) -> impl Iterator<Item = u32> + use<'a> {
        let first = if container.is_container() { container.first } else { NONE };
        std::iter::successors((first != NONE).then_some(first), |&id| {
            let next = self.node(id).next;
            (next != NONE).then_some(next)
        })
    }

    fn effective_entries(&self, container: &Node) -> Vec<(u32, u32)> {
        let as_property = container.kind == Kind::Object;
        let mut places: HashMap<Key<'_>, usize> = HashMap::new();
        let mut entries: Vec<(u32, u32)> = Vec::new();
        for id in self.raw_entries(container) {
            match places.entry(self.key_of(id, as_property)) {
                Entry::Occupied(place) => {
                    if let Some(entry) = entries.get_mut(*place.get()) {
                        entry.1 = id;
                    }
                }
                Entry::Vacant(place) => {
                    place.insert(entries.len());
                    entries.push((id, id));
                }
            }
        }
        entries
    }

    fn key_of(&self, id: u32, as_property: bool) -> Key<'_> {
        let node = self.node(id);
        decode_key(self.text(node.key, node.start), as_property)
    }

    fn has_key(&self, id: u32, key: &Key<'_>, as_property: bool) -> bool {
        let node = self.node(id);
        let token = self.text(node.key, node.start);
        match key {
            // The common case without decoding: `s:4:"uuid";` ends with the text itself.
            Key::Str(text) if token.first() == Some(&b's') => quoted_key(token) == &**text,
            _ => decode_key(token, as_property) == *key,
        }
    }

    fn find(&self, container: &Node, key: &Key<'_>) -> Option<u32> {
        let as_property = container.kind == Kind::Object;
        let mut matching = self.raw_entries(container).filter(|&id| self.has_key(id, key, as_property));
        if container.duplicates { matching.last() } else { matching.next() }
    }

    fn array(&self, id: NodeId) -> Result<u32, EditError> {
        let id = self.resolve(id.0).ok_or(EditError::OpaqueReferences)?;
        if self.node(id).kind == Kind::Array && (id as usize) < self.nodes.len() {
            Ok(id)
        } else {
            Err(EditError::NotAnArray)
        }
    }

    fn depth(&self, id: u32) -> usize {
        let mut depth = 0;
        let mut id = id;
        while id != NONE && depth <= MAX_DEPTH {
            depth += 1;
            id = self.node(id).parent;
        }
        depth
    }

    // ---- references ----

    /// Finds what every `R:` and `r:` stands for, as `var_unserializer` does while it reads: each value but
    /// `R:` takes the next number, and a number means a place in an array, so that under a duplicate
    /// key the earlier number means the later value.
    fn resolve_references(&mut self) -> Result<(), ParseError> {
        let mut slots: Vec<u32> = Vec::with_capacity(self.nodes.len());
        // What each place holds at this point of the reading.
        let mut places: Vec<u32> = Vec::with_capacity(self.nodes.len());
        let mut shared: HashMap<(u32, Key<'static>), u32> = HashMap::new();
        let mut first_custom = u64::MAX;
        let count = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        for id in 0..count {
            let node = self.node(id);
            let (kind, start) = (node.kind, node.start as usize);
            let parent = self.node(node.parent);
            let place = if parent.duplicates {
                let key = match self.key_of(id, parent.kind == Kind::Object) {
                    Key::Int(number) => Key::Int(number),
                    Key::Str(text) => Key::Str(Cow::Owned(text.into_owned())),
                };
                let fresh = places.len() as u32;
                *shared.entry((node.parent, key)).or_insert(fresh)
            } else {
                places.len() as u32
            };
            match places.get_mut(place as usize) {
                Some(current) => *current = id,
                None => places.push(id),
            }
            if kind != Kind::Reference {
                slots.push(place);
            }
            if kind == Kind::Custom {
                first_custom = first_custom.min(slots.len() as u64);
            }
            if !matches!(kind, Kind::Reference | Kind::Handle) {
                continue;
            }
            let bad = ParseError { offset: start, reason: Reason::BadReference };
            let number = wrapping_digits(self.text(self.node(id).body, self.node(id).end));
            if number > first_custom {
                continue;
            }
            let index = usize::try_from(number.wrapping_sub(1)).map_err(|_| bad)?;
            let target_place = *slots.get(index).ok_or(bad)?;
            let mut target = *places.get(target_place as usize).ok_or(bad)?;
            if target_place == place {
                return Err(bad);
            }
            if self.node(target).kind == Kind::Reference {
                target = self.node(target).first;
            }
            if kind == Kind::Handle && target != NONE {
                if self.node(target).kind == Kind::Handle {
                    target = self.node(target).first;
                }
                if target != NONE
                    && !matches!(self.node(target).kind, Kind::Object | Kind::Custom | Kind::Enum)
                {
                    return Err(bad);
                }
            }
            if let Some(node) = self.nodes.get_mut(id as usize) {
                node.first = target;
            }
        }
        Ok(())
    }

    /// Whether writing assigns new numbers to references. Not across a `C:`: nobody knows how many it takes.
    fn renumbers(&self) -> bool {
        self.references && !self.custom
    }

    /// Whether numbers of references must stay as they are.
    fn opaque(&self) -> bool {
        self.custom && (self.references || self.custom_references)
    }

    /// Whether nothing follows the value: neither in its array nor behind the arrays around it.
    fn is_tail(&self, id: u32) -> bool {
        let mut id = id;
        for _ in 0..=MAX_DEPTH {
            let node = self.node(id);
            if node.parent == NONE {
                return id == 0;
            }
            if self.node(node.parent).last != id {
                return false;
            }
            id = node.parent;
        }
        false
    }

    // ---- editing ----

    /// Runs an edit. With references around it is tried first and undone unless the result can be read back:
    /// what moves to another name may end up nested too deep.
    fn edit<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T, EditError>) -> Result<T, EditError> {
        if !self.references {
            return change(self);
        }
        let before = self.clone();
        let result = change(self).and_then(|done| match Document::parse(self.to_bytes()) {
            Ok(_) => Ok(done),
            Err(ParseError { reason: Reason::TooDeep, .. }) => Err(EditError::TooDeep),
            Err(ParseError { reason: Reason::TooLarge, .. }) => Err(EditError::TooLarge),
            Err(_) => Err(EditError::OpaqueReferences),
        });
        if result.is_err() {
            *self = before;
        }
        result
    }

    fn assign(
        &mut self,
        array: NodeId,
        key: Key<'_>,
        kind: Kind,
        token: &[u8],
        content: u32,
    ) -> Result<NodeId, EditError> {
        let array = self.array(array)?;
        let key = key.normalised();
        if let Some(id) = self.find(self.node(array), &key) {
            let variable = self.variable(id).ok_or(EditError::OpaqueReferences)?;
            self.replace(variable, kind, token, content)?;
            return Ok(NodeId(variable));
        }
        // Appended behind everything, no number changes.
        if self.opaque() && !self.is_tail(array) {
            return Err(EditError::OpaqueReferences);
        }
        let mut key_token = Vec::new();
        match &key {
            Key::Int(number) => key_token.extend_from_slice(format!("i:{number};").as_bytes()),
            Key::Str(text) => {
                push_string(&mut key_token, text);
            }
        }
        if self.node(array).first == NONE && self.depth(array) > MAX_DEPTH {
            return Err(EditError::TooDeep);
        }
        let (key_at, start, end) = self.add_text(&key_token, token)?;
        let id = u32::try_from(self.nodes.len()).map_err(|_| EditError::TooLarge)?;
        if self.nodes.len() >= MAX_VALUES {
            return Err(EditError::TooLarge);
        }
        self.nodes.push(Node {
            kind,
            key: key_at,
            start,
            body: start + content,
            end,
            parent: array,
            ..NOWHERE.clone()
        });
        let previous = self.node(array).last;
        if let Some(node) = self.nodes.get_mut(previous as usize) {
            node.next = id;
        }
        if let Some(node) = self.nodes.get_mut(array as usize) {
            if previous == NONE {
                node.first = id;
            }
            node.last = id;
            node.count += 1;
        }
        self.touch(array);
        Ok(NodeId(id))
    }

    /// Gives a variable a new value. An object that others hold lives on in a place of its own.
    fn replace(&mut self, id: u32, kind: Kind, token: &[u8], content: u32) -> Result<(), EditError> {
        if id == 0 {
            return Err(EditError::WholeValue);
        }
        let old = self.node(id).clone();
        let object = matches!(old.kind, Kind::Object | Kind::Custom | Kind::Enum);
        if self.opaque() && (object || old.count > 0 || (self.references && old.kind == Kind::Array)) {
            return Err(EditError::OpaqueReferences);
        }
        let old_key = self.text(old.key, old.start).to_vec();
        let (key, start, end) = self.add_text(&old_key, token)?;
        if object && self.references {
            self.move_out(id);
        }
        if let Some(node) = self.nodes.get_mut(id as usize) {
            *node = Node {
                kind,
                key,
                start,
                body: start + content,
                end,
                parent: old.parent,
                next: old.next,
                ..NOWHERE.clone()
            };
        }
        self.touch(old.parent);
        Ok(())
    }

    /// Lets the handles of an object refer to a copy outside of any array, which is written where the
    /// first of them is.
    fn move_out(&mut self, id: u32) {
        let Ok(new) = u32::try_from(self.nodes.len()) else { return };
        let moved = self.node(id).clone();
        let is_handle_of = |node: &Node, object| node.kind == Kind::Handle && node.first == object;
        if !self.nodes.iter().any(|node| is_handle_of(node, id)) {
            return;
        }
        for node in &mut self.nodes {
            if is_handle_of(node, id) {
                node.first = new;
            }
        }
        let children: Vec<u32> = self.raw_entries(&moved).collect();
        for child in children {
            if let Some(node) = self.nodes.get_mut(child as usize) {
                node.parent = new;
            }
        }
        self.nodes.push(Node { next: NONE, ..moved });
    }

    /// Adds a key and a value behind the bytes that were read: where each begins and where the last ends.
    fn add_text(&mut self, key: &[u8], value: &[u8]) -> Result<(u32, u32, u32), EditError> {
        let at = self.bytes.len();
        let end = u32::try_from(at + key.len() + value.len()).map_err(|_| EditError::TooLarge)?;
        if end == NONE {
            return Err(EditError::TooLarge);
        }
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        Ok((end - (value.len() + key.len()) as u32, end - value.len() as u32, end))
    }

    fn unlink(&mut self, array: u32, removed: &HashSet<u32>) {
        let kept: Vec<u32> = self.raw_entries(self.node(array)).filter(|id| !removed.contains(id)).collect();
        for pair in kept.windows(2) {
            if let [id, next] = pair
                && let Some(node) = self.nodes.get_mut(*id as usize)
            {
                node.next = *next;
            }
        }
        if let Some(node) = kept.last().and_then(|&id| self.nodes.get_mut(id as usize)) {
            node.next = NONE;
        }
        if let Some(node) = self.nodes.get_mut(array as usize) {
            node.first = kept.first().copied().unwrap_or(NONE);
            node.last = kept.last().copied().unwrap_or(NONE);
            node.count = kept.len() as u32;
        }
        self.touch(array);
    }

    /// Remembers that a container and all around it must be written anew.
    fn touch(&mut self, id: u32) {
        self.edited = true;
        let mut id = id;
        while let Some(node) = self.nodes.get_mut(id as usize) {
            if node.dirty {
                break;
            }
            node.dirty = true;
            id = node.parent;
        }
    }
}

struct Entries<'a> {
    document: &'a Document,
    as_property: bool,
    next: u32,
    /// With duplicate keys: the node that has the key, and the one that has the value.
    ordered: Option<std::vec::IntoIter<(u32, u32)>>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Key<'a>, NodeId);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = match &mut self.ordered {
            Some(ordered) => ordered.next()?,
            None if self.next == NONE => return None,
            None => {
                let id = self.next;
                self.next = self.document.node(id).next;
                (id, id)
            }
        };
        Some((self.document.key_of(key, self.as_property), NodeId(value)))
    }
}

// ---- writing ----

enum Step {
    /// An entry with its key, then the entries after it.
    Entries(u32),
    Close,
}

/// Writes the live tree as `php_var_serialize()` does: what has several names is written out at the
/// first, and by number at the others. Keeps its own stack, so depth costs no more than memory.
struct Writer<'a> {
    document: &'a Document,
    out: Vec<u8>,
    stack: Vec<Step>,
    renumber: bool,
    /// How many values have got a number.
    slot: u64,
    slots: HashMap<u32, u64>,
    /// How many names of each variable are still there, as counted in the run before.
    names_before: Option<HashMap<u32, u32>>,
    names: HashMap<u32, u32>,
}

impl<'a> Writer<'a> {
    fn new(document: &'a Document) -> Self {
        Writer {
            document,
            out: Vec::with_capacity(document.bytes.len()),
            stack: Vec::new(),
            renumber: document.renumbers(),
            slot: 0,
            slots: HashMap::new(),
            names_before: None,
            names: HashMap::new(),
        }
    }

    fn restart(&mut self) {
        self.out.clear();
        self.slot = 0;
        self.slots.clear();
        self.names_before = Some(std::mem::take(&mut self.names));
    }

    fn run(&mut self) {
        self.value(0);
        while let Some(step) = self.stack.pop() {
            match step {
                Step::Entries(id) => {
                    let node = self.document.node(id);
                    if node.next != NONE {
                        self.stack.push(Step::Entries(node.next));
                    }
                    self.out.extend_from_slice(self.document.text(node.key, node.start));
                    self.value(id);
                }
                Step::Close => self.out.push(b'}'),
            }
        }
    }

    fn value(&mut self, id: u32) {
        let node = self.document.node(id);
        if !self.renumber {
            if node.dirty {
                self.content(id);
            } else {
                self.out.extend_from_slice(self.document.text(node.start, node.end));
            }
            return;
        }
        let variable = self.document.variable(id).unwrap_or(id);
        *self.names.entry(variable).or_default() += 1;
        // PHP: a reference whose other names are gone is an ordinary value.
        let alone = self.names_before.as_ref().is_some_and(|names| names.get(&variable) == Some(&1));
        if let Some(&slot) = self.slots.get(&variable)
            && !alone
        {
            self.number(id, b'R', slot);
            return;
        }
        self.slot += 1;
        let target = self.document.node(variable);
        let object = if target.kind == Kind::Handle { target.first } else { variable };
        match self.slots.get(&object).copied() {
            Some(slot) => {
                self.slots.entry(variable).or_insert(self.slot);
                self.number(variable, b'r', slot);
            }
            None => {
                self.slots.insert(variable, self.slot);
                self.slots.insert(object, self.slot);
                self.content(object);
            }
        }
    }

    /// `R:` or `r:`; as read if the number is still the same.
    fn number(&mut self, id: u32, letter: u8, slot: u64) {
        let node = self.document.node(id);
        let text = self.document.text(node.start, node.end);
        if text.first() == Some(&letter) && wrapping_digits(text.get(2..).unwrap_or_default()) == slot {
            self.out.extend_from_slice(text);
        } else {
            self.out.push(letter);
            self.out.extend_from_slice(format!(":{slot};").as_bytes());
        }
    }

    fn content(&mut self, id: u32) {
        let node = self.document.node(id);
        if !node.is_container() {
            self.out.extend_from_slice(self.document.text(node.start, node.end));
            return;
        }
        let header = self.document.text(node.start, node.body);
        if node.kind == Kind::Array
            && wrapping_digits(header.get(2..).unwrap_or_default()) != u64::from(node.count)
        {
            self.out.extend_from_slice(format!("a:{}:{{", node.count).as_bytes());
        } else {
            self.out.extend_from_slice(header);
        }
        self.stack.push(Step::Close);
        if node.first != NONE {
            self.stack.push(Step::Entries(node.first));
        }
    }
}

/// Appends `s:3:"abc";` and says where in it the text begins.
fn push_string(out: &mut Vec<u8>, text: &[u8]) -> u32 {
    let at = out.len();
    out.extend_from_slice(format!("s:{}:\"", text.len()).as_bytes());
    let content = out.len() - at;
    out.extend_from_slice(text);
    out.extend_from_slice(b"\";");
    content as u32
}

// ---- parsing ----

/// An array or object whose entries are being read.
struct Frame {
    node: u32,
    remaining: u64,
    previous: u32,
    keys: SeenKeys,
}

/// Notices cheaply that keys are certainly distinct, which is nearly always.
struct SeenKeys {
    /// All keys so far are integers, each higher than the one before.
    ascending: bool,
    highest: Option<i64>,
    /// A set of hashes; two keys that share a bit may be equal.
    seen: [u64; 4],
    suspicious: bool,
}

impl SeenKeys {
    fn new() -> Self {
        Self { ascending: true, highest: None, seen: [0; 4], suspicious: false }
    }

    fn add(&mut self, token: &[u8]) {
        let hash = match token.first() {
            Some(b's') => {
                let text = quoted_key(token);
                match canonical_int(text) {
                    Some(number) => self.add_int(number),
                    None => {
                        self.ascending = false;
                        hash_text(text)
                    }
                }
            }
            Some(b'S') => {
                self.ascending = false;
                self.suspicious = true;
                return;
            }
            _ => self.add_int(parse_int(token.get(2..token.len().saturating_sub(1)).unwrap_or_default())),
        };
        // The top eight bits: a word and a bit in it.
        if let Some(word) = self.seen.get_mut((hash >> 62) as usize) {
            let bit = 1u64 << (hash >> 56 & 63);
            self.suspicious |= *word & bit != 0;
            *word |= bit;
        }
    }

    fn add_int(&mut self, number: i64) -> u64 {
        self.ascending &= self.highest.is_none_or(|highest| number > highest);
        self.highest = Some(number);
        number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn may_repeat(&self) -> bool {
        !self.ascending && self.suspicious
    }
}

fn hash_text(text: &[u8]) -> u64 {
    let mut start = [0u8; 8];
    let taken = text.len().min(8);
    if let (Some(to), Some(from)) = (start.get_mut(..taken), text.get(..taken)) {
        to.copy_from_slice(from);
    }
    let last = text.last().copied().unwrap_or_default();
    let mixed = u64::from_le_bytes(start) ^ (text.len() as u64) << 32 ^ u64::from(last) << 48;
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Frame>,
    references: bool,
    custom: bool,
    custom_references: bool,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        // A guess from the size of the input, never from what it claims: core's own entries take about
        // 30 bytes per value.
        let guess = (bytes.len() / 24 + 2).min(4096);
        Self {
            bytes,
            at: 0,
            nodes: Vec::with_capacity(guess),
            stack: Vec::with_capacity(4),
            references: false,
            custom: false,
            custom_references: false,
        }
    }

    fn document(&mut self) -> Result<(), ParseError> {
        self.value(0)?;
        while let Some(frame) = self.stack.last_mut() {
            if frame.remaining == 0 {
                self.close()?;
                continue;
            }
            frame.remaining -= 1;
            let key = self.at;
            let end = self.key()?;
            let token = self.bytes.get(key..end).unwrap_or_default();
            if let Some(frame) = self.stack.last_mut() {
                frame.keys.add(token);
            }
            self.at = end;
            self.value(key)?;
        }
        Ok(())
    }

    fn fail<T>(&self, offset: usize, reason: Reason) -> Result<T, ParseError> {
        let reason = if offset >= self.bytes.len() { Reason::Truncated } else { reason };
        Err(ParseError { offset: offset.min(self.bytes.len()), reason })
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The position behind `expected`, if it is there.
    fn expect(&self, at: usize, expected: &[u8], reason: Reason) -> Result<usize, ParseError> {
        if self.bytes.get(at..).is_some_and(|rest| rest.starts_with(expected)) {
            return Ok(at + expected.len());
        }
        // Point at the first byte that differs.
        let rest = self.bytes.get(at..).unwrap_or_default();
        let same = rest.iter().zip(expected).take_while(|(a, b)| a == b).count();
        self.fail(at + same, reason)
    }

    /// An unsigned number; PHP lets it wrap around.
    fn digits(&self, at: usize) -> Result<(u64, usize), ParseError> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if length == 0 {
            return self.fail(at, Reason::NotAValue);
        }
        Ok((wrapping_digits(rest), at + length))
    }

    /// `:LENGTH:"`: the length and the position behind the quote.
    fn length(&self, token: usize) -> Result<(u64, usize), ParseError> {
        let at = self.expect(token + 1, b":", Reason::NotAValue)?;
        let (length, at) = self.digits(at)?;
        let at = self.expect(at, b":\"", Reason::NotAValue)?;
        if length > (self.bytes.len() - at) as u64 {
            return Err(ParseError { offset: token, reason: Reason::BadLength });
        }
        Ok((length, at))
    }

    /// A string token that starts at `token`: where its content begins and where it ends.
    fn string(&self, token: usize) -> Result<(usize, usize), ParseError> {
        let (length, body) = self.length(token)?;
        let mut end = body;
        if self.byte(token) == Some(b's') {
            end += length as usize;
        } else {
            for _ in 0..length {
                match self.byte(end) {
                    None => return self.fail(end, Reason::Truncated),
                    Some(b'\\') => {
                        let hex = self.bytes.get(end + 1..end + 3).unwrap_or_default();
                        if hex.len() < 2 || !hex.iter().all(u8::is_ascii_hexdigit) {
                            return self.fail(end, Reason::BadEscape);
                        }
                        end += 3;
                    }
                    Some(_) => end += 1,
                }
            }
        }
        if self.bytes.get(end..end + 2) != Some(b"\";") {
            return Err(ParseError { offset: token, reason: Reason::WrongLength });
        }
        Ok((body, end + 2))
    }

    /// A key that starts here: where it ends.
    fn key(&self) -> Result<usize, ParseError> {
        match self.byte(self.at) {
            Some(b'i') => self.integer(self.at),
            Some(b's' | b'S') => self.string(self.at).map(|(_, end)| end),
            Some(b'}') => self.fail(self.at, Reason::WrongCount),
            _ => self.fail(self.at, Reason::BadKey),
        }
    }

    fn integer(&self, token: usize) -> Result<usize, ParseError> {
        let at = self.expect(token + 1, b":", Reason::NotAValue)?;
        match scan_integer(self.bytes, at) {
            Some(end) => self.expect(end, b";", Reason::NotAValue),
            None => self.fail(at, Reason::NotAValue),
        }
    }

    fn value(&mut self, key: usize) -> Result<(), ParseError> {
        let token = self.at;
        let reason = Reason::NotAValue;
        match self.byte(token) {
            Some(b'N') => {
                let end = self.expect(token + 1, b";", reason)?;
                self.leaf(Kind::Null, key, token, end)
            }
            Some(b'b') => {
                let at = self.expect(token + 1, b":", reason)?;
                let kind = match self.byte(at) {
                    Some(b'0') => Kind::False,
                    Some(b'1') => Kind::True,
                    _ => return self.fail(at, reason),
                };
                let end = self.expect(at + 1, b";", reason)?;
                self.leaf(kind, key, token, end)
            }
            Some(b'i') => {
                let end = self.integer(token)?;
                self.leaf(Kind::Int, key, token + 2, end)
            }
            Some(b'd') => {
                let at = self.expect(token + 1, b":", reason)?;
                let rest = self.bytes.get(at..).unwrap_or_default();
                let word = [&b"NAN"[..], b"INF", b"-INF"].into_iter().find(|word| rest.starts_with(word));
                let Some(end) = word.map(|word| at + word.len()).or_else(|| scan_float(self.bytes, at))
                else {
                    return self.fail(at, reason);
                };
                let end = self.expect(end, b";", reason)?;
                self.leaf(Kind::Float, key, at, end)
            }
            Some(letter @ (b's' | b'S')) => {
                let (body, end) = self.string(token)?;
                self.leaf(if letter == b's' { Kind::Str } else { Kind::EscapedStr }, key, body, end)
            }
            Some(b'a') => {
                let at = self.expect(token + 1, b":", reason)?;
                let (_, end) = self.digits(at)?;
                // PHP: unlike a length, a count out of range does not wrap around.
                let count = parse_int(self.bytes.get(at..end).unwrap_or_default());
                let body = self.expect(end, b":{", reason)?;
                self.open(Kind::Array, key, body, count)
            }
            Some(b'O') => {
                let at = self.class(token)?;
                let (count, at) = self.signed(at);
                let body = self.expect(at, b":{", reason)?;
                self.open(Kind::Object, key, body, count)
            }
            Some(b'C') => {
                let at = self.class(token)?;
                let (length, at) = self.signed(at);
                let body = self.expect(at, b":{", reason)?;
                let left = self.bytes.len() - body;
                let length = match usize::try_from(length) {
                    Ok(length) if length < left => length,
                    _ => return Err(ParseError { offset: token, reason: Reason::BadLength }),
                };
                let end = self.expect(body + length, b"}", Reason::WrongLength)?;
                self.custom = true;
                let payload = self.bytes.get(body..body + length).unwrap_or_default();
                self.custom_references |=
                    payload.windows(3).any(|w| matches!(w, [b'r' | b'R', b':', b'0'..=b'9']));
                self.leaf(Kind::Custom, key, body, end)
            }
            Some(b'E') => {
                let (length, body) = self.length(token)?;
                let name_end = body + length as usize;
                let end = self.expect(name_end, b"\";", Reason::WrongLength)?;
                let name = self.bytes.get(body..name_end).unwrap_or_default();
                let class = name.split(|&b| b == b':').next().unwrap_or_default();
                if class.len() == name.len() || class.is_empty() || !is_class_name(class) {
                    return self.fail(body, Reason::BadClass);
                }
                self.leaf(Kind::Enum, key, body, end)
            }
            Some(letter @ (b'R' | b'r')) => {
                let at = self.expect(token + 1, b":", reason)?;
                let (_, end) = self.digits(at)?;
                let end = self.expect(end, b";", reason)?;
                self.references = true;
                self.leaf(if letter == b'R' { Kind::Reference } else { Kind::Handle }, key, at, end)
            }
            _ => self.fail(token, reason),
        }
    }

    /// `:LENGTH:"NAME":`: the position behind it.
    fn class(&self, token: usize) -> Result<usize, ParseError> {
        let (length, body) = self.length(token)?;
        let end = body + length as usize;
        let at = self.expect(end, b"\":", Reason::WrongLength)?;
        let name = self.bytes.get(body..end).unwrap_or_default();
        // PHP: a leading backslash is refused here, but not in the name of an enum.
        if name.is_empty() || name.starts_with(b"\\") || !is_class_name(name) {
            return self.fail(body, Reason::BadClass);
        }
        Ok(at)
    }

    /// A count of properties. PHP: it may have a sign, and none at all is 0.
    fn signed(&self, at: usize) -> (i64, usize) {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
        let digits = rest.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
        (parse_int(rest.get(..sign + digits).unwrap_or_default()), at + sign + digits)
    }

    fn add(&mut self, kind: Kind, key: usize, body: usize, end: usize) -> Result<u32, ParseError> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(ParseError { offset: self.at, reason: Reason::TooLarge });
        }
        let id = self.nodes.len() as u32;
        let mut parent = NONE;
        if let Some(frame) = self.stack.last_mut() {
            parent = frame.node;
            let previous = std::mem::replace(&mut frame.previous, id);
            let link = if previous == NONE { parent } else { previous };
            if let Some(node) = self.nodes.get_mut(link as usize) {
                if previous == NONE {
                    node.first = id;
                } else {
                    node.next = id;
                }
            }
        }
        // Offsets fit: parse() has checked the length.
        self.nodes.push(Node {
            kind,
            key: key as u32,
            start: self.at as u32,
            body: body as u32,
            end: end as u32,
            parent,
            ..NOWHERE.clone()
        });
        self.at = end;
        Ok(id)
    }

    fn leaf(&mut self, kind: Kind, key: usize, body: usize, end: usize) -> Result<(), ParseError> {
        self.add(kind, key, body, end).map(|_| ())
    }

    fn open(&mut self, kind: Kind, key: usize, body: usize, count: i64) -> Result<(), ParseError> {
        let token = self.at;
        // An entry takes at least six bytes: `i:0;N;`.
        let remaining = match u64::try_from(count) {
            Ok(count) if count <= ((self.bytes.len() - body) / 6) as u64 => count,
            _ => return Err(ParseError { offset: token, reason: Reason::BadCount }),
        };
        // PHP: what has no entries is done before the depth is looked at, except objects.
        if self.stack.len() >= MAX_DEPTH && (remaining > 0 || kind == Kind::Object) {
            return Err(ParseError { offset: token, reason: Reason::TooDeep });
        }
        let node = self.add(kind, key, body, body)?;
        self.stack.push(Frame { node, remaining, previous: NONE, keys: SeenKeys::new() });
        if let Some(node) = self.nodes.get_mut(node as usize) {
            node.count = remaining as u32;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseError> {
        let end = self.expect(self.at, b"}", Reason::WrongCount)?;
        self.at = end;
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let duplicates = frame.keys.may_repeat() && self.has_duplicates(frame.node);
        if let Some(node) = self.nodes.get_mut(frame.node as usize) {
            node.end = end as u32;
            node.last = frame.previous;
            node.duplicates = duplicates;
        }
        Ok(())
    }

    fn has_duplicates(&self, container: u32) -> bool {
        let Some(container) = self.nodes.get(container as usize) else { return false };
        let as_property = container.kind == Kind::Object;
        let mut seen = HashSet::new();
        let mut next = container.first;
        while let Some(node) = self.nodes.get(next as usize) {
            let token = self.bytes.get(node.key as usize..node.start as usize).unwrap_or_default();
            if !seen.insert(decode_key(token, as_property)) {
                return true;
            }
            next = node.next;
        }
        false
    }
}

// ---- tokens ----

/// The end of `[+-]?[0-9]+` at `at`.
fn scan_integer(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    let digits = rest.iter().skip(sign).take_while(|b| b.is_ascii_digit()).count();
    (digits > 0).then_some(at + sign + digits)
}

/// The end of a decimal number at `at`, with or without point and exponent.
fn scan_float(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| bytes.iter().skip(at).take_while(|b| b.is_ascii_digit()).count();
    let mut end = at + usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
    let mut seen = digits(end);
    end += seen;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if seen + fraction > 0 {
            end += 1 + fraction;
        }
        seen += fraction;
    }
    if seen == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E'))
        && let Some(exponent) = scan_integer(bytes, end + 1)
    {
        end = exponent;
    }
    Some(end)
}

/// The number at the start of `text`, modulo 2^64 as in `parse_uiv()`.
fn wrapping_digits(text: &[u8]) -> u64 {
    text.iter()
        .take_while(|b| b.is_ascii_digit())
        .fold(0u64, |number, b| number.wrapping_mul(10).wrapping_add(u64::from(b - b'0')))
}

/// `[+-]?[0-9]*` as a number that stops at the ends of its range, as in `parse_iv()`.
fn parse_int(text: &[u8]) -> i64 {
    let negative = text.first() == Some(&b'-');
    let mut number = 0i64;
    for b in text.iter().skip_while(|b| matches!(b, b'+' | b'-')) {
        let digit = i64::from(b.wrapping_sub(b'0'));
        number = number.saturating_mul(10).saturating_add(if negative { -digit } else { digit });
    }
    number
}

fn parse_float(text: &[u8]) -> f64 {
    match text {
        b"NAN" => f64::NAN,
        b"INF" => f64::INFINITY,
        b"-INF" => f64::NEG_INFINITY,
        _ => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
    }
}

/// PHP: the integer that a string becomes as an array key.
fn canonical_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The characters that PHP allows in the name of a class in serialized data.
fn is_class_name(name: &[u8]) -> bool {
    name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\\' | 0x80..))
}

/// The text of `X:LENGTH:"TEXT"…`.
fn quoted(token: &[u8]) -> &[u8] {
    let length = usize::try_from(wrapping_digits(token.get(2..).unwrap_or_default())).unwrap_or(usize::MAX);
    let start = token.iter().position(|&b| b == b'"').map_or(token.len(), |quote| quote + 1);
    token.get(start..start.saturating_add(length)).unwrap_or_default()
}

/// The text of the key `s:LENGTH:"TEXT";`.
fn quoted_key(token: &[u8]) -> &[u8] {
    let start = token.iter().position(|&b| b == b'"').map_or(token.len(), |quote| quote + 1);
    token.get(start..token.len().saturating_sub(2)).unwrap_or_default()
}

/// `as_property`: names of properties are never integers.
fn decode_key(token: &[u8], as_property: bool) -> Key<'_> {
    let key = match token.first() {
        Some(b's') => Key::Str(Cow::Borrowed(quoted_key(token))),
        Some(b'S') => Key::Str(Cow::Owned(unescape(quoted_key(token)))),
        _ => Key::Int(parse_int(token.get(2..token.len().saturating_sub(1)).unwrap_or_default())),
    };
    match (as_property, key) {
        (true, Key::Int(number)) => Key::Str(Cow::Owned(number.to_string().into_bytes())),
        (true, key) => key,
        (false, key) => key.normalised(),
    }
}

/// The bytes that `S:` stands for; the escapes were checked when the document was read.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        match (first, behind) {
            (b'\\', [high, low, after @ ..]) => {
                out.push(hex_digit(*high) << 4 | hex_digit(*low));
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

// ---- what WordPress takes for serialized ----

/// PHP's `trim()`: without blanks, tabs, line ends, NUL and vertical tabs at both ends.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let kept = |b: &u8| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b);
    let start = bytes.iter().position(kept).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(kept).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// `is_serialized()` in `wp-includes/functions.php`, strict, with its own trim: whether WordPress tries
/// to unserialize a stored value at all. A glance at both ends; it does not mean that the attempt succeeds.
pub fn is_serialized(bytes: &[u8]) -> bool {
    let data = trim(bytes);
    if data == b"N;" {
        return true;
    }
    if data.len() < 4 || data.get(1) != Some(&b':') || !matches!(data.last(), Some(b';' | b'}')) {
        return false;
    }
    let rest = data.get(2..).unwrap_or_default();
    let counted = || {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        digits > 0 && rest.get(digits) == Some(&b':')
    };
    match data.first() {
        Some(b's') => data.get(data.len() - 2) == Some(&b'"') && counted(),
        // WordPress: `E` since 6.1; core never stores one here, so older versions need no rule of their own.
        Some(b'a' | b'O' | b'E') => counted(),
        Some(b'b' | b'i' | b'd') => match rest {
            [number @ .., b';'] => {
                !number.is_empty()
                    && number.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'E' | b'+' | b'-'))
            }
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Document {
        Document::parse(text.to_vec()).unwrap_or_else(|e| panic!("{}: {e}", text.escape_ascii()))
    }

    fn refused(text: &[u8]) -> ParseError {
        Document::parse(text.to_vec()).err().unwrap_or_else(|| panic!("{} accepted", text.escape_ascii()))
    }

    fn keys(document: &Document, id: NodeId) -> Vec<String> {
        let name = |key: Key<'_>| match key {
            Key::Int(number) => number.to_string(),
            Key::Str(text) => format!("'{}'", text.escape_ascii()),
        };
        document.entries(id).map(|(key, _)| name(key)).collect()
    }

    fn ints(document: &Document) -> Vec<Option<i64>> {
        document.entries(document.root()).map(|(_, id)| document.view(id).to_int()).collect()
    }

    const CORE: &[u8] = b"a:2:{i:0;a:7:{s:4:\"uuid\";s:36:\"11111111-1111-4111-8111-111111111111\";s:6:\"app_id\";\
        s:0:\"\";s:4:\"name\";s:9:\"Caf\xc3\xa9 \xe2\x98\x95\";s:8:\"password\";s:4:\"hash\";s:7:\"created\";i:1700000000;\
        s:9:\"last_used\";N;s:7:\"last_ip\";N;}i:5;a:1:{s:3:\"own\";d:1.0E+25;}}";

    #[test]
    fn a_core_entry_is_read_and_edited_in_place() {
        let mut document = parse(CORE);
        let root = document.root();
        assert_eq!((document.len(root), document.next_index(root)), (2, Some(6)));
        let first = document.get(root, b"0").unwrap();
        let name = document.get(first, b"name").unwrap();
        assert_eq!(document.view(name).as_bytes(), Some("Café ☕".as_bytes()));
        assert_eq!(document.to_bytes(), CORE);

        document.set(first, Key::from("last_used"), Scalar::Int(5)).unwrap();
        document.set(first, Key::from("name"), Scalar::Str(b"a\"b;}")).unwrap();
        let new = document.push_array(root, Key::Int(6)).unwrap();
        document.set(new, Key::from("uuid"), Scalar::Str(b"u")).unwrap();
        let expected = CORE.escape_ascii().to_string();
        let expected = expected
            .replace("s:9:\\\"last_used\\\";N;", "s:9:\\\"last_used\\\";i:5;")
            .replace(&"s:9:\"Café ☕\"".as_bytes().escape_ascii().to_string(), "s:5:\\\"a\\\"b;}\\\"")
            .replace("a:2:{i:0", "a:3:{i:0")
            .replace("1.0E+25;}}", "1.0E+25;}i:6;a:1:{s:4:\\\"uuid\\\";s:1:\\\"u\\\";}}");
        assert_eq!(document.to_bytes().escape_ascii().to_string(), expected);
    }

    #[test]
    fn keys_are_normalised_as_php_does() {
        let document = parse(b"a:6:{s:1:\"5\";N;s:2:\"05\";N;s:2:\"-0\";N;s:20:\"-9223372036854775808\";N;S:1:\"\\37\";N;i:+8;N;}");
        assert_eq!(keys(&document, document.root()), ["5", "'05'", "'-0'", "-9223372036854775808", "7", "8"]);
        assert!(
            document.get(document.root(), b"5").is_some() && document.get(document.root(), b"7").is_some()
        );
        assert!(document.get(document.root(), b"+8").is_none());
        let object = parse(b"O:3:\"Foo\":2:{i:5;i:1;s:4:\"\0*\0a\";i:2;}");
        assert_eq!(keys(&object, object.root()), ["'5'", "'\\x00*\\x00a'"]);
    }

    #[test]
    fn of_equal_keys_the_last_value_counts_at_the_first_place() {
        let mut document = parse(b"a:4:{s:1:\"5\";i:1;i:0;i:2;i:5;i:3;i:0;i:4;}");
        let root = document.root();
        assert_eq!(
            (keys(&document, root), ints(&document)),
            (vec!["5".into(), "0".into()], vec![Some(3), Some(4)])
        );
        assert_eq!(document.len(root), 2);
        document.set(root, Key::Int(5), Scalar::Int(9)).unwrap();
        assert_eq!(document.to_bytes(), b"a:4:{s:1:\"5\";i:1;i:0;i:2;i:5;i:9;i:0;i:4;}");
        document.remove(root, Key::from("5")).unwrap();
        assert_eq!(document.to_bytes(), b"a:2:{i:0;i:2;i:0;i:4;}");
        assert_eq!(ints(&document), [Some(4)]);
    }

    #[test]
    fn a_value_is_copied_into_another_list_byte_for_byte() {
        let list =
            parse(b"a:3:{i:0;a:1:{s:1:\"a\";i:+1;}i:2;a:1:{s:1:\"b\";S:1:\"\\ff\";}s:1:\"k\";d:0.50;} ");
        let values: Vec<NodeId> = list.entries(list.root()).map(|(_, node)| node).collect();
        let raw = list.raw(values[1]).unwrap();
        assert_eq!(raw, b"a:1:{s:1:\"b\";S:1:\"\\ff\";}");
        assert_eq!(list.raw(list.root()).unwrap(), list.to_bytes().trim_ascii_end());
        let mut without = list.clone();
        without.remove(without.root(), Key::Int(2)).unwrap();
        assert_eq!(without.with_entries(&[(Key::Int(2), raw)]).unwrap().to_bytes(), list.to_bytes());
        // The key is taken: behind all other numbers.
        let twice =
            list.with_entries(&[(Key::Int(2), raw), (Key::Int(2), raw), (Key::from("k"), b"N;")]).unwrap();
        assert_eq!(keys(&twice, twice.root()), ["0", "2", "3", "4", "5", "'k'"]);
        let into_nothing =
            Document::empty_array().with_entries(&[(Key::Int(7), raw), (Key::Int(1), b"N;")]).unwrap();
        assert_eq!(into_nothing.to_bytes(), b"a:2:{i:1;N;i:7;a:1:{s:1:\"b\";S:1:\"\\ff\";}}");
        // An edited value has no bytes yet, and one that was added neither.
        let mut edited = list.clone();
        edited.set(values[1], Key::from("c"), Scalar::Null).unwrap();
        assert!(edited.raw(values[1]).is_none() && edited.raw(edited.root()).is_none());
        assert!(edited.raw(values[0]).is_some());
        let added = edited.push_array(edited.root(), Key::Int(9)).unwrap();
        assert!(edited.raw(added).is_none());
    }

    #[test]
    fn what_refers_elsewhere_is_not_copied() {
        let list = parse(b"a:3:{i:0;a:1:{i:0;i:5;}i:1;a:1:{i:0;R:3;}i:2;a:1:{i:0;C:1:\"A\":1:{x}}}");
        let values: Vec<NodeId> = list.entries(list.root()).map(|(_, node)| node).collect();
        assert!(
            list.raw(values[0]).is_some() && list.raw(values[1]).is_none() && list.raw(values[2]).is_none()
        );
        assert_eq!(list.with_entries(&[(Key::Int(3), b"N;")]).err(), Some(EditError::OpaqueReferences));
    }

    #[test]
    fn the_next_index_follows_the_highest() {
        let next = |text: &[u8]| {
            let document = parse(text);
            document.next_index(document.root())
        };
        assert_eq!(next(b"a:0:{}"), Some(0));
        assert_eq!(next(b"a:1:{s:1:\"a\";N;}"), Some(0));
        assert_eq!(next(b"a:2:{i:7;N;i:2;N;}"), Some(8));
        assert_eq!(next(b"a:1:{s:2:\"41\";N;}"), Some(42));
        assert_eq!(next(b"a:1:{i:-5;N;}"), Some(-4));
        assert_eq!(next(b"a:1:{i:9223372036854775807;N;}"), None);
        assert_eq!(next(b"i:5;"), None);
    }

    #[test]
    fn what_was_not_edited_stays_as_written() {
        let text = b"a:5:{i:00;i:+5;i:1;d:1.0E+025;i:2;S:2:\"\\41b\";s:01:\"x\";s:01:\"y\";i:3;O:3:\"Foo\"::{}} \0tail;";
        let mut document = parse(text);
        assert_eq!(document.to_bytes(), text);
        document.set(document.root(), Key::Int(1), Scalar::Bool(false)).unwrap();
        let edited =
            b"a:5:{i:00;i:+5;i:1;b:0;i:2;S:2:\"\\41b\";s:01:\"x\";s:01:\"y\";i:3;O:3:\"Foo\"::{}} \0tail;";
        assert_eq!(document.to_bytes().escape_ascii().to_string(), edited.escape_ascii().to_string());
    }

    #[test]
    fn an_emptied_list_is_an_empty_array() {
        let mut document = parse(CORE);
        let root = document.root();
        document.remove(root, Key::Int(0)).unwrap();
        assert_eq!(keys(&document, root), ["5"]);
        document.remove(root, Key::Int(0)).unwrap();
        document.remove(root, Key::Int(5)).unwrap();
        assert_eq!(document.to_bytes(), b"a:0:{}");
        let mut document = parse(CORE);
        document.clear(document.root()).unwrap();
        assert_eq!(document.to_bytes(), Document::empty_array().to_bytes());
        let entry = document.push_array(document.root(), Key::Int(0)).unwrap();
        document.set(entry, Key::from("uuid"), Scalar::Null).unwrap();
        assert_eq!(document.to_bytes(), b"a:1:{i:0;a:1:{s:4:\"uuid\";N;}}");
    }

    #[test]
    fn references_are_numbered_anew() {
        let mut document = parse(b"a:4:{i:0;i:1;i:1;a:1:{i:0;i:5;}i:2;R:3;i:3;R:4;}");
        document.remove(document.root(), Key::Int(0)).unwrap();
        assert_eq!(document.to_bytes(), b"a:3:{i:1;a:1:{i:0;i:5;}i:2;R:2;i:3;R:3;}");
        // What the removed entry held moves to the name that is left.
        document.remove(document.root(), Key::Int(1)).unwrap();
        assert_eq!(document.to_bytes(), b"a:2:{i:2;a:1:{i:0;i:5;}i:3;R:3;}");
        // What moves behind another name of its part becomes a reference itself.
        let mut document = parse(b"a:3:{i:0;a:1:{i:0;i:5;}i:1;R:3;i:2;R:2;}");
        document.remove(document.root(), Key::Int(0)).unwrap();
        assert_eq!(document.to_bytes(), b"a:2:{i:1;i:5;i:2;a:1:{i:0;R:2;}}");
    }

    #[test]
    fn an_assignment_goes_through_a_reference_but_not_through_an_object_handle() {
        let mut document = parse(b"a:3:{i:0;i:1;i:1;R:2;i:2;O:3:\"Foo\":0:{}}");
        document.set(document.root(), Key::Int(1), Scalar::Str(b"x")).unwrap();
        assert_eq!(document.to_bytes(), b"a:3:{i:0;s:1:\"x\";i:1;R:2;i:2;O:3:\"Foo\":0:{}}");
        let mut document = parse(b"a:3:{i:0;O:3:\"Foo\":0:{}i:1;r:2;i:2;r:2;}");
        document.set(document.root(), Key::Int(0), Scalar::Null).unwrap();
        assert_eq!(document.to_bytes(), b"a:3:{i:0;N;i:1;O:3:\"Foo\":0:{}i:2;r:3;}");
    }

    #[test]
    fn a_value_that_contains_itself_is_kept() {
        let text = b"a:1:{i:0;R:1;}";
        let mut document = parse(text);
        let inner = document.get(document.root(), b"0").unwrap();
        assert!(document.is_reference(inner));
        assert_eq!((document.view(inner), document.len(inner)), (View::Array, 1));
        assert_eq!(document.set(document.root(), Key::Int(0), Scalar::Null), Err(EditError::WholeValue));
        assert_eq!(document.to_bytes(), text);
    }

    #[test]
    fn references_across_a_custom_object_forbid_what_would_shift_them() {
        let text = b"a:3:{i:0;i:1;i:1;C:3:\"Foo\":4:{i:1;}i:2;R:2;}";
        let mut document = parse(text);
        let root = document.root();
        assert_eq!(document.remove(root, Key::Int(0)), Err(EditError::OpaqueReferences));
        assert_eq!(document.to_bytes(), text);
        document.set(root, Key::Int(2), Scalar::Int(8)).unwrap();
        document.set(root, Key::Int(3), Scalar::Int(9)).unwrap();
        assert_eq!(document.to_bytes(), b"a:4:{i:0;i:8;i:1;C:3:\"Foo\":4:{i:1;}i:2;R:2;i:3;i:9;}");
        let behind = parse(b"a:2:{i:0;C:3:\"Foo\":1:{x}i:1;R:9;}");
        assert_eq!(behind.view(behind.get(behind.root(), b"1").unwrap()), View::Unresolved);
    }

    #[test]
    fn nesting_has_a_limit() {
        let within = |depth: usize, innermost: &[u8]| {
            [b"a:1:{i:0;".repeat(depth - 1), innermost.to_vec(), b"}".repeat(depth - 1)].concat()
        };
        let nested = |depth: usize| within(depth, b"a:0:{}");
        let mut document = parse(&nested(MAX_DEPTH));
        let mut deepest = document.root();
        while let Some(inner) = document.get(deepest, b"0") {
            deepest = inner;
        }
        assert_eq!(document.push_array(deepest, Key::Int(0)), Err(EditError::TooDeep));
        document.set(deepest, Key::Int(0), Scalar::Null).unwrap();
        parse(&document.to_bytes());
        // An empty array may be one level deeper, but has to stay empty.
        let mut document = parse(&nested(MAX_DEPTH + 1));
        let mut deepest = document.root();
        while let Some(inner) = document.get(deepest, b"0") {
            deepest = inner;
        }
        assert_eq!(document.set(deepest, Key::Int(0), Scalar::Null), Err(EditError::TooDeep));
        for innermost in [&b"a:1:{i:0;N;}"[..], b"O:1:\"C\":0:{}"] {
            parse(&within(MAX_DEPTH, innermost));
            assert_eq!(refused(&within(MAX_DEPTH + 1, innermost)).reason, Reason::TooDeep);
        }
        assert_eq!(refused(&b"a:1:{i:0;".repeat(1_000_000)).reason, Reason::TooDeep);
    }

    #[test]
    fn counts_and_lengths_are_not_believed() {
        assert_eq!(refused(b"a:999999999:{i:0;N;}").reason, Reason::BadCount);
        assert_eq!(refused(b"s:999999999:\"a\";").reason, Reason::BadLength);
        assert_eq!(refused(b"a:2:{i:0;N;}aaaaaa").reason, Reason::WrongCount);
        assert_eq!(
            refused(b"a:1:{s:4:\"name\";s:4:\"Caf\xc3\xa9\";}").to_string(),
            "a string does not have the length it claims at byte 16"
        );
        assert_eq!(refused(b"").to_string(), "the value is cut off at byte 0");
        assert_eq!(refused(b"[{\"uuid\":1}]").to_string(), "no serialized value starts at byte 0");
    }

    #[test]
    fn any_type_casts_to_an_integer_as_in_php() {
        for (text, number) in [
            (&b"s:6:\"12 abc\";"[..], Some(12)),
            (b"s:5:\" 1e3x\";", Some(1000)),
            (b"s:4:\"1e30\";", Some(i64::MAX)),
            (b"s:3:\"abc\";", Some(0)),
            (b"d:-1.9;", Some(-1)),
            (b"d:1.8446744073709552E+19;", Some(0)),
            (b"b:1;", Some(1)),
            (b"N;", Some(0)),
            (b"a:0:{}", None),
        ] {
            let document = parse(text);
            assert_eq!(document.view(document.root()).to_int(), number, "{}", text.escape_ascii());
        }
        let empty = parse(b"a:1:{i:0;a:0:{}}");
        assert!(empty.is_truthy(empty.root()) && !empty.is_truthy(empty.get(empty.root(), b"0").unwrap()));
    }

    #[test]
    fn is_serialized_looks_at_both_ends() {
        for yes in [
            &b"N;"[..],
            b" a:0:{}\n",
            b"a:1:nonsense}",
            b"s:1:\"a\";",
            b"b:1;",
            b"i:-5;",
            b"d:1.0E+25;",
            b"O:8:\"stdClass\":0:{}",
            b"E:11:\"Suit:Hearts\";",
            b"i:1;",
            b"b:9.E;",
            b"s:9:\"",
        ] {
            let serialized = is_serialized(yes);
            assert_eq!(serialized, yes != b"s:9:\"", "{}", yes.escape_ascii());
        }
        for no in [
            &b""[..],
            b"N",
            b"a:",
            b"a:x:{}",
            b"a:0:{",
            b"i:;",
            b"i:a;",
            b"d:NAN;",
            b"s:1:a;",
            b"C:1:\"a\":0:{}",
            b"R:1;",
            b"A:0:{}",
            b"a;0:{}",
        ] {
            assert!(!is_serialized(no), "{}", no.escape_ascii());
        }
        assert_eq!(trim(b" \t\n\r\0\x0b"), b"");
        assert_eq!(trim(b"\0 a b\x0c \x0b"), b"a b\x0c");
    }
}
