//! Bits of a byte stream, the highest bit of each byte first.

use super::fault::Fault;

/// Where the bytes come from.
pub(super) trait Source {
    /// What is at hand.
    fn bytes(&self) -> &[u8];

    /// Forgets the first `used` bytes, and gets more behind the others. False when there are no more.
    fn more(&mut self, used: usize) -> bool;
}

impl Source for &[u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn more(&mut self, used: usize) -> bool {
        *self = self.get(used..).unwrap_or_default();
        false
    }
}

/// Reads bits. Behind the last byte are zeros without end, so that the inner loops need not look
/// for the end all the time; [`Bits::check`] tells whether any of them were taken.
#[derive(Debug)]
pub(super) struct Bits<S> {
    source: S,
    /// Where the first byte at hand is in the file, in bits.
    origin: u64,
    /// The next byte at hand that is not in `buffer`.
    next: usize,
    /// The next bits, from the highest on. Below them may be more, which come again.
    buffer: u64,
    /// How many they are, the made-up ones included.
    have: u32,
    /// How many zeros were made up.
    made_up: u64,
}

impl<S: Source> Bits<S> {
    /// Starts at a bit of the file. The source starts with the byte that has it.
    pub(super) fn new(source: S, at: u64) -> Self {
        let mut bits = Self {
            source,
            origin: at & !7,
            next: 0,
            buffer: 0,
            have: 0,
            made_up: 0,
        };
        bits.take_few((at & 7) as u32);
        bits
    }

    /// Where in the file the next bit is.
    pub(super) fn at(&self) -> u64 {
        self.origin + 8 * self.next as u64 + self.made_up - u64::from(self.have)
    }

    /// Goes back to where [`Bits::at`] was, by [`BACK`] bytes at most, and to bits that were there.
    pub(super) fn back_to(&mut self, at: u64) {
        self.next = usize::try_from((at - self.origin) / 8).unwrap_or(self.next);
        (self.buffer, self.have, self.made_up) = (0, 0, 0);
        self.take_few((at & 7) as u32);
    }

    /// Makes sure of 56 bits.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the inner loop of decoding is made of it"
    )]
    pub(super) fn refill(&mut self) {
        let ahead = self.source.bytes().get(self.next..self.next + 8);
        if let Some(ahead) = ahead.and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
            let whole = (63 - self.have) / 8;
            self.buffer |= u64::from_be_bytes(ahead) >> self.have;
            self.next += whole as usize;
            self.have += 8 * whole;
        } else {
            self.refill_at_the_end();
        }
    }

    #[cold]
    fn refill_at_the_end(&mut self) {
        while self.have < 56 {
            if let Some(&byte) = self.source.bytes().get(self.next) {
                self.buffer |= u64::from(byte) << (56 - self.have);
                self.next += 1;
            } else if !self.more() {
                self.made_up += 8;
            } else {
                continue;
            }
            self.have += 8;
        }
    }

    fn more(&mut self) -> bool {
        let used = self.next.saturating_sub(BACK);
        self.next -= used;
        self.origin += 8 * used as u64;
        self.source.more(used)
    }

    /// The next bits, 24 at most, after a refill that covers them.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> u32 {
        (self.buffer >> 40) as u32 >> (24 - count)
    }

    /// Passes over bits that were refilled.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.have -= count;
    }

    /// Takes up to 24 bits.
    #[inline]
    pub(super) fn take_few(&mut self, count: u32) -> u32 {
        self.refill();
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// Takes a bit.
    #[inline]
    pub(super) fn take_bit(&mut self) -> bool {
        self.take_few(1) == 1
    }

    /// Takes up to 32 bits that are all there.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Fault> {
        let low = count.min(16);
        let high = self.take_few(count - low);
        let bits = high << low | self.take_few(low);
        self.check()?;
        Ok(bits)
    }

    /// Takes the 48 bits that a block or the end of a stream starts with.
    pub(super) fn take_mark(&mut self) -> Result<u64, Fault> {
        Ok(u64::from(self.take(24)?) << 24 | u64::from(self.take(24)?))
    }

    /// Whether the source has no more bits.
    pub(super) fn is_empty(&mut self) -> bool {
        self.refill();
        self.made_up >= u64::from(self.have)
    }

    /// Makes sure that all that was taken was there.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.made_up <= u64::from(self.have) {
            return Ok(());
        }
        Err(Fault::Short)
    }

    /// What is at fault where bits mean nothing: not the file when some of them were made up.
    pub(super) fn blame(&self, what: &'static str) -> Fault {
        let there = u64::from(self.have).saturating_sub(self.made_up);
        if self.made_up > 0 && there < MOST_AHEAD {
            return Fault::Short;
        }
        Fault::Damaged(what)
    }
}

/// How many bytes can be gone back: 50 Huffman codes, and what the buffer holds, are 133.
const BACK: usize = 256;
/// How far ahead is looked before bits are taken: a Huffman code has 20 at most.
const MOST_AHEAD: u64 = 20;
