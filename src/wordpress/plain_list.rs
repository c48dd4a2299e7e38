//! The common case of a serialized list, read without building a document.
//!
//! What WordPress itself writes is a list of arrays of strings, integers and nulls with the same few keys in
//! the same order. [`PlainList`] reads exactly that in one go, into a buffer that is used again for the next
//! value, and declines everything else: whoever asks then takes [`super::php_serialize::Document`], which knows
//! the whole format and the errors. What it accepts, it reads as a document does; a test compares them.

use super::php_serialize::View;

/// A list with more cells than this is declined, so that the buffer stays small.
const MOST_CELLS: usize = 1 << 16;

/// A reader for lists of arrays with these keys.
pub struct PlainList {
    tokens: Vec<Token>,
    /// As many for each row as there are keys.
    cells: Vec<Cell>,
}

/// The value of one key in one array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The array has no such key.
    Absent,
    /// `N;`
    Null,
    /// `i:5;`
    Int(i64),
    /// `s:1:"a";`: where in the value the text begins and ends.
    Text(u32, u32),
}

/// All arrays of a list, in stored order.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    bytes: &'a [u8],
    cells: &'a [Cell],
    width: usize,
}

impl<'a> Rows<'a> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.cells.len() / self.width
    }

    /// The one at this place; one without any key if there is none.
    pub fn row(&self, index: usize) -> Row<'a> {
        let start = index.saturating_mul(self.width);
        Row { bytes: self.bytes, cells: self.cells.get(start..start + self.width).unwrap_or_default() }
    }

    /// One after another.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'a>> + use<'a> {
        let bytes = self.bytes;
        self.cells.chunks_exact(self.width).map(move |cells| Row { bytes, cells })
    }
}

/// One array of the list.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    bytes: &'a [u8],
    cells: &'a [Cell],
}

impl PlainList {
    /// For arrays whose keys are some of these, in this order. None may look like a number.
    pub fn new(keys: &[&str]) -> Self {
        Self { tokens: keys.iter().map(|key| Token::new(key)).collect(), cells: Vec::new() }
    }

    /// Reads a value; `None` if it is anything but such a list, or if that would take a closer look.
    pub fn read<'a>(&'a mut self, value: &'a [u8]) -> Option<Rows<'a>> {
        self.cells.clear();
        self.scan(value)?;
        Some(Rows { bytes: value, cells: &self.cells, width: self.tokens.len().max(1) })
    }

    fn scan(&mut self, value: &[u8]) -> Option<()> {
        u32::try_from(value.len()).ok()?;
        let (count, mut rest) = number(value.strip_prefix(b"a:")?)?;
        rest = rest.strip_prefix(b":{")?;
        let mut highest = None;
        for _ in 0..count {
            let (key, fields);
            (key, fields, rest) = open(rest)?;
            // Ascending keys are distinct.
            if highest.is_some_and(|highest| key <= highest) || self.cells.len() > MOST_CELLS {
                return None;
            }
            highest = Some(key);
            let mut fields_left = fields;
            for token in &self.tokens {
                let mut cell = Cell::Absent;
                if fields_left > 0
                    && let Some(behind) = token.strip_from(rest)
                {
                    fields_left -= 1;
                    (cell, rest) = scalar(value.len(), behind)?;
                }
                self.cells.push(cell);
            }
            if fields_left > 0 {
                return None;
            }
            rest = rest.strip_prefix(b"}")?;
        }
        (rest == b"}").then_some(())
    }
}

impl<'a> Row<'a> {
    /// The value of the key at this place among [`PlainList::new`]'s; `None` if the array does not have it.
    pub fn get(&self, place: usize) -> Option<View<'a>> {
        match *self.cells.get(place)? {
            Cell::Absent => None,
            Cell::Null => Some(View::Null),
            Cell::Int(number) => Some(View::Int(number)),
            Cell::Text(start, end) => Some(View::Str(self.text(start, end).into())),
        }
    }

    /// The same without a copy of anything: for [`Row::text`].
    pub fn cell(&self, place: usize) -> Cell {
        self.cells.get(place).copied().unwrap_or(Cell::Absent)
    }

    /// The bytes of a [`Cell::Text`].
    pub fn text(&self, start: u32, end: u32) -> &'a [u8] {
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// A key as it is written, `s:4:"uuid";`, and its first bytes as numbers to compare with.
struct Token {
    text: Vec<u8>,
    words: [u64; 3],
    masks: [u64; 3],
}

impl Token {
    const BYTES: usize = 24;

    fn new(key: &str) -> Self {
        let text = format!("s:{}:\"{key}\";", key.len()).into_bytes();
        let (mut start, mut mask) = ([0; Self::BYTES], [0; Self::BYTES]);
        for ((from, to), mask) in text.iter().zip(&mut start).zip(&mut mask) {
            (*to, *mask) = (*from, 0xff);
        }
        Self { text, words: words(&start), masks: words(&mask) }
    }

    /// What is behind this key, if `text` begins with it.
    #[inline]
    fn strip_from<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        match text.first_chunk() {
            Some(start) if self.text.len() <= Self::BYTES => {
                let found = words(start);
                let same = |at: usize| found[at] & self.masks[at] == self.words[at];
                if same(0) && same(1) && same(2) { text.get(self.text.len()..) } else { None }
            }
            _ => text.strip_prefix(self.text.as_slice()),
        }
    }
}

#[inline]
fn words(bytes: &[u8; Token::BYTES]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// `i:0;a:7:{`: the key, the number of fields, and what is behind that.
#[inline]
fn open(text: &[u8]) -> Option<(u64, u64, &[u8])> {
    // Nearly always there are less than ten of either.
    if let [b'i', b':', key @ b'0'..=b'9', b';', b'a', b':', fields @ b'0'..=b'9', b':', b'{', rest @ ..] =
        text
    {
        return Some((u64::from(key - b'0'), u64::from(fields - b'0'), rest));
    }
    let (key, rest) = number(text.strip_prefix(b"i:")?)?;
    let (fields, rest) = number(rest.strip_prefix(b";a:")?)?;
    Some((key, fields, rest.strip_prefix(b":{")?))
}

/// A number without a sign that certainly fits, and what is behind it.
#[inline]
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut length) = match text.first_chunk().and_then(eight_digits) {
        Some(number) => (number, 8),
        None => (0, 0),
    };
    for byte in text.iter().skip(length).take(19 - length) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        length += 1;
    }
    if length == 0 || length > 18 { None } else { Some((number, text.get(length..)?)) }
}

/// The number that eight digits are, computed for all at once: times such as `created` have ten.
#[inline]
fn eight_digits(digits: &[u8; 8]) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let word = u64::from_le_bytes(*digits);
    // A digit is 0x30 to 0x39: its high half is 3, and still is when 6 is added. No carry can hide another
    // byte, because then the first condition fails already.
    if word & HIGH != ZEROS || word.wrapping_add(0x0606_0606_0606_0606) & HIGH != ZEROS {
        return None;
    }
    let pairs = (word & !HIGH).wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(1 + (10_000 << 32)) >> 32)
}

/// `36:"`: a length and what is behind it.
#[inline]
fn length(text: &[u8]) -> Option<(usize, &[u8])> {
    match text {
        [ones @ b'0'..=b'9', b':', b'"', rest @ ..] => Some((usize::from(ones - b'0'), rest)),
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', b':', b'"', rest @ ..] => {
            Some((usize::from(tens - b'0') * 10 + usize::from(ones - b'0'), rest))
        }
        _ => {
            let (length, rest) = number(text)?;
            Some((usize::try_from(length).ok()?, rest.strip_prefix(b":\"")?))
        }
    }
}

/// A string, integer or null, and what is behind it. `total` is the length of the whole value, whose end `text`
/// is.
#[inline]
fn scalar(total: usize, text: &[u8]) -> Option<(Cell, &[u8])> {
    match text {
        [b's', b':', rest @ ..] => {
            let (length, rest) = length(rest)?;
            let start = total - rest.len();
            let (text, rest) = rest.split_at_checked(length)?;
            let rest = rest.strip_prefix(b"\";")?;
            Some((Cell::Text(start as u32, (start + text.len()) as u32), rest))
        }
        [b'N', b';', rest @ ..] => Some((Cell::Null, rest)),
        [b'i', b':', b'-', rest @ ..] => {
            let (number, rest) = number(rest)?;
            Some((Cell::Int(-(number.cast_signed())), rest.strip_prefix(b";")?))
        }
        [b'i', b':', rest @ ..] => {
            let (number, rest) = number(rest)?;
            Some((Cell::Int(number.cast_signed()), rest.strip_prefix(b";")?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wordpress::php_serialize::{Document, Key};

    const KEYS: [&str; 3] = ["uuid", "name", "created"];

    /// What is accepted reads as the document does; says whether it was.
    fn same_as_document(value: &[u8]) -> bool {
        let mut list = PlainList::new(&KEYS);
        let Some(rows) = list.read(value) else { return false };
        let shown = value.escape_ascii();
        let document = Document::parse(value.to_vec()).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let root = document.root();
        assert_eq!(document.view(root), View::Array, "{shown}");
        assert_eq!(rows.count(), document.len(root), "{shown}");
        for (row, (_, node)) in rows.iter().zip(document.entries(root)) {
            assert_eq!(document.view(node), View::Array, "{shown}");
            let mut fields = 0;
            for (place, key) in KEYS.iter().enumerate() {
                let expected = document.get(node, key.as_bytes()).map(|node| document.view(node));
                assert_eq!(row.get(place), expected, "{key} in {shown}");
                fields += usize::from(expected.is_some());
            }
            assert_eq!(fields, document.len(node), "{shown}");
            let in_order = document.entries(node).filter_map(|(key, _)| match key {
                Key::Str(key) => KEYS.iter().position(|known| known.as_bytes() == &*key),
                Key::Int(_) => None,
            });
            assert!(in_order.is_sorted(), "{shown}");
        }
        true
    }

    #[test]
    fn what_core_writes_is_read() {
        for value in [
            "a:0:{}",
            "a:1:{i:0;a:0:{}}",
            "a:2:{i:0;a:3:{s:4:\"uuid\";s:2:\"u1\";s:4:\"name\";s:3:\"\";\"\";s:7:\"created\";i:17;}i:5;a:1:{s:4:\"name\";N;}}",
            "a:1:{i:0;a:2:{s:4:\"uuid\";i:-0;s:7:\"created\";i:-007;}}",
        ] {
            assert!(same_as_document(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn whatever_else_is_declined() {
        for value in [
            "",
            "a:1:{}",
            "a:0:{} ",
            "a:0:{}x",
            "a:1:{i:1;N;}",
            "a:1:{s:1:\"a\";a:0:{}}",
            "a:2:{i:0;a:0:{}i:0;a:0:{}}",
            "a:2:{i:1;a:0:{}i:0;a:0:{}}",
            "a:1:{i:-1;a:0:{}}",
            "a:1:{i:0;a:1:{s:5:\"other\";N;}}",
            "a:1:{i:0;a:2:{s:4:\"name\";N;s:4:\"uuid\";N;}}",
            "a:1:{i:0;a:2:{s:4:\"uuid\";N;s:4:\"uuid\";N;}}",
            "a:1:{i:0;a:1:{s:4:\"uuid\";d:1;}}",
            "a:1:{i:0;a:1:{s:4:\"uuid\";R:1;}}",
            "a:1:{i:0;a:1:{s:4:\"uuid\";s:3:\"ab\";}}",
            "a:1:{i:0;a:1:{s:4:\"uuid\";i:9999999999999999999;}}",
            "a:99999999999999999999:{}",
            "a:1:{i:0;a:0:{}",
            "O:8:\"stdClass\":0:{}",
        ] {
            assert!(!same_as_document(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn numbers_are_read_as_rust_reads_them() {
        for digits in 1..=18 {
            for number in ["1", "9", "123456789012345678", "987654321098765432", "000000000000000007"] {
                let text = number.repeat(18).get(..digits).unwrap_or_default().to_owned();
                let read = super::number(text.as_bytes());
                assert_eq!(read, Some((text.parse().unwrap(), &b""[..])), "{text}");
                assert_eq!(super::number(format!("{text};x").as_bytes()).unwrap().1, b";x");
            }
        }
        assert_eq!(super::number(b"1234567890123456789"), None);
        for odd in *b"\0/:;?az\xb0\xff" {
            for at in 0..8 {
                let mut digits = *b"12345678";
                digits[at] = odd;
                assert_eq!(eight_digits(&digits), None, "{odd} at {at}");
            }
        }
    }

    /// Pieces of serialized values, so that most inputs are nearly right.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "a:1:{",
            "a:2:{",
            "a:0:{}",
            "a:3:{",
            "}",
            "i:0;",
            "i:1;",
            "i:2;",
            "i:-3;",
            "i:007;",
            "i:+1;",
            "N;",
            "b:1;",
            "s:4:\"uuid\";",
            "s:4:\"name\";",
            "s:7:\"created\";",
            "s:0:\"\";",
            "s:2:\"é\";",
            "s:3:\"ab\";",
            "d:0.5;",
            "S:1:\"a\";",
            "R:2;",
            " ",
            ";",
        ]);
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
    }

    /// A list as core writes it, then changed at one place.
    fn nearly_plain() -> impl Strategy<Value = Vec<u8>> {
        let field = prop_oneof![
            Just("N;".to_owned()),
            any::<i64>().prop_map(|number| format!("i:{number};")),
            ".{0,8}".prop_map(|text| format!("s:{}:\"{text}\";", text.len())),
        ];
        let row = prop::collection::vec((prop::sample::select(vec![0usize, 1, 2]), field), 0..4);
        let list = prop::collection::vec((0i64..4, row), 0..4);
        let change = prop::option::of((
            any::<prop::sample::Index>(),
            prop::sample::select(b"019;:\"}{aisNR- ".to_vec()),
        ));
        (list, any::<bool>(), change).prop_map(|(mut list, sorted, change)| {
            if sorted {
                list.sort_by_key(|(key, _)| *key);
                for (_, row) in &mut list {
                    row.sort_by_key(|(place, _)| *place);
                }
            }
            let mut value = format!("a:{}:{{", list.len());
            for (key, row) in list {
                value += &format!("i:{key};a:{}:{{", row.len());
                for (place, field) in row {
                    value += &format!("s:{}:\"{}\";{field}", KEYS[place].len(), KEYS[place]);
                }
                value.push('}');
            }
            value.push('}');
            let mut value = value.into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(value.len());
                value[at] = byte;
            }
            value
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_a_document_on_pieces(value in pieces()) {
            same_as_document(&value);
        }

        #[test]
        fn agrees_with_a_document_on_lists(value in nearly_plain()) {
            same_as_document(&value);
        }
    }
}
