//! UTF-16, which Windows writes where it redirects the output of a command: read as bytes, all else as a dot.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Reads text whose characters have two bytes.
pub struct Narrow<'a> {
    wide: &'a mut dyn Read,
    big_endian: bool,
    /// As read, with half a character from last time in front.
    buffer: Zeroizing<Vec<u8>>,
    held: usize,
}

impl<'a> Narrow<'a> {
    /// Behind the mark with which such text begins.
    pub fn behind_mark(wide: &'a mut dyn Read, big_endian: bool) -> Self {
        Self { wide, big_endian, buffer: Zeroizing::new(vec![0; 64 << 10]), held: 0 }
    }
}

impl Read for Narrow<'_> {
    fn read(&mut self, narrow: &mut [u8]) -> io::Result<usize> {
        if narrow.is_empty() {
            return Ok(0);
        }
        loop {
            let most = self.buffer.len().min(narrow.len().saturating_mul(2));
            let count = self.wide.read(self.buffer.get_mut(self.held..most).unwrap_or_default())?;
            let (units, half) = self.buffer.get(..self.held + count).unwrap_or_default().as_chunks::<2>();
            for (to, unit) in narrow.iter_mut().zip(units) {
                let unit =
                    if self.big_endian { u16::from_be_bytes(*unit) } else { u16::from_le_bytes(*unit) };
                *to = u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(b'.');
            }
            let (units, half) = (units.len(), half.first().copied());
            self.held = usize::from(half.is_some());
            if let (Some(half), Some(first)) = (half, self.buffer.first_mut()) {
                *first = half;
            }
            if units > 0 || count == 0 {
                return Ok(units);
            }
        }
    }
}
