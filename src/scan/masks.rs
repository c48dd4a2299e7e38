//! Blocks of bytes as bits: which of 64 bytes are letters or digits, and which runs that makes.
//!
//! The first byte of a block is the lowest bit. Everything here is branch-free arithmetic on whole blocks, which
//! the compiler turns into vector instructions.

/// Bytes in a block.
pub const BLOCK: usize = 64;

/// One bit for each byte that fulfils a condition.
#[inline(always)]
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut hits = [0_u8; BLOCK];
    for (hit, byte) in hits.iter_mut().zip(block) {
        *hit = u8::from(is(*byte));
    }
    let (eights, _) = hits.as_chunks::<8>();
    eights.iter().rev().fold(0, |mask, eight| {
        // Eight bytes of 0 or 1: the factor moves the k-th one to bit 56 + k, and no two sums meet.
        mask << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// The bytes that are ASCII letters or digits.
#[inline]
pub fn letters_and_digits(block: &[u8; BLOCK]) -> u64 {
    mask(block, |byte| ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10))
}

/// The bytes that are this one.
#[inline]
pub fn equal(block: &[u8; BLOCK], wanted: u8) -> u64 {
    mask(block, |byte| byte == wanted)
}

/// Whether any of the bytes is this one.
#[inline]
pub fn has(block: &[u8; BLOCK], wanted: u8) -> bool {
    block.iter().fold(0, |any, byte| any | u8::from(*byte == wanted)) != 0
}

/// How many of the bytes are this one.
pub fn count(bytes: &[u8], wanted: u8) -> u64 {
    bytes
        .chunks(192)
        .map(|chunk| u64::from(chunk.iter().fold(0_u8, |count, byte| count + u8::from(*byte == wanted))))
        .sum()
}

/// The runs of letters and digits that begin in a block. What follows the block is seen for 64 more bytes.
pub struct Masks {
    all: u128,
    /// Where runs begin.
    starts: u128,
    /// Where at least two, four and eight follow, the place itself counted.
    of_2: u128,
    of_4: u128,
    of_8: u128,
}

impl Masks {
    /// Of a block, the one behind it, and whether the last byte before it is a letter or digit.
    #[inline]
    pub fn new(block: u64, behind: u64, before: bool) -> Self {
        let all = u128::from(block) | u128::from(behind) << 64;
        let of_2 = all & all >> 1;
        let of_4 = of_2 & of_2 >> 2;
        let starts = all & !(all << 1 | u128::from(before));
        Self { all, starts, of_2, of_4, of_8: of_4 & of_4 >> 4 }
    }

    /// Where runs of 24 to 30 begin.
    #[inline]
    pub fn long_runs(&self) -> u64 {
        let of_16 = self.of_8 & self.of_8 >> 8;
        let of_24 = of_16 & self.of_8 >> 16;
        let of_31 = of_24 & self.of_8 >> 23;
        (self.starts & of_24 & !of_31) as u64
    }

    /// How long the run is that begins at this place; at least 64 if it leaves the view.
    #[inline]
    pub fn length_at(&self, place: usize) -> u32 {
        (!(self.all >> place)).trailing_zeros()
    }

    /// Where four begin that end their run: the first group may have an escape before it.
    #[inline]
    fn last_4(&self) -> u128 {
        self.of_4 & !(self.all >> 4)
    }

    /// Where runs of exactly four begin.
    #[inline]
    fn exactly_4(&self) -> u128 {
        self.starts & self.last_4()
    }

    /// Where six groups of four begin, with one byte between each.
    #[inline]
    pub fn groups(&self) -> u64 {
        six(self.last_4(), self.exactly_4(), 5)
    }

    /// The same with two bytes between each.
    #[inline]
    pub fn groups_two_apart(&self) -> u64 {
        six(self.last_4(), self.exactly_4(), 6)
    }

    /// The same with `%` and two digits between each.
    #[inline]
    pub fn groups_with_percent(&self) -> u64 {
        let exactly_6 = self.starts & self.of_4 & self.of_2 >> 4 & !(self.all >> 6);
        // The groups begin two places behind their runs.
        six(self.last_4(), exactly_6 << 2, 7)
    }

    /// The same with five bytes between each: `&#32;`, `%2520`.
    #[inline]
    pub fn groups_five_apart(&self) -> u64 {
        let exactly_8 = self.starts & self.of_8 & !(self.all >> 8);
        six(self.last_4(), self.exactly_4() | exactly_8 << 4, 9)
    }

    /// The same with six bytes between each: `&nbsp;`, `%C2%A0`, `\u0020`.
    #[inline]
    pub fn groups_six_apart(&self) -> u64 {
        let exactly_6 = self.starts & self.of_4 & self.of_2 >> 4 & !(self.all >> 6);
        let exactly_9 = self.starts & self.of_8 & self.all >> 8 & !(self.all >> 9);
        six(self.last_4(), self.exactly_4() | exactly_6 << 2 | exactly_9 << 5, 10)
    }

    /// Where runs of exactly five begin.
    #[inline]
    pub fn runs_of_5(&self) -> u64 {
        (self.starts & self.of_4 & self.all >> 4 & !(self.all >> 5)) as u64
    }

    /// Where runs of exactly seven begin.
    #[inline]
    pub fn runs_of_7(&self) -> u64 {
        (self.starts & self.of_4 & self.of_4 >> 3 & !(self.all >> 7)) as u64
    }
}

/// Where a first group is followed by five others, each `step` further. The last one ends 54 bytes behind at most,
/// within the view.
#[inline]
fn six(first: u128, other: u128, step: u32) -> u64 {
    let two = first & other >> step;
    // Rarely anything is left.
    if two as u64 == 0 {
        return 0;
    }
    (two & other >> (2 * step) & other >> (3 * step) & other >> (4 * step) & other >> (5 * step)) as u64
}
