//! Tables: framed on a terminal, separated by tabs in a pipe.
//!
//! Mirrors php-cli-tools' `Table`, `table\Ascii` and `table\Tabular`. The frame is written by hand:
//! comfy-table measures and pads by unicode-width, and WP-CLI's columns differ from that wherever emoji
//! are joined, marks stand alone or a `%G` is left out of the count, so no style gives the same bytes.

use std::borrow::Cow;

use super::width::{Encoding, cut, decolorize, detect, width, width_as};

/// Appends one line of a table in a pipe: `table\Tabular::row()` and its line end.
pub(super) fn append_tabular<'c>(cells: impl IntoIterator<Item = &'c [u8]>, into: &mut Vec<u8>) {
    let start = into.len();
    let mut columns = 0;
    // WP-CLI: of a cell with several lines only the first is shown, except in the last column.
    let mut below = None;
    for cell in cells {
        if columns > 0 {
            into.push(b'\t');
        }
        columns += 1;
        let (first, rest) = split_line(cell);
        append_untabbed(first, into);
        below = rest;
    }
    while let Some(lines) = below {
        let (line, rest) = split_line(lines);
        into.push(b'\n');
        into.resize(into.len() + columns - 1, b'\t');
        append_untabbed(line, into);
        below = rest;
    }
    while into.len() > start && into.last() == Some(&b'\n') {
        into.pop();
    }
    into.push(b'\n');
}

/// The text up to its first line end, and what is behind that.
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    if !text.contains(&b'\n') {
        return (text, None);
    }
    let Some(at) = text.iter().position(|byte| *byte == b'\n') else { return (text, None) };
    let (line, rest) = text.split_at_checked(at).unwrap_or((text, b""));
    (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..))
}

/// WP-CLI: a tab is shown as four blanks.
fn append_untabbed(text: &[u8], into: &mut Vec<u8>) {
    if !text.contains(&b'\t') {
        into.extend_from_slice(text);
        return;
    }
    for (index, part) in text.split(|byte| *byte == b'\t').enumerate() {
        if index > 0 {
            into.extend_from_slice(b"    ");
        }
        into.extend_from_slice(part);
    }
}

/// A framed table, built row by row and shown at the end: its widths depend on all rows.
pub(super) struct Frame {
    header: Vec<Vec<u8>>,
    rows: Vec<Vec<Vec<u8>>>,
    decolorized: bool,
}

impl Frame {
    /// `decolorized`: colour tokens in cells do not count for widths. WP-CLI: that is so on a terminal
    /// with `--no-color`, although the tokens are printed.
    pub(super) fn new(header: Vec<Vec<u8>>, decolorized: bool) -> Self {
        Self { header, rows: Vec::new(), decolorized }
    }

    pub(super) fn push(&mut self, row: Vec<Vec<u8>>) {
        self.rows.push(row);
    }

    /// Appends the whole table for a terminal of so many columns.
    pub(super) fn append(&self, columns: i64, into: &mut Vec<u8>) {
        let mut widths: Vec<usize> = Vec::new();
        for row in std::iter::once(&self.header).chain(&self.rows) {
            for (index, cell) in row.iter().enumerate() {
                let width = width(&self.measured(cell));
                match widths.get_mut(index) {
                    Some(widest) => *widest = width.max(*widest),
                    None => widths.push(width),
                }
            }
        }
        shrink(&mut widths, columns);
        append_border(&widths, into);
        self.append_row(&self.header, &widths, into);
        append_border(&widths, into);
        for row in &self.rows {
            self.append_row(row, &widths, into);
        }
        if !self.rows.is_empty() {
            append_border(&widths, into);
        }
    }

    fn measured<'c>(&self, cell: &'c [u8]) -> Cow<'c, [u8]> {
        if self.decolorized { decolorize(cell) } else { Cow::Borrowed(cell) }
    }

    fn append_row(&self, row: &[Vec<u8>], widths: &[usize], into: &mut Vec<u8>) {
        let cells: Vec<Vec<&[u8]>> =
            row.iter().zip(widths).map(|(cell, width)| self.wrapped(cell, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            into.push(b'|');
            for (cell, width) in cells.iter().zip(widths) {
                into.push(b' ');
                let start = into.len();
                append_untabbed(cell.get(line).copied().unwrap_or_default(), into);
                let shown = self.shown_width(into.get(start..).unwrap_or_default());
                into.resize(into.len() + width.saturating_sub(shown), b' ');
                into.extend_from_slice(b" |");
            }
            into.push(b'\n');
        }
    }

    fn shown_width(&self, text: &[u8]) -> usize {
        width(&self.measured(text))
    }

    /// The lines of one cell.
    fn wrapped<'c>(&self, cell: &'c [u8], columns: usize) -> Vec<&'c [u8]> {
        let encoding = detect(cell);
        let wide = width_as(&self.measured(cell), encoding) > columns;
        if columns == 0 || !(wide || cell.contains(&b'\n')) {
            return vec![cell];
        }
        let mut wrapped = Vec::new();
        let mut rest = Some(cell);
        while let Some(lines) = rest {
            let (line, more) = split_line(lines);
            self.wrap_line(line, columns, encoding, &mut wrapped);
            rest = more;
        }
        wrapped
    }

    /// php-cli-tools' `Ascii::wrapText()`.
    fn wrap_line<'c>(&self, line: &'c [u8], columns: usize, encoding: Encoding, wrapped: &mut Vec<&'c [u8]>) {
        if width_as(&self.measured(line), encoding) <= columns {
            wrapped.push(line);
            return;
        }
        let mut rest = line;
        // WP-CLI: a remainder `0` is false to PHP and is dropped.
        while !matches!(rest, b"" | b"0") {
            let (taken, behind) = cut(rest, columns, encoding);
            // WP-CLI: a piece without width is neither shown nor passed, it loops for ever; here it is
            // passed.
            if width_as(&self.measured(taken), encoding) > 0 {
                wrapped.push(taken);
            }
            rest = behind;
        }
    }
}

fn append_border(widths: &[usize], into: &mut Vec<u8>) {
    into.push(b'+');
    for width in widths {
        into.resize(into.len() + width + 2, b'-');
        into.push(b'+');
    }
    into.push(b'\n');
}

/// php-cli-tools' `Ascii::setWidths()`: fits the columns into the terminal.
///
/// WP-CLI: what is narrower than the average keeps its width and gives its surplus to the others. When
/// no column is narrower there is no surplus, and nothing shrinks at all.
fn shrink(widths: &mut [usize], columns: i64) {
    let count = widths.len() as i64;
    // Between columns a border, two at the ends, and two blanks of padding in each.
    let available = columns.saturating_sub((count - 1).max(0) + 2 + 2 * count);
    let total: usize = widths.iter().sum();
    if count == 0 || available == 0 || (total as i64) <= available {
        return;
    }
    let average = available.div_euclid(count);
    let wide = widths.iter().filter(|width| **width as i64 > average).count() as i64;
    let surplus: i64 = widths.iter().map(|width| (average - *width as i64).max(0)).sum();
    if wide == 0 || surplus == 0 {
        return;
    }
    // A surplus means that the average is positive, so these are too.
    let shrunk = average + surplus.div_euclid(wide);
    let mut left = wide;
    let mut used: i64 = widths.iter().map(|width| *width as i64).filter(|width| *width <= average).sum();
    for width in widths.iter_mut().filter(|width| **width as i64 > average) {
        left -= 1;
        // The last one takes what remains.
        let new = if left == 0 { available - used } else { shrunk };
        used += new;
        *width = usize::try_from(new).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shrinks_only_when_a_column_has_room_to_give() {
        let mut widths = [36, 36, 20, 49, 10, 10, 11];
        shrink(&mut widths, 80);
        assert_eq!(widths, [36, 36, 20, 49, 10, 10, 11]);
        let mut widths = [36, 6, 60];
        shrink(&mut widths, 80);
        assert_eq!(widths.iter().sum::<usize>(), 80 - 10);
        assert_eq!(widths[1], 6);
    }

    #[test]
    fn in_a_pipe_only_the_last_column_keeps_its_lines() {
        let shown = |cells: &[&[u8]]| {
            let mut into = Vec::new();
            append_tabular(cells.iter().copied(), &mut into);
            into
        };
        assert_eq!(shown(&[b"a\nb", b"c\td"]), b"a\tc    d\n");
        assert_eq!(shown(&[b"a", b"c\r\nd\n"]), b"a\tc\n\td\n\t\n");
        assert_eq!(shown(&[b"a\n\n"]), b"a\n");
        assert_eq!(shown(&[b""]), b"\n");
    }
}
