//! Finds strings that may be application passwords in bytes of any kind, at the speed of reading them.
//!
//! Pure: knows no database, file or terminal. Input comes in pieces from any reader and is looked at 64 bytes at a
//! time: `masks` turns a block into bits, one for each byte, and a few shifts then show every run of 24 letters and
//! digits and every six groups of four. What a person or a program puts around them is in `forms`.
//!
//! Found are:
//!
//! - runs of exactly 24 ASCII letters and digits; what an escape puts before them (`%3D`, `\n`, `\u003d`, `=3D`, a
//!   colour of a terminal) is no part of them;
//! - six groups of four with the same separator between them, as WordPress shows passwords:
//!   `abcd EFGH 1234 ijkl MNOP 5678`, also with two blanks, a tab, `%20`, `+`, `-`, `_`, a no-break space, or what HTML
//!   and JSON write for a blank;
//! - `user:password` in addresses, and in the base64 behind `Basic`;
//! - where that is asked for, whole lines.
//!
//! Text is ASCII or anything that contains it; UTF-16 is known by the mark at its beginning, and without one, or inside
//! of something else, by the NUL beside each letter.

use std::io::{self, Read};

use zeroize::Zeroizing;

mod forms;
mod masks;
mod utf16;

use masks::Masks;
use utf16::Narrow;

pub use forms::LONGEST_LINE;

/// How a candidate was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// 24 letters and digits.
    Run,
    /// Six groups of four.
    Groups,
    /// The password in an address.
    Url,
    /// The password behind `Basic`.
    Basic,
    /// A whole line.
    Line,
}

/// A string that may be an application password, and where it stands.
pub struct Finding<'a> {
    /// Letters and digits only, as WordPress compares it.
    pub plain: &'a [u8],
    /// The user name that came with it.
    pub user: Option<&'a [u8]>,
    /// How it was written.
    pub form: Form,
    /// Where it begins: bytes before it.
    pub offset: u64,
    /// The same among the bytes that are looked at, which are half as many of UTF-16.
    at: u64,
    lines: &'a mut Lines,
    window: &'a [u8],
    base: u64,
}

impl Finding<'_> {
    /// The line in which it begins, counted from 1.
    pub fn line(&mut self) -> u64 {
        self.lines.at(self.at, self.window, self.base)
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scanned {
    /// Bytes.
    pub bytes: u64,
    /// Whether a NUL is among the first of them: line numbers mean nothing then.
    pub binary: bool,
}

/// Bytes that stay in the window behind the place that is looked at: what stands before a candidate.
const BACK: usize = 1 << 10;

/// Bytes that must be in the window in front of it: what may belong to a candidate.
const AHEAD: usize = 4 << 10;

/// Bytes that are read at once: they fit into a processor's second cache.
const PIECE: usize = 256 << 10;

/// Room behind the data that holds no letters, so that blocks can be read to their end.
const PADDING: usize = 4 * masks::BLOCK;

/// A scanner; its memory is used again for each reader and wiped at the end.
pub struct Scanner {
    window: Zeroizing<Vec<u8>>,
    decoded: Zeroizing<Vec<u8>>,
    plain: Zeroizing<Vec<u8>>,
    /// The window without NULs between letters, and where its bytes stood. Allocated when there is a window of this kind.
    thinned: Zeroizing<Vec<u8>>,
    origins: Vec<u32>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::with_piece(PIECE)
    }
}

impl Scanner {
    fn with_piece(piece: usize) -> Self {
        Self {
            window: Zeroizing::new(vec![0; BACK + AHEAD + piece + PADDING]),
            // As long as anything that is decoded: a buffer that grows leaves its first half behind, unwiped.
            decoded: Zeroizing::new(Vec::with_capacity(AHEAD)),
            plain: Zeroizing::new(Vec::with_capacity(AHEAD)),
            thinned: Zeroizing::default(),
            origins: Vec::new(),
        }
    }

    /// Reads to the end and tells `visit` of everything that may be an application password, in about the order in
    /// which it stands there. `whole_lines`: lines of up to [`LONGEST_LINE`] bytes, too.
    ///
    /// # Errors
    /// What the reader says; what was found before that has been told.
    pub fn scan(
        &mut self,
        reader: &mut dyn Read,
        whole_lines: bool,
        visit: &mut dyn FnMut(Finding<'_>),
    ) -> io::Result<Scanned> {
        let (mut start, mut length) = ([0; 2], 0);
        while length < start.len() {
            match reader.read(start.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match start {
            [0xff, 0xfe] | [0xfe, 0xff] => {
                let mut narrow = Narrow::behind_mark(reader, start == [0xfe, 0xff]);
                let scanned = self.scan_as(&mut narrow, true, whole_lines, visit)?;
                Ok(Scanned { bytes: scanned.bytes + narrow.left_over() as u64, ..scanned })
            }
            _ => {
                let start = start.get(..length).unwrap_or_default();
                self.scan_as(&mut start.chain(reader), false, whole_lines, visit)
            }
        }
    }

    /// Looks at the window as if it had no NULs between letters; whether it had any. What lies in two windows is told
    /// twice.
    fn look_between_nuls(&mut self, end: usize, base: u64, visit: &mut dyn FnMut(Finding<'_>)) -> bool {
        let data = self.window.get(..end).unwrap_or_default();
        self.thinned.clear();
        self.origins.clear();
        utf16::thin(data, &mut self.thinned, &mut self.origins);
        if self.thinned.len() == data.len() {
            return false;
        }
        let (length, origins) = (self.thinned.len(), &self.origins);
        self.thinned.resize(length + PADDING, 0);
        let lines = Lines { offset: 0, line: 1 };
        let mut state = State { lines, line_start: 0, whole_lines: false, wide: false };
        Pass {
            window: &self.thinned,
            data: self.thinned.get(..length).unwrap_or_default(),
            base: 0,
            decoded: &mut self.decoded,
            plain: &mut self.plain,
            state: &mut state,
            visit: &mut |finding| {
                let place = usize::try_from(finding.at).ok().and_then(|at| origins.get(at));
                let offset = base + place.copied().map_or(0, u64::from);
                visit(Finding { offset, ..finding });
            },
        }
        .look(0, length.div_ceil(masks::BLOCK));
        true
    }

    /// The same, behind the mark of UTF-16 if there was one.
    fn scan_as(
        &mut self,
        reader: &mut dyn Read,
        wide: bool,
        whole_lines: bool,
        visit: &mut dyn FnMut(Finding<'_>),
    ) -> io::Result<Scanned> {
        let capacity = self.window.len() - PADDING;
        // The data is window[..end], `at` is where it is looked at next, `base` bytes came before.
        let (mut at, mut end, mut base, mut at_end) = (0, 0, 0_u64, false);
        let (mut binary, mut is_mixed) = (None, false);
        let mut state = State { lines: Lines { offset: 0, line: 1 }, line_start: 0, whole_lines, wide };
        loop {
            while end < capacity && !at_end {
                match reader.read(self.window.get_mut(end..capacity).unwrap_or_default()) {
                    Ok(0) => at_end = true,
                    Ok(count) => end += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            let binary = *binary.get_or_insert_with(|| self.window[..end].contains(&0));
            let limit = if at_end { end } else { end.saturating_sub(AHEAD) };
            let blocks = match (at_end, limit.saturating_sub(at)) {
                (true, left) => left.div_ceil(masks::BLOCK),
                (false, left) => left / masks::BLOCK,
            };
            if at_end {
                self.window.get_mut(end..end + PADDING).unwrap_or_default().fill(0);
            }
            let mut pass = Pass {
                window: &self.window,
                data: self.window.get(..end).unwrap_or_default(),
                base,
                decoded: &mut self.decoded,
                plain: &mut self.plain,
                state: &mut state,
                visit,
            };
            pass.look(at, blocks);
            if at_end {
                pass.last_line();
            }
            if !wide && self.window.get(at..end).is_some_and(|new| new.contains(&0)) {
                is_mixed |= self.look_between_nuls(end, base, visit);
            }
            let binary = binary || is_mixed;
            if at_end {
                return Ok(Scanned { bytes: state.offset(base + end as u64), binary });
            }
            at += blocks * masks::BLOCK;
            let gone = at.saturating_sub(BACK);
            state.lines.at(base + gone as u64, self.window.get(..end).unwrap_or_default(), base);
            self.window.copy_within(gone..end, 0);
            (at, end, base) = (at - gone, end - gone, base + gone as u64);
        }
    }
}

/// Counts line ends on the way.
struct Lines {
    offset: u64,
    /// The number of the line in which `offset` lies.
    line: u64,
}

impl Lines {
    fn at(&mut self, offset: u64, window: &[u8], base: u64) -> u64 {
        let place = |offset: u64| usize::try_from(offset.saturating_sub(base)).unwrap_or(usize::MAX);
        let (from, to) = (place(self.offset.min(offset)), place(self.offset.max(offset)));
        let between = masks::count(window.get(from..to).unwrap_or_default(), b'\n');
        self.line = if offset < self.offset { self.line - between } else { self.line + between };
        self.offset = offset;
        self.line
    }
}

/// What goes on from one window to the next.
struct State {
    lines: Lines,
    whole_lines: bool,
    /// Where the present line begins.
    line_start: u64,
    /// Whether each byte was two.
    wide: bool,
}

impl State {
    /// Where a byte stood before UTF-16 was narrowed.
    fn offset(&self, at: u64) -> u64 {
        if self.wide { 2 * at + 2 } else { at }
    }
}

/// One window.
struct Pass<'a> {
    /// With what is behind the data.
    window: &'a [u8],
    data: &'a [u8],
    base: u64,
    decoded: &'a mut Zeroizing<Vec<u8>>,
    plain: &'a mut Zeroizing<Vec<u8>>,
    state: &'a mut State,
    visit: &'a mut dyn FnMut(Finding<'_>),
}

/// A row of places, lowest first.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (place < u64::BITS).then_some(place as usize)
    })
}

impl Pass<'_> {
    /// Looks at so many blocks from `at` on.
    fn look(&mut self, at: usize, blocks: usize) {
        let window = self.window;
        let Some((all, _)) = window.get(at..).map(<[u8]>::as_chunks::<{ masks::BLOCK }>) else { return };
        let mut previous = at > 0 && window.get(at - 1).is_some_and(u8::is_ascii_alphanumeric);
        let mut next = all.first().map_or(0, masks::letters_and_digits);
        for (index, block) in all.iter().take(blocks).enumerate() {
            let current = next;
            next = all.get(index + 1).map_or(0, masks::letters_and_digits);
            let start = at + index * masks::BLOCK;
            let masks = Masks::new(current, next, previous);
            previous = current >> 63 == 1;
            for place in places(masks.long_runs()) {
                self.run(start + place, masks.length_at(place));
            }
            for place in places(masks.groups()) {
                self.groups(start + place, 5);
            }
            for place in places(masks.groups_two_apart()) {
                self.groups(start + place, 6);
            }
            for place in places(masks.groups_with_percent()) {
                self.groups(start + place, 7);
            }
            for place in places(masks.groups_five_apart()) {
                self.groups(start + place, 9);
            }
            for place in places(masks.groups_six_apart()) {
                self.groups(start + place, 10);
            }
            for place in places(masks.runs_of_5()) {
                self.basic(start + place);
            }
            for place in places(masks.runs_of_7()) {
                // `%20Basic`
                self.basic(start + place + 2);
            }
            if masks::has(block, b'@') {
                for place in places(masks::equal(block, b'@')) {
                    self.url(start + place);
                }
            }
            if self.state.whole_lines {
                for place in places(masks::equal(block, b'\n')) {
                    self.line(start + place);
                }
            }
        }
    }

    /// A run of 24 or a few more.
    fn run(&mut self, at: usize, length: u32) {
        let extra = length as usize - forms::PASSWORD_LENGTH;
        if extra > 0 && !forms::is_escape(self.data, at, extra) {
            return;
        }
        let from = at + extra;
        let Some(plain) = self.data.get(from..from + forms::PASSWORD_LENGTH) else { return };
        self.tell(plain, None, Form::Run, from);
    }

    /// Six groups that begin `step` bytes apart.
    fn groups(&mut self, at: usize, step: usize) {
        if !forms::begins_at(self.data, at) {
            return;
        }
        let mut joined = Zeroizing::new([0; forms::PASSWORD_LENGTH]);
        if forms::join_groups(self.data, at, step, &mut joined) {
            self.tell(&*joined, None, Form::Groups, at);
        }
    }

    /// `Basic` and what follows.
    fn basic(&mut self, at: usize) {
        let Some(behind) = forms::behind_basic(self.data, at) else { return };
        forms::decode_base64(self.data, behind, self.decoded);
        self.pair(Form::Basic, behind);
    }

    /// An address that has an `@` here.
    fn url(&mut self, at: usize) {
        let Some(from) = forms::userinfo(self.data, at) else { return };
        let raw = self.data.get(from..at).unwrap_or_default();
        let Some(colon) = raw.iter().position(|byte| *byte == b':') else { return };
        let (user, password) = raw.split_at(colon);
        forms::decode_percent(user, self.decoded);
        // What an escape hides may be a colon: the parts were told apart first.
        let user = Zeroizing::new(self.decoded.to_vec());
        forms::decode_percent(password, self.decoded);
        self.told_pair(&user, 0, Form::Url, from);
    }

    /// `user:password` in what was decoded.
    fn pair(&mut self, form: Form, at: usize) {
        let Some(colon) = self.decoded.iter().position(|byte| *byte == b':') else { return };
        let user = Zeroizing::new(self.decoded.get(..colon).unwrap_or_default().to_vec());
        self.told_pair(&user, colon + 1, form, at);
    }

    /// The password is what was decoded, from `from` on.
    fn told_pair(&mut self, user: &[u8], from: usize, form: Form, at: usize) {
        self.plain.clear();
        self.plain.extend(self.decoded.iter().skip(from).filter(|byte| byte.is_ascii_alphanumeric()));
        self.told(Some(user), form, at);
    }

    /// The line that ends here.
    fn line(&mut self, at: usize) {
        let end = self.base + at as u64;
        let start = std::mem::replace(&mut self.state.line_start, end + 1);
        let (Some(from), true) = (start.checked_sub(self.base), end - start <= forms::LONGEST_LINE as u64)
        else {
            return;
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.plain.clear();
        let line = self.data.get(from..at).unwrap_or_default();
        self.plain.extend(line.iter().filter(|byte| byte.is_ascii_alphanumeric()));
        self.told(None, Form::Line, from);
    }

    /// What is left without a line end.
    fn last_line(&mut self) {
        if self.state.whole_lines && self.base + self.data.len() as u64 > self.state.line_start {
            self.line(self.data.len());
        }
    }

    /// Tells of what is in `plain`, if it is long enough for anything.
    fn told(&mut self, user: Option<&[u8]>, form: Form, at: usize) {
        if self.plain.len() >= forms::SHORTEST {
            let plain = std::mem::take(self.plain);
            self.tell(&plain, user, form, at);
            *self.plain = plain;
        }
    }

    fn tell(&mut self, plain: &[u8], user: Option<&[u8]>, form: Form, at: usize) {
        let at = self.base + at as u64;
        (self.visit)(Finding {
            plain,
            user,
            form,
            offset: self.state.offset(at),
            at,
            lines: &mut self.state.lines,
            window: self.data,
            base: self.base,
        });
    }
}

#[cfg(test)]
mod tests;
