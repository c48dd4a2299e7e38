//! Lists in the formats that `--format`, `--fields` and `--field` ask for.
//!
//! Mirrors `WP_CLI\Formatter` (`php/WP_CLI/Formatter.php` of the 3.x line): which fields are shown, what
//! becomes of the missing ones, and what is printed in which order.

use std::borrow::Cow;
use std::io;

use super::json::Invalid;
use super::table::Frame;
use super::{Item, Key, Output, Value, csv, json, scalar, table, terminal, yaml};

/// How many blanks the fields of a row stand deep in YAML.
const ROW_INDENT: usize = 2;

/// WP-CLI: `Formatter::MAX_CELL_WIDTH`, in bytes.
const LONGEST_CELL: usize = 2048;

/// WP-CLI: an item without the field also answers with the field of this prefix.
const PREFIX: &str = "_";

/// `--format`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Framed on a terminal, separated by tabs elsewhere.
    #[default]
    Table,
    /// As PHP's `fputcsv()`.
    Csv,
    /// One line, as PHP's `json_encode()`.
    Json,
    /// How many items there are.
    Count,
    /// As Spyc's `YAMLDump()`.
    Yaml,
    /// The UUIDs, separated by blanks.
    Ids,
}

impl Format {
    /// All of them, in the order of WP-CLI's help.
    pub const ALL: [Self; 6] = [Self::Table, Self::Csv, Self::Json, Self::Count, Self::Yaml, Self::Ids];

    /// What the user types.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Count => "count",
            Self::Yaml => "yaml",
            Self::Ids => "ids",
        }
    }

    /// The format of that name, written exactly so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What a list is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub format: Format,
    /// Which fields, as columns in this order. Ignored by `count`, `ids` and when there is `field`.
    pub fields: Vec<Vec<u8>>,
    /// Only this field, a value per line. `None` also for what PHP takes for false: empty and `0`.
    pub field: Option<Vec<u8>>,
}

impl Request {
    /// From the arguments as typed, with the columns that are shown when `--fields` is absent.
    ///
    /// WP-CLI: `Formatter`'s constructor splits the text at commas and trims each name; an empty
    /// `--fields=` asks for one field without a name.
    pub fn new(format: Format, field: Option<&[u8]>, fields: Option<&[u8]>, default: &[&str]) -> Self {
        let fields = match fields {
            Some(text) => text.split(|byte| *byte == b',').map(|name| scalar::trim(name).to_vec()).collect(),
            None => default.iter().map(|name| name.as_bytes().to_vec()).collect(),
        };
        let field = field.filter(|name| !matches!(*name, b"" | b"0")).map(<[u8]>::to_vec);
        Self { format, fields, field }
    }
}

/// Shows items as `Formatter::display_items()` does, the warnings about missing fields included.
///
/// # Errors
/// Stdout is closed or full. What was printed may still be buffered: see [`Output::flush`].
pub fn display_items(out: &mut Output<'_>, request: &Request, items: &[impl Item]) -> io::Result<()> {
    if let Some(field) = &request.field {
        return show_single_field(out, request.format, field, items);
    }
    let mut fields = request.fields.clone();
    if !matches!(request.format, Format::Count | Format::Ids) {
        for missing in resolve_fields(&mut fields, items) {
            if !items.is_empty() {
                warn_missing(out, &missing);
            }
        }
    }
    let mut stream = RowStream::start(out, request.format, Rows::Columns(Columns::new(fields)))?;
    stream.warned = true;
    for item in items {
        stream.row(out, item)?;
    }
    stream.end(out)
}

/// WP-CLI: `Formatter::validate_fields()`. Replaces each name by the key it was found under and returns
/// those that no item has.
fn resolve_fields(fields: &mut [Vec<u8>], items: &[impl Item]) -> Vec<Vec<u8>> {
    let mut missing: Vec<Vec<u8>> = Vec::new();
    let mut resolved: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for field in fields.iter() {
        if missing.contains(field) || resolved.iter().any(|(name, _)| name == field) {
            continue;
        }
        match items.iter().find_map(|item| find_key(item, field)) {
            Some(key) => resolved.push((field.clone(), key)),
            None => missing.push(field.clone()),
        }
    }
    for field in fields {
        if let Some((_, key)) = resolved.iter().find(|(name, _)| name == field) {
            field.clone_from(key);
        }
    }
    missing
}

/// WP-CLI: `Formatter::find_item_key()`.
fn find_key(item: &impl Item, field: &[u8]) -> Option<Vec<u8>> {
    let name = std::str::from_utf8(field).ok()?;
    if item.field(name).is_some() {
        return Some(field.to_vec());
    }
    let prefixed = format!("{PREFIX}{name}");
    item.field(&prefixed).is_some().then(|| prefixed.into_bytes())
}

fn warn_missing(out: &mut Output<'_>, field: &[u8]) {
    out.warning([b"Field not found in any item: ", field, b"."].concat());
}

/// WP-CLI: with `--format=ids` the formatter gets bare UUIDs; cast to an object, each has this field.
const SCALAR: &[u8] = b"scalar";

/// WP-CLI: `Formatter::show_single_field()`.
fn show_single_field(
    out: &mut Output<'_>,
    format: Format,
    field: &[u8],
    items: &[impl Item],
) -> io::Result<()> {
    let mut key: Option<Vec<u8>> = None;
    let mut values = Vec::new();
    for item in items {
        if key.is_none() {
            key = match format {
                Format::Ids => (field == SCALAR && !matches!(item.field("uuid"), None | Some(Value::Null)))
                    .then(|| b"uuid".to_vec()),
                _ => find_key(item, field),
            };
        }
        let name = key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let value = name.and_then(|name| item.field(name)).unwrap_or(Value::Null);
        match format {
            Format::Json => values.push((Key::Int(values.len() as i64), value)),
            _ => out.emit(|into| append_single(format, &value, into))?,
        }
    }
    if key.is_none() && !items.is_empty() {
        warn_missing(out, field);
    }
    if format == Format::Json {
        // WP-CLI: one value that is not UTF-8 fails the whole list, and nothing is printed.
        let text = json::to_json(&Value::Map(values)).unwrap_or_default();
        out.emit(|into| into.extend_from_slice(&text))?;
    }
    Ok(())
}

/// WP-CLI: `WP_CLI::print_value()` with `Formatter::format_single_value()`.
fn append_single(format: Format, value: &Value<'_>, into: &mut Vec<u8>) {
    match (format, value) {
        (Format::Yaml, _) => yaml::append_document(value, into),
        (_, Value::Map(_)) => scalar::append_export(value, 0, into),
        _ => scalar::append_string(value, into),
    }
    into.push(b'\n');
}

/// One field of a row, prepared for every format.
struct Field {
    /// Its name as it was asked for.
    name: Vec<u8>,
    /// The same where items can be asked for it: a name that is not UTF-8 is in no item.
    key: Option<String>,
    /// Its [`Item::place`], once the first item was asked.
    place: usize,
    /// `,"name":`, or `,` where the row is a JSON list; what begins the row instead of the first comma.
    json: Vec<u8>,
    /// What stands before its value in YAML.
    yaml: Vec<u8>,
    /// It was asked for more than once.
    repeated: bool,
    /// Whether some item had it. Only streams look: a list was looked through before.
    found: bool,
}

/// The columns of a list.
struct Columns {
    /// The header, repeated names included.
    header: Vec<Vec<u8>>,
    /// The cells of a row. WP-CLI: `Utils\pick_fields()` makes an array of them, in which a repeated
    /// name is there once.
    fields: Vec<Field>,
    /// CSV only: the field that each cell shows.
    csv: Vec<Option<usize>>,
    /// PHP takes the array of a row for a list: its fields are called 0, 1, 2….
    list: bool,
}

impl Columns {
    fn new(header: Vec<Vec<u8>>) -> Self {
        let mut fields: Vec<Field> = Vec::new();
        for name in &header {
            if !fields.iter().any(|field| field.name == *name) {
                fields.push(Field {
                    name: name.clone(),
                    key: String::from_utf8(name.clone()).ok(),
                    place: usize::MAX,
                    json: Vec::new(),
                    yaml: Vec::new(),
                    repeated: header.iter().filter(|other| *other == name).count() > 1,
                    found: false,
                });
            }
        }
        let list = fields.iter().zip(0u64..).all(|(field, at)| field.name == at.to_string().as_bytes());
        for (index, field) in fields.iter_mut().enumerate() {
            field.json.push(match (index, list) {
                (0, true) => b'[',
                (0, false) => b'{',
                _ => b',',
            });
            yaml::append_key((!list).then_some(&field.name), ROW_INDENT, &mut field.yaml);
            if !list {
                match &field.key {
                    Some(key) => json::append_text(key, &mut field.json),
                    // PHP: a key that is not UTF-8 becomes empty.
                    None => field.json.extend_from_slice(b"\"\""),
                }
                field.json.push(b':');
            }
        }
        // WP-CLI: `Utils\write_csv()` looks the cells up once more, by the names that are guarded
        // against formulas by then; a column whose name starts like one stays empty.
        let mut guarded: Vec<Cow<'_, [u8]>> = Vec::new();
        for name in &header {
            let name = if csv::is_formula(name) {
                Cow::Owned([b"'", name.as_slice()].concat())
            } else {
                Cow::Borrowed(name.as_slice())
            };
            if !guarded.contains(&name) {
                guarded.push(name);
            }
        }
        let csv = guarded.iter().map(|name| fields.iter().position(|field| field.name == **name)).collect();
        Self { header, fields, csv, list }
    }
}

/// What a stream shows of each item.
enum Rows {
    Columns(Columns),
    /// `--field`: its name, where items can be asked for it, and whether some item had it.
    Field(Vec<u8>, Option<String>, bool),
}

/// A list that is printed while its items arrive, without keeping them.
///
/// Prints the same bytes as [`display_items`], except where those depend on items that are still to
/// come: warnings about missing fields are at the end, a field is found under its own name only, and
/// in a JSON list of one field a value that is not UTF-8 is `null` instead of failing everything. A
/// framed table is the one format that keeps its rows: its widths depend on all of them.
pub struct RowStream {
    format: Format,
    rows: Rows,
    frame: Option<Frame>,
    count: u64,
    /// Missing fields were warned about before the first row.
    warned: bool,
    /// Reused for the text of one cell.
    cell: Vec<u8>,
    /// Reused for the cells of one line, and where each ends.
    line: (Vec<u8>, Vec<usize>),
}

impl RowStream {
    /// Prints what comes before the first item. `columns` are shown when the request names no fields:
    /// pass `&[]` for a request that has them.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn begin(out: &mut Output<'_>, request: &Request, columns: &[&str]) -> io::Result<Self> {
        let rows = match &request.field {
            Some(field) => Rows::Field(field.clone(), String::from_utf8(field.clone()).ok(), false),
            None if request.fields.is_empty() => {
                Rows::Columns(Columns::new(columns.iter().map(|name| name.as_bytes().to_vec()).collect()))
            }
            None => Rows::Columns(Columns::new(request.fields.clone())),
        };
        Self::start(out, request.format, rows)
    }

    fn start(out: &mut Output<'_>, format: Format, rows: Rows) -> io::Result<Self> {
        let terminal = out.terminal().clone();
        let mut frame = None;
        match (&rows, format) {
            (_, Format::Json) => out.emit(|into| into.push(b'['))?,
            (Rows::Field(..), _) | (_, Format::Count | Format::Ids) => {}
            (Rows::Columns(columns), Format::Table) if terminal.piped => {
                out.emit(|into| table::append_tabular(columns.header.iter().map(Vec::as_slice), into))?;
            }
            (Rows::Columns(columns), Format::Table) => {
                // WP-CLI: `Formatter::show_table()` switches colour tokens off only where colour is on.
                let decolorized = terminal.stdout_is_terminal && !terminal.color;
                let header = columns.header.iter().map(|name| visible(&terminal, name.clone())).collect();
                frame = Some(Frame::new(header, decolorized));
            }
            // WP-CLI: `Utils\write_csv()` has no header line to write when there are no columns.
            (Rows::Columns(columns), Format::Csv) if columns.header.is_empty() => {}
            (Rows::Columns(columns), Format::Csv) => out.emit(|into| {
                for (index, name) in columns.header.iter().enumerate() {
                    if index > 0 {
                        into.push(b',');
                    }
                    csv::append_field(name, into);
                }
                into.push(b'\n');
            })?,
            (Rows::Columns(_), Format::Yaml) => out.emit(|into| into.extend_from_slice(b"---\n"))?,
        }
        Ok(Self { format, rows, frame, count: 0, warned: false, cell: Vec::new(), line: Default::default() })
    }

    /// Prints one item.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn row(&mut self, out: &mut Output<'_>, item: &impl Item) -> io::Result<()> {
        let first = self.count == 0;
        self.count += 1;
        let format = self.format;
        let cell = &mut self.cell;
        let columns = match &mut self.rows {
            Rows::Field(name, key, found) => {
                let value = match (format, key) {
                    (Format::Ids, _) if name == SCALAR => item.field("uuid"),
                    (Format::Ids, _) | (_, None) => None,
                    (_, Some(key)) => item.field(key),
                };
                *found |= value.is_some();
                let value = value.unwrap_or(Value::Null);
                return out.emit(|into| match format {
                    Format::Json => append_json(first, &value, into),
                    _ => append_single(format, &value, into),
                });
            }
            Rows::Columns(columns) => columns,
        };
        if first {
            for field in &mut columns.fields {
                field.place = field.key.as_deref().map_or(usize::MAX, |key| item.place(key));
            }
        }
        match format {
            Format::Count => Ok(()),
            Format::Ids => out.emit(|into| {
                if !first {
                    into.push(b' ');
                }
                scalar::append_string(&item.field("uuid").unwrap_or(Value::Null), into);
            }),
            Format::Json => out.emit(|into| {
                if !first {
                    into.push(b',');
                }
                if columns.fields.is_empty() {
                    into.push(b'[');
                }
                for field in &mut columns.fields {
                    into.extend_from_slice(&field.json);
                    json::append(&field.value(item), Invalid::IsReplaced, 2, into);
                }
                into.push(if columns.list { b']' } else { b'}' });
            }),
            Format::Yaml => out.emit(|into| {
                // WP-CLI: Spyc's form of an empty list.
                into.extend_from_slice(if columns.fields.is_empty() { b"- [ ]\n" } else { b"- \n" });
                for field in &mut columns.fields {
                    let start = into.len();
                    into.extend_from_slice(&field.yaml);
                    yaml::append_value(start, !columns.list, &field.value(item), ROW_INDENT, into);
                }
            }),
            Format::Csv => out.emit(|into| {
                for (index, at) in columns.csv.iter().enumerate() {
                    if index > 0 {
                        into.push(b',');
                    }
                    if let Some(field) = at.and_then(|at| columns.fields.get_mut(at)) {
                        match field.value(item) {
                            Value::Null => {}
                            Value::Text(text) if text.len() <= LONGEST_CELL => csv::append_field(&text, into),
                            // No digit needs quotes, and no number without a sign is a formula.
                            Value::Int(number @ 0..) => scalar::append_integer(number, into),
                            value => csv::append_field(cell_text(&value, field.repeated, cell), into),
                        }
                    }
                }
                into.push(b'\n');
            }),
            Format::Table => {
                let terminal = &out.terminal;
                if let Some(frame) = &mut self.frame {
                    let texts = columns.fields.iter_mut().map(|field| {
                        let text = cell_text(&field.value(item), field.repeated, cell).to_vec();
                        visible(terminal, text)
                    });
                    frame.push(texts.collect());
                    return Ok(());
                }
                if out.emit_if(|into| append_plain_line(&mut columns.fields, item, into))? {
                    return Ok(());
                }
                // One buffer for all cells of the row, and where each ends.
                let (row, ends) = &mut self.line;
                row.clear();
                ends.clear();
                for field in &mut columns.fields {
                    row.extend_from_slice(cell_text(&field.value(item), field.repeated, cell));
                    ends.push(row.len());
                }
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let cells = starts.zip(&*ends).map(|(start, end)| row.get(start..*end).unwrap_or_default());
                out.emit(|into| table::append_tabular(cells, into))
            }
        }
    }

    /// Prints what comes after the last item, and the warnings about fields that none had.
    ///
    /// # Errors
    /// Stdout is closed or full.
    pub fn end(self, out: &mut Output<'_>) -> io::Result<()> {
        match self.format {
            Format::Json => out.emit(|into| into.push(b']'))?,
            Format::Count if matches!(self.rows, Rows::Columns(_)) => {
                out.emit(|into| into.extend_from_slice(self.count.to_string().as_bytes()))?;
            }
            _ => {}
        }
        if let Some(frame) = &self.frame {
            let columns = out.terminal().columns;
            out.emit(|into| frame.append(columns, into))?;
        }
        if self.warned || self.count == 0 {
            return Ok(());
        }
        match &self.rows {
            Rows::Field(_, _, true) => {}
            Rows::Field(name, ..) => warn_missing(out, name),
            Rows::Columns(_) if matches!(self.format, Format::Count | Format::Ids) => {}
            Rows::Columns(columns) => {
                for field in columns.fields.iter().filter(|field| !field.found) {
                    warn_missing(out, &field.name);
                }
            }
        }
        Ok(())
    }
}

impl Field {
    fn value<'i>(&mut self, item: &'i impl Item) -> Value<'i> {
        let Some(key) = self.key.as_deref() else { return Value::Null };
        let value = item.field_at(self.place, key);
        self.found |= value.is_some();
        value.unwrap_or(Value::Null)
    }
}

/// A line of a table in a pipe, if no cell takes a closer look; says so, and appends it only then.
fn append_plain_line(fields: &mut [Field], item: &impl Item, into: &mut Vec<u8>) -> bool {
    let start = into.len();
    for (index, field) in fields.iter_mut().enumerate() {
        if index > 0 {
            into.push(b'\t');
        }
        match field.value(item) {
            Value::Null => {}
            Value::Int(number) => scalar::append_integer(number, into),
            Value::Text(text)
                if text.len() <= LONGEST_CELL && !scalar::any(&text, scalar::zero_if_control) =>
            {
                into.extend_from_slice(&text);
            }
            _ => {
                into.truncate(start);
                return false;
            }
        }
    }
    into.push(b'\n');
    true
}

fn append_json(first: bool, value: &Value<'_>, into: &mut Vec<u8>) {
    if !first {
        into.push(b',');
    }
    json::append(value, Invalid::IsReplaced, 1, into);
}

/// The text of a cell in a table or in CSV, in `scratch` if it had to be made.
///
/// WP-CLI: `Formatter::transform_item_values_to_json()`, then the cut in `Formatter::format()`.
fn cell_text<'s>(value: &'s Value<'_>, repeated: bool, scratch: &'s mut Vec<u8>) -> &'s [u8] {
    scratch.clear();
    match value {
        Value::Text(text) if text.len() <= LONGEST_CELL => return text,
        Value::Text(text) => scratch.extend_from_slice(text),
        Value::Bool(true) => scratch.extend_from_slice(b"true"),
        Value::Bool(false) => scratch.extend_from_slice(b"false"),
        Value::Map(_) => match json::to_json(value) {
            Some(text) => scratch.extend_from_slice(&text),
            // WP-CLI: an array that JSON cannot hold becomes `false`, which shows as nothing, unless the
            // column is there twice: then it is a bool when its turn comes again.
            None if repeated => scratch.extend_from_slice(b"false"),
            None => {}
        },
        Value::Null | Value::Int(_) | Value::Float(_) => scalar::append_string(value, scratch),
    }
    if scratch.len() > LONGEST_CELL {
        scratch.truncate(LONGEST_CELL);
        scratch.extend_from_slice(b"...");
    }
    scratch
}

/// A cell as the terminal shows it: escaped before it is measured.
fn visible(terminal: &super::Terminal, text: Vec<u8>) -> Vec<u8> {
    if !terminal.stdout_is_terminal || !terminal::needs_escape(&text) {
        return text;
    }
    let mut shown = Vec::with_capacity(text.len());
    terminal::escape(&text, &mut shown);
    shown
}
