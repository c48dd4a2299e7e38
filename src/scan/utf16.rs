//! UTF-16, which Windows writes where it redirects the output of a command: read as bytes, all else as a dot.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// Leaves NULs out that stand between other bytes in a row of such: UTF-16 of either order, wherever it begins.
/// `origins`: where each byte that is left stood.
pub fn thin(data: &[u8], thinned: &mut Zeroizing<Vec<u8>>, origins: &mut Vec<u32>) {
    // At once: a buffer that grows leaves copies behind, unwiped.
    thinned.reserve_exact(data.len() + super::PADDING);
    let is_nul = |at: Option<usize>| at.and_then(|at| data.get(at)) == Some(&0);
    for (at, byte) in data.iter().enumerate() {
        let is_between = *byte == 0
            && at > 0
            && at + 1 < data.len()
            && !is_nul(Some(at - 1))
            && !is_nul(Some(at + 1))
            && (is_nul(at.checked_sub(2)) || is_nul(Some(at + 2)));
        if !is_between {
            thinned.push(*byte);
            origins.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }
}

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

    /// Bytes that were read and make no character: the half of one, where a file was cut off.
    pub fn left_over(&self) -> usize {
        self.held
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
