//! PHP values, their conversions and comparisons as PHP 8 defines them, and the value that is not known.
//!
//! An unknown operand makes every result unknown; nothing here ever turns doubt into a value. Each value
//! remembers which environment variables it was made of.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Why a value is not known: where, and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// The file, as it should be shown.
    pub file: Rc<str>,
    /// The line, from 1.
    pub line: u32,
    /// What it depends on, as a clause: `` `$_SERVER['HTTP_HOST']` depends on the request ``.
    pub reason: String,
    /// Set for `PHP_SAPI`, of which only this is known: it is a web server's.
    pub is_web_sapi: bool,
}

/// Names of the environment variables that a value was made of, and whether each was set.
pub type Variables = BTreeMap<String, bool>;

/// A value and the environment variables behind it.
#[derive(Debug, Clone)]
pub struct Value {
    /// What it is.
    pub data: Data,
    /// Which environment variables it depends on.
    pub env: Option<Rc<Variables>>,
}

/// What a value is.
#[derive(Debug, Clone)]
pub enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Any bytes.
    Str(Rc<[u8]>),
    Array(Rc<Array>),
    /// An object of `json_decode()`: properties only.
    Object(Rc<Array>),
    /// A closure, by its number in the evaluator.
    Closure(usize),
    /// A loader of `.env` files, by its number in the evaluator.
    Dotenv(usize),
    /// An object of a class that the program declares, by its number in the state.
    Instance(usize),
    Unknown(Rc<Why>),
}

/// A key of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Int(i64),
    Str(Rc<[u8]>),
}

/// An array, in order.
#[derive(Debug, Clone, Default)]
pub struct Array {
    pub entries: Vec<(Key, Value)>,
    pub next: i64,
    /// How many arrays lie within each other here, at most.
    pub depth: u32,
    /// Set when it may hold other keys too.
    pub open: Option<Rc<Why>>,
}

impl Array {
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.iter().find(|(candidate, _)| candidate == key).map(|(_, value)| value)
    }

    pub fn set(&mut self, key: Key, value: Value) {
        if let Key::Int(number) = key {
            self.next = self.next.max(number.saturating_add(1));
        }
        self.depth = self.depth.max(value.depth());
        match self.entries.iter_mut().find(|(candidate, _)| *candidate == key) {
            Some((_, slot)) => *slot = value,
            None => self.entries.push((key, value)),
        }
    }

    pub fn push(&mut self, value: Value) {
        let key = Key::Int(self.next);
        self.depth = self.depth.max(value.depth());
        // The key is new by construction: no search.
        self.next = self.next.saturating_add(1);
        self.entries.push((key, value));
    }

    /// PHP: behind nothing but negative keys, versions before 8.3 go on at 0, later ones after the last.
    pub fn counts_from_below(&self) -> bool {
        self.next == 0 && self.entries.iter().any(|(key, _)| matches!(key, Key::Int(number) if *number < 0))
    }

    pub fn remove(&mut self, key: &Key) {
        self.entries.retain(|(candidate, _)| candidate != key);
    }

    pub fn from_list(values: impl IntoIterator<Item = Value>) -> Self {
        let mut array = Self::default();
        values.into_iter().for_each(|value| array.push(value));
        array
    }

    /// Whether any element, at any depth, is unknown.
    pub fn unknown(&self) -> Option<Rc<Why>> {
        self.open.clone().or_else(|| self.entries.iter().find_map(|(_, value)| value.unknown_inside()))
    }
}

impl Key {
    /// PHP: a string that is a decimal integer becomes one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        match text.and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text)) {
            Some(number) => Self::Int(number),
            None => Self::Str(bytes.into()),
        }
    }

    pub fn to_value(&self) -> Value {
        match self {
            Self::Int(number) => Value::int(*number),
            Self::Str(bytes) => Value::new(Data::Str(bytes.clone())),
        }
    }

    pub fn to_bytes(&self) -> Rc<[u8]> {
        match self {
            Self::Int(number) => number.to_string().into_bytes().into(),
            Self::Str(bytes) => bytes.clone(),
        }
    }
}

/// Unites what two values depend on.
pub fn merge(left: &Option<Rc<Variables>>, right: &Option<Rc<Variables>>) -> Option<Rc<Variables>> {
    match (left, right) {
        (None, other) | (other, None) => other.clone(),
        (Some(left), Some(right)) if Rc::ptr_eq(left, right) => Some(left.clone()),
        (Some(left), Some(right)) => {
            let mut both = (**left).clone();
            both.extend(right.iter().map(|(name, set)| (name.clone(), *set)));
            Some(Rc::new(both))
        }
    }
}

impl Value {
    /// The environment variables that this value, or an element at any depth, was made of.
    pub fn variables_inside(&self) -> Option<Rc<Variables>> {
        match &self.data {
            Data::Array(array) | Data::Object(array) => array
                .entries
                .iter()
                .fold(self.env.clone(), |all, (_, element)| merge(&all, &element.variables_inside())),
            _ => self.env.clone(),
        }
    }

    pub fn new(data: Data) -> Self {
        Self { data, env: None }
    }

    pub fn null() -> Self {
        Self::new(Data::Null)
    }

    pub fn bool(value: bool) -> Self {
        Self::new(Data::Bool(value))
    }

    pub fn int(value: i64) -> Self {
        Self::new(Data::Int(value))
    }

    pub fn bytes(value: impl Into<Rc<[u8]>>) -> Self {
        Self::new(Data::Str(value.into()))
    }

    pub fn text(value: &str) -> Self {
        Self::bytes(value.as_bytes())
    }

    pub fn array(value: Array) -> Self {
        Self::new(Data::Array(Rc::new(value)))
    }

    pub fn unknown(why: Rc<Why>) -> Self {
        // What is made of the SAPI's name is not that name.
        let why = if why.is_web_sapi { Rc::new(Why { is_web_sapi: false, ..(*why).clone() }) } else { why };
        Self::new(Data::Unknown(why))
    }

    /// The same value, depending on `env` too.
    pub fn with(mut self, env: &Option<Rc<Variables>>) -> Self {
        if env.is_some() {
            self.env = merge(&self.env, env);
        }
        self
    }

    /// Why this is not known.
    pub fn why(&self) -> Option<Rc<Why>> {
        match &self.data {
            Data::Unknown(why) => Some(why.clone()),
            _ => None,
        }
    }

    /// Why this, or anything inside it, is not known.
    pub fn unknown_inside(&self) -> Option<Rc<Why>> {
        match &self.data {
            Data::Unknown(why) => Some(why.clone()),
            Data::Array(array) | Data::Object(array) => array.unknown(),
            _ => None,
        }
    }

    /// How many unknown values it is or holds.
    pub fn holes(&self) -> usize {
        match &self.data {
            Data::Unknown(_) => 1,
            Data::Array(array) | Data::Object(array) => {
                usize::from(array.open.is_some())
                    + array.entries.iter().map(|(_, value)| value.holes()).sum::<usize>()
            }
            _ => 0,
        }
    }

    /// Bytes that it takes, about.
    pub fn size(&self) -> usize {
        match &self.data {
            Data::Str(bytes) => bytes.len(),
            Data::Array(array) | Data::Object(array) => {
                array.entries.iter().map(|(_, value)| 48 + value.size()).sum()
            }
            _ => 0,
        }
    }

    fn depth(&self) -> u32 {
        match &self.data {
            Data::Array(array) | Data::Object(array) => array.depth + 1,
            _ => 0,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// `(bool)`. `Err`: not known.
    pub fn to_bool(&self) -> Result<bool, Rc<Why>> {
        Ok(match &self.data {
            Data::Null => false,
            Data::Bool(value) => *value,
            Data::Int(value) => *value != 0,
            Data::Float(value) => *value != 0.0,
            Data::Str(bytes) => !bytes.is_empty() && **bytes != *b"0",
            Data::Array(array) => {
                if array.entries.is_empty()
                    && let Some(why) = &array.open
                {
                    return Err(why.clone());
                }
                !array.entries.is_empty()
            }
            Data::Object(_) | Data::Closure(_) | Data::Dotenv(_) | Data::Instance(_) => true,
            Data::Unknown(why) => return Err(why.clone()),
        })
    }

    /// `(string)`. `None`: it has none, or is not known.
    pub fn to_bytes(&self) -> Option<Rc<[u8]>> {
        Some(match &self.data {
            Data::Null | Data::Bool(false) => Rc::from(&b""[..]),
            Data::Bool(true) => Rc::from(&b"1"[..]),
            Data::Int(value) => value.to_string().into_bytes().into(),
            Data::Float(value) => float_to_string(*value).into_bytes().into(),
            Data::Str(bytes) => bytes.clone(),
            _ => return None,
        })
    }

    /// The number that arithmetic takes this for. `None`: PHP throws, or it is not known.
    pub fn to_number(&self) -> Option<Number> {
        match &self.data {
            Data::Null | Data::Bool(false) => Some(Number::Int(0)),
            Data::Bool(true) => Some(Number::Int(1)),
            Data::Int(value) => Some(Number::Int(*value)),
            Data::Float(value) => Some(Number::Float(*value)),
            Data::Str(bytes) => leading_number(bytes).map(|(number, _)| number),
            _ => None,
        }
    }

    /// `(int)`. `None`: not known, or a float that no integer holds.
    pub fn to_int(&self) -> Option<i64> {
        match &self.data {
            Data::Array(array) => Some(i64::from(!array.entries.is_empty())),
            Data::Str(bytes) => match leading_number(bytes) {
                Some((number, _)) => number.to_int(),
                None => Some(0),
            },
            _ => self.to_number().and_then(Number::to_int),
        }
    }

    /// The array key that this becomes.
    pub fn to_key(&self) -> Option<Key> {
        Some(match &self.data {
            Data::Null => Key::Str(Rc::from(&b""[..])),
            Data::Bool(value) => Key::Int(i64::from(*value)),
            Data::Int(value) => Key::Int(*value),
            Data::Float(value) => Key::Int(Number::Float(*value).to_int()?),
            Data::Str(bytes) => Key::from_bytes(bytes),
            _ => return None,
        })
    }
}

/// An integer or a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub fn to_int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Float(value) if value.abs() < 9.0e18 => Some(value as i64),
            Self::Float(_) => None,
        }
    }

    pub fn into_value(self) -> Value {
        Value::new(match self {
            Self::Int(value) => Data::Int(value),
            Self::Float(value) => Data::Float(value),
        })
    }
}

/// PHP: the number at the start of a string, and whether the whole string is numeric (blanks around it
/// allowed).
pub fn leading_number(bytes: &[u8]) -> Option<(Number, bool)> {
    const BLANKS: &[u8] = b" \t\n\r\x0b\x0c";
    let start = bytes.iter().position(|byte| !BLANKS.contains(byte))?;
    let text = &bytes[start..];
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut is_float = false;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
            is_float = true;
        }
    }
    if end == sign {
        return None;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let exponent_sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + exponent_sign);
        if exponent > 0 {
            end += 1 + exponent_sign + exponent;
            is_float = true;
        }
    }
    let literal = std::str::from_utf8(&text[..end]).ok()?;
    let number = match literal.parse::<i64>() {
        Ok(value) if !is_float => Number::Int(value),
        _ => Number::Float(literal.parse::<f64>().ok()?),
    };
    let is_whole = text[end..].iter().all(|byte| BLANKS.contains(byte));
    Some((number, is_whole))
}

/// The number that a numeric string is.
pub fn numeric(bytes: &[u8]) -> Option<Number> {
    leading_number(bytes).and_then(|(number, is_whole)| is_whole.then_some(number))
}

/// PHP: `precision=14`, as `printf("%.14G")`.
fn float_to_string(value: f64) -> String {
    if value.is_nan() {
        return "NAN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF".into() } else { "-INF".into() };
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let scientific = format!("{value:.13e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or(0);
        let fixed = format!("{value:.decimals$}");
        return if fixed.contains('.') {
            fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            fixed
        };
    }
    let mut mantissa = mantissa.trim_end_matches('0').trim_end_matches('.').to_owned();
    if !mantissa.contains('.') {
        mantissa.push_str(".0");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}E{sign}{}", exponent.abs())
}

/// `===`. `Err`: not known.
pub fn identical(left: &Value, right: &Value) -> Result<bool, Rc<Why>> {
    if let Some(answer) = compare_sapi(left, right) {
        // It is a string, whatever it says.
        return Ok(answer && matches!((&left.data, &right.data), (Data::Str(_), _) | (_, Data::Str(_))));
    }
    Ok(match (&left.data, &right.data) {
        (Data::Unknown(why), _) | (_, Data::Unknown(why)) => return Err(why.clone()),
        (Data::Null, Data::Null) => true,
        (Data::Bool(left), Data::Bool(right)) => left == right,
        (Data::Int(left), Data::Int(right)) => left == right,
        (Data::Float(left), Data::Float(right)) => left == right,
        (Data::Str(left), Data::Str(right)) => left == right,
        (Data::Closure(left), Data::Closure(right))
        | (Data::Dotenv(left), Data::Dotenv(right))
        | (Data::Instance(left), Data::Instance(right)) => left == right,
        (Data::Object(left), Data::Object(right)) => Rc::ptr_eq(left, right),
        (Data::Array(left), Data::Array(right)) => {
            if let Some(why) = left.unknown().or_else(|| right.unknown()) {
                return Err(why);
            }
            if left.entries.len() != right.entries.len() {
                return Ok(false);
            }
            for ((left_key, left_value), (right_key, right_value)) in left.entries.iter().zip(&right.entries)
            {
                if left_key != right_key || !identical(left_value, right_value)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

/// Whether the two are the same for sure, unknown ones never.
pub fn same(left: &Value, right: &Value) -> bool {
    let both_nan =
        matches!((&left.data, &right.data), (Data::Float(l), Data::Float(r)) if l.to_bits() == r.to_bits());
    both_nan || identical(left, right).unwrap_or(false)
}

/// The web server's SAPI is none of the command line's.
fn compare_sapi(left: &Value, right: &Value) -> Option<bool> {
    let other = match (&left.data, &right.data) {
        (Data::Unknown(why), other) | (other, Data::Unknown(why)) if why.is_web_sapi => other,
        _ => return None,
    };
    match other {
        Data::Str(name) if [&b"cli"[..], b"phpdbg", b"embed", b""].contains(&&**name) => Some(false),
        Data::Bool(value) => Some(*value),
        Data::Null => Some(false),
        _ => None,
    }
}

/// `==`. `Err`: not known.
pub fn equal(left: &Value, right: &Value) -> Result<bool, Rc<Why>> {
    if let Some(answer) = compare_sapi(left, right) {
        return Ok(answer);
    }
    Ok(compare(left, right)? == Some(Ordering::Equal))
}

/// `<=>`, with `None` for what cannot be ordered. `Err`: not known.
pub fn compare(left: &Value, right: &Value) -> Result<Option<Ordering>, Rc<Why>> {
    let floats = |left: f64, right: f64| left.partial_cmp(&right);
    Ok(match (&left.data, &right.data) {
        (Data::Unknown(why), _) | (_, Data::Unknown(why)) => return Err(why.clone()),
        (Data::Null, Data::Str(right)) => Some(b""[..].cmp(right)),
        (Data::Str(left), Data::Null) => Some((**left).cmp(b"")),
        (Data::Null | Data::Bool(_), _) | (_, Data::Null | Data::Bool(_)) => {
            Some(left.to_bool()?.cmp(&right.to_bool()?))
        }
        (Data::Int(left), Data::Int(right)) => Some(left.cmp(right)),
        (Data::Int(_) | Data::Float(_), Data::Int(_) | Data::Float(_)) => {
            match (left.to_number(), right.to_number()) {
                (Some(left), Some(right)) => floats(left.as_f64(), right.as_f64()),
                _ => None,
            }
        }
        (Data::Str(left), Data::Str(right)) => match (numeric(left), numeric(right)) {
            // PHP: integers that are too large, and equal as floats, are compared as texts.
            (Some(first @ Number::Float(_)), Some(second @ Number::Float(_)))
                if first == second && is_integer_text(left) && is_integer_text(right) =>
            {
                Some(left.cmp(right))
            }
            // Which of the two is larger is told by the one that is too large, whatever it is as a float.
            (Some(Number::Int(_)), Some(Number::Float(value))) if is_integer_text(right) => {
                Some(if value > 0.0 { Ordering::Less } else { Ordering::Greater })
            }
            (Some(Number::Float(value)), Some(Number::Int(_))) if is_integer_text(left) => {
                Some(if value > 0.0 { Ordering::Greater } else { Ordering::Less })
            }
            (Some(left), Some(right)) => compare_numbers(left, right),
            _ => Some(left.cmp(right)),
        },
        (Data::Str(text), Data::Int(_) | Data::Float(_)) => match (numeric(text), right.to_number()) {
            (Some(left), Some(right)) => compare_numbers(left, right),
            _ => right.to_bytes().map(|right| (**text).cmp(&right)),
        },
        (Data::Int(_) | Data::Float(_), Data::Str(text)) => match (left.to_number(), numeric(text)) {
            (Some(left), Some(right)) => compare_numbers(left, right),
            _ => left.to_bytes().map(|left| (*left).cmp(text)),
        },
        (Data::Array(left), Data::Array(right)) => {
            if let Some(why) = left.unknown().or_else(|| right.unknown()) {
                return Err(why);
            }
            match left.entries.len().cmp(&right.entries.len()) {
                Ordering::Equal => {}
                other => return Ok(Some(other)),
            }
            for (key, value) in &left.entries {
                let Some(other) = right.get(key) else { return Ok(None) };
                match compare(value, other)? {
                    Some(Ordering::Equal) => {}
                    other => return Ok(other),
                }
            }
            Some(Ordering::Equal)
        }
        (Data::Array(_), _) => Some(Ordering::Greater),
        (_, Data::Array(_)) => Some(Ordering::Less),
        _ => None,
    })
}

/// Whether a numeric text is written as an integer.
fn is_integer_text(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

fn compare_numbers(left: Number, right: Number) -> Option<Ordering> {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => Some(left.cmp(&right)),
        (left, right) => left.as_f64().partial_cmp(&right.as_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_with_fourteen_digits() {
        for (value, text) in [
            (0.1, "0.1"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e13, "10000000000000"),
            (1e14, "1.0E+14"),
            (123_456_789_012_345.67, "1.2345678901235E+14"),
            (123_456_789_012_345_680.0, "1.2345678901235E+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0E-5"),
            (1.5e-7, "1.5E-7"),
        ] {
            assert_eq!(float_to_string(value), text);
        }
    }

    #[test]
    fn loose_comparison_is_php_8s() {
        let text = Value::text;
        for (left, right, answer) in [
            (Value::int(0), text("a"), false),
            (Value::int(0), text(""), false),
            (Value::null(), text(""), true),
            (Value::null(), Value::bool(false), true),
            (text("1e1"), text("10"), true),
            (text("abc"), text("ABC"), false),
            (Value::int(1), text("01"), true),
            (text("1 "), Value::int(1), true),
            (text("0"), Value::bool(false), true),
        ] {
            assert_eq!(equal(&left, &right), Ok(answer), "{left:?} == {right:?}");
        }
    }
}
