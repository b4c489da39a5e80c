//! A segment: the piece of memory, usually a shared mapping of a file, into which events are
//! written. What is in it survives the process, however that ends.
//!
//! ```text
//! header   512 words: magic, key, units, reserved, delivered, heartbeat, owner,
//!          sealed
//! units    of 4 words: event = [kind·micros, meter·tenant, quantity, check]
//!                      text  = [kind·number, bytes, hash, check] and its bytes in the units behind
//!                      wide  = [kind·micros, bytes, hash, check] and its bytes in the units behind
//! ```
//!
//! A unit counts from the moment its check is right, and the check is written last. Names are texts
//! that an event refers to by number, each written before the first event that needs it.

mod read;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::ffi::{Memory, OwnedFile};
pub(crate) use read::Found;

const MAGIC: u64 = u64::from_le_bytes(*b"meterd01");
const HEADER_WORDS: usize = 512;
const UNIT_WORDS: usize = 4;
pub(crate) const UNIT_BYTES: usize = UNIT_WORDS * 8;
pub(crate) const HEADER_BYTES: usize = HEADER_WORDS * 8;
/// Units of one segment: their number is the last 20 bits of an event's id.
pub(crate) const MAX_UNITS: u64 = 1 << 20;
/// Nobody takes longer to make a segment.
const MAKING: Duration = Duration::from_mins(1);
/// Bits of a segment's key that are part of its events' ids.
const KEY_BITS: u32 = 54;

// Words of the header.
const KEY: usize = 1;
const UNITS: usize = 2;
const RESERVED: usize = 3;
const DELIVERED: usize = 4;
const HEARTBEAT: usize = 5;
const OWNER: usize = 6;
const SEALED: usize = 7;

const EVENT: u64 = 1;
const TEXT: u64 = 2;
const WIDE: u64 = 3;
const WIDE_WITH_ID: u64 = 4;
const KIND_SHIFT: u32 = 56;
const VALUE: u64 = (1 << KIND_SHIFT) - 1;

pub(crate) struct Segment {
    memory: Memory,
    key: u64,
    units: u64,
    /// The file and, by its lock, that a live process writes it; none for a segment in memory.
    file: Option<(PathBuf, OwnedFile)>,
    /// Written by this process, not found.
    pub(crate) own: bool,
    /// Events from this unit on were given up to make room.
    end: AtomicU64,
    /// The batch that is on its way ends before this unit.
    pub(crate) in_flight: AtomicU64,
    /// Texts by number, and up to which unit they are complete.
    texts: Mutex<(Vec<Vec<u8>>, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Segment {
    /// A new file of `units`, locked by this process. `owner` says who may send it besides.
    pub(crate) fn create(
        directory: &Path,
        units: u64,
        owner: u64,
        now_ms: u64,
    ) -> io::Result<Self> {
        let key = Uuid::new_v4().as_u64_pair().0 >> (64 - KEY_BITS);
        let path = directory.join(format!("{now_ms:013}-{key:014x}.segment"));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let made = file.lock().and_then(|()| {
            allocate(&file, HEADER_BYTES + bytes(units))?;
            Ok((Memory::of_file(&file)?, OwnedFile::new(file)?))
        });
        let (memory, file) = made.inspect_err(|_| drop(fs::remove_file(&path)))?;
        let segment = Self::of(memory, key, units, Some((path, file)), true);
        segment.begin(owner, now_ms);
        Ok(segment)
    }

    /// Where no file can be had: it does not survive the process.
    pub(crate) fn in_memory(units: u64, owner: u64, now_ms: u64) -> io::Result<Self> {
        let key = Uuid::new_v4().as_u64_pair().0 >> (64 - KEY_BITS);
        let memory = Memory::anonymous(HEADER_BYTES + bytes(units))?;
        let segment = Self::of(memory, key, units, None, true);
        segment.begin(owner, now_ms);
        Ok(segment)
    }

    /// Opens a segment that another process wrote. None if that one still lives, or if it is none
    /// of `owner`'s; an error if it is no segment.
    pub(crate) fn adopt(
        path: &Path,
        owner: Option<u64>,
        stale_before_ms: u64,
    ) -> io::Result<Option<Self>> {
        let Some(segment) = Self::open_unlocked(path, owner)? else {
            return Ok(None);
        };
        if segment.header(HEARTBEAT).load(Ordering::Acquire) >= stale_before_ms {
            return Ok(None);
        }
        // Whoever wrote it and lives after all finds it full, and writes the next.
        segment.seal();
        Ok(Some(segment))
    }

    /// Whether it belongs to no live process, and is `owner`'s to send.
    pub(crate) fn is_orphan(path: &Path, owner: u64) -> io::Result<bool> {
        Self::open_unlocked(path, Some(owner)).map(|segment| segment.is_some())
    }

    /// Whoever wrote it, should they live after all, find it full before it goes.
    pub(crate) fn delete_if_empty_orphan(path: &Path) -> io::Result<()> {
        match Self::open_unlocked(path, None) {
            Ok(Some(segment)) if segment.count(segment.delivered(), segment.units) == 0 => {
                segment.seal();
                segment.delete();
                Ok(())
            }
            Ok(_) => Ok(()),
            // Its process died while it made it, unless it is making it right now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let age = fs::metadata(path)?.modified()?.elapsed();
                if age.is_ok_and(|age| age > MAKING) {
                    fs::remove_file(path)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn open_unlocked(path: &Path, owner: Option<u64>) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        let segment = Self::open(path, file)?;
        let of = segment.header(OWNER).load(Ordering::Acquire);
        let of_another = owner.is_some_and(|owner| ![0, owner].contains(&of));
        Ok((!of_another).then_some(segment))
    }

    fn open(path: &Path, file: File) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not a segment");
        let length = usize::try_from(file.metadata()?.len()).map_err(|_| broken())?;
        if length < HEADER_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let memory = Memory::of_file(&file)?;
        let word = |word: usize| memory.words()[word].load(Ordering::Acquire);
        if word(0) == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (key, units) = (word(KEY), word(UNITS));
        if word(0) != MAGIC || units > MAX_UNITS || length != HEADER_BYTES + bytes(units) {
            return Err(broken());
        }
        let file = Some((path.to_owned(), OwnedFile::new(file)?));
        Ok(Self::of(memory, key, units, file, false))
    }

    fn of(
        memory: Memory,
        key: u64,
        units: u64,
        file: Option<(PathBuf, OwnedFile)>,
        own: bool,
    ) -> Self {
        Self {
            memory,
            key,
            units,
            file,
            own,
            end: AtomicU64::new(u64::MAX),
            in_flight: AtomicU64::new(0),
            texts: Mutex::default(),
        }
    }

    fn begin(&self, owner: u64, now_ms: u64) {
        self.header(KEY).store(self.key, Ordering::Relaxed);
        self.header(UNITS).store(self.units, Ordering::Relaxed);
        self.set_owner(owner);
        self.beat(now_ms);
        self.header(0).store(MAGIC, Ordering::Release);
        self.memory.populate();
    }

    fn header(&self, word: usize) -> &AtomicU64 {
        &self.memory.words()[word]
    }

    fn unit(&self, unit: u64) -> &[AtomicU64] {
        let first = HEADER_WORDS + index(unit) * UNIT_WORDS;
        &self.memory.words()[first..first + UNIT_WORDS]
    }

    pub(crate) fn on_disk(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn bytes(&self) -> u64 {
        Self::bytes_of(self.units)
    }

    /// Bytes of a segment of so many units.
    pub(crate) fn bytes_of(units: u64) -> u64 {
        (HEADER_BYTES + bytes(units)) as u64
    }

    pub(crate) fn set_owner(&self, owner: u64) {
        self.header(OWNER).store(owner, Ordering::Relaxed);
    }

    /// Says that its process lives. 0 says that it does not, before the lock is gone.
    pub(crate) fn beat(&self, now_ms: u64) {
        self.header(HEARTBEAT).store(now_ms, Ordering::Release);
    }

    pub(crate) fn seal(&self) {
        self.header(SEALED).store(1, Ordering::Release);
    }

    /// Whether nothing is written any more.
    pub(crate) fn is_sealed(&self) -> bool {
        self.header(SEALED).load(Ordering::Acquire) != 0
    }

    /// Everything before this unit needs no sending any more.
    pub(crate) fn delivered(&self) -> u64 {
        self.header(DELIVERED).load(Ordering::Acquire)
    }

    pub(crate) fn set_delivered(&self, unit: u64) {
        self.header(DELIVERED).store(unit, Ordering::Release);
    }

    /// The first unit that needs no sending because there is nothing, or nothing any more.
    pub(crate) fn end(&self) -> u64 {
        let end = self.end.load(Ordering::Acquire);
        if self.own {
            return end.min(self.header(RESERVED).load(Ordering::Acquire));
        }
        // What is found may be written behind the count: a power cut keeps what it likes.
        end.min(self.units)
    }

    /// Whether nothing is left to send, now and later.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_sealed() && self.delivered() >= self.end()
    }

    /// Gives up the events that are neither delivered nor on their way, and says how many.
    pub(crate) fn give_up(&self) -> u64 {
        let from = self.delivered().max(self.in_flight.load(Ordering::Acquire));
        let count = self.count(from, self.end());
        self.end.fetch_min(from, Ordering::AcqRel);
        count
    }

    /// Events in `from..to`.
    pub(crate) fn count(&self, from: u64, to: u64) -> u64 {
        let (mut unit, mut count) = (from, 0);
        while unit < to {
            let (found, next) = self.read(unit);
            count += u64::from(matches!(found, Found::Event { .. } | Found::Wide { .. }));
            unit = next;
        }
        count
    }

    /// Events of a segment that nobody has delivered yet, whoever writes it.
    pub(crate) fn pending_in(path: &Path) -> io::Result<u64> {
        let segment = Self::open(path, File::options().read(true).write(true).open(path)?)?;
        Ok(segment.count(segment.delivered(), segment.units))
    }

    /// Removes the file. The mapping lives on until the segment is dropped.
    pub(crate) fn delete(&self) {
        if let Some((path, _)) = &self.file {
            let _ = fs::remove_file(path);
        }
    }

    /// Writes an event and says where. Its names must be in this segment.
    #[inline]
    pub(crate) fn push(
        &self,
        micros: u64,
        meter: u32,
        tenant: u32,
        quantity: u64,
    ) -> Result<u64, Full> {
        let unit = self.reserve(1)?;
        let names = u64::from(meter) << 32 | u64::from(tenant);
        self.commit(unit, [EVENT << KIND_SHIFT | micros, names, quantity]);
        Ok(unit)
    }

    pub(crate) fn push_text(&self, number: u32, text: &[u8]) -> Result<u64, Full> {
        self.push_bytes(TEXT << KIND_SHIFT | u64::from(number), text)
    }

    /// Writes an event by the JSON of its fields, of its id too if `own_id`.
    pub(crate) fn push_wide(&self, micros: u64, own_id: bool, fields: &[u8]) -> Result<u64, Full> {
        let kind = if own_id { WIDE_WITH_ID } else { WIDE };
        self.push_bytes(kind << KIND_SHIFT | micros, fields)
    }

    fn push_bytes(&self, head: u64, content: &[u8]) -> Result<u64, Full> {
        let unit = self.reserve(1 + content.len().div_ceil(UNIT_BYTES) as u64)?;
        let first = HEADER_WORDS + (index(unit) + 1) * UNIT_WORDS;
        let words = &self.memory.words()[first..];
        for (word, chunk) in words.iter().zip(content.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.commit(unit, [head, content.len() as u64, xxh3_64(content)]);
        Ok(unit)
    }

    #[inline]
    fn reserve(&self, units: u64) -> Result<u64, Full> {
        // One process writes, one call at a time; another one may seal.
        let reserved = self.header(RESERVED);
        let unit = reserved.load(Ordering::Relaxed);
        if self.is_sealed() || unit + units > self.units {
            return Err(Full);
        }
        reserved.store(unit + units, Ordering::Release);
        Ok(unit)
    }

    #[inline]
    fn commit(&self, unit: u64, words: [u64; 3]) {
        let slots = self.unit(unit);
        for (slot, word) in slots.iter().zip(words) {
            slot.store(word, Ordering::Relaxed);
        }
        slots[3].store(check(words, self.key, unit), Ordering::Release);
    }

    /// Returns when what was written at `unit` is on the disk.
    pub(crate) fn sync(&self, unit: u64) -> io::Result<()> {
        let from = HEADER_BYTES + bytes(unit);
        let to = HEADER_BYTES + bytes(self.end());
        self.memory.sync(from, to - from)
    }

    /// The id of the event at `unit`: UUIDv8 with the milliseconds first, then where it stands. It
    /// is the same whoever sends the event, however often.
    pub(crate) fn event_id(&self, micros: u64, unit: u64) -> Uuid {
        let place = u128::from(self.key) << 20 | u128::from(unit);
        let (head, tail) = (place >> 62 & 0xfff, place & ((1 << 62) - 1));
        let millis = u128::from(micros / 1000) & 0xffff_ffff_ffff;
        Uuid::from_u128(millis << 80 | 8 << 76 | head << 64 | 2 << 62 | tail)
    }
}

/// Not 0, and different in another place or segment: what is left of something else is no event.
#[inline]
fn check(words: [u64; 3], key: u64, unit: u64) -> u64 {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        low64(product) ^ low64(product >> 64)
    };
    let first = fold(
        words[0] ^ 0x9e37_79b9_7f4a_7c15,
        words[1] ^ key ^ 0xd1b5_4a32_d192_ed03,
    );
    fold(words[2] ^ first, unit ^ 0x8cb9_2ba7_2f3d_8dd7) | 1
}

/// Takes the blocks of a new file, so that writing to its mapping cannot fail later.
#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: usize) -> io::Result<()> {
    let flags = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(file, flags, 0, bytes as u64).map_err(io::Error::from)
}

/// Elsewhere the blocks are written.
#[cfg(not(target_os = "linux"))]
fn allocate(mut file: &File, bytes: usize) -> io::Result<()> {
    io::Write::write_all(&mut file, &vec![0; bytes])
}

fn bytes(units: u64) -> usize {
    index(units) * UNIT_BYTES
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most MAX_UNITS or a text's length"
)]
fn index(number: u64) -> usize {
    number as usize
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    low(word >> 32)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low64(product: u128) -> u64 {
    product as u64
}
