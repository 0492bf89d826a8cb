//! Undoes the block compression of an insert's body (`decompress=1`), which the official client uses over TCP.
//!
//! Source: ClickHouse `src/Compression/CompressedReadBufferBase.cpp`: each block is a checksum (16 bytes), a method
//! (1 byte), the compressed size with these 9 header bytes (u32, little endian), the size before (u32), the data.
//! Not here: verifying the checksum (the bytes never left this machine); HTTP's own `Content-Encoding`, which is refused.

use super::exception::{Code, Exception};
use bytes::{Buf, Bytes, BytesMut};

/// Checksum and header of a block, in bytes.
const PREFIX_BYTES: usize = CHECKSUM_BYTES + HEADER_BYTES;
const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
/// Largest block, in bytes before compression and after: the client sends about 256 KiB, a server writes 1 MiB.
const BLOCK_BYTES_MAX: usize = 64 * 1024 * 1024;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;

/// Turns frames of a body, cut anywhere, into plain bytes.
pub(super) enum Frames {
    Plain,
    /// What has come of the next block.
    Compressed(BytesMut),
}

impl Frames {
    pub(super) fn new(compressed: bool) -> Self {
        if compressed { Self::Compressed(BytesMut::new()) } else { Self::Plain }
    }

    /// The plain bytes that are complete with this frame.
    pub(super) fn push(&mut self, frame: Bytes) -> Result<Bytes, Exception> {
        let Self::Compressed(pending) = self else { return Ok(frame) };
        pending.extend_from_slice(&frame);
        let mut plain = BytesMut::new();
        while let Some((prefix, _)) = pending.split_at_checked(PREFIX_BYTES) {
            let block_bytes = CHECKSUM_BYTES + size_at(prefix, 17);
            let plain_bytes = size_at(prefix, 21);
            if !(PREFIX_BYTES..=BLOCK_BYTES_MAX).contains(&block_bytes) || plain_bytes > BLOCK_BYTES_MAX {
                return Err(broken("its sizes are out of bounds"));
            }
            let Some(data) = pending.get(PREFIX_BYTES..block_bytes) else { break };
            match pending[CHECKSUM_BYTES] {
                METHOD_NONE => plain.extend_from_slice(data),
                METHOD_LZ4 => {
                    let data = lz4_flex::block::decompress(data, plain_bytes);
                    plain.extend_from_slice(&data.map_err(|error| broken(&error.to_string()))?);
                }
                method => {
                    let message =
                        format_args!("compression method {method:#04x} is not known here: use LZ4 or none");
                    return Err(Exception::new(Code::UnknownCompressionMethod, message));
                }
            }
            pending.advance(block_bytes);
        }
        Ok(plain.freeze())
    }

    /// Says whether the body ended between two blocks.
    pub(super) fn finish(&self) -> Result<(), Exception> {
        match self {
            Self::Compressed(pending) if !pending.is_empty() => Err(broken("the body ended inside of it")),
            _ => Ok(()),
        }
    }
}

fn size_at(prefix: &[u8], at: usize) -> usize {
    let bytes = [prefix[at], prefix[at + 1], prefix[at + 2], prefix[at + 3]];
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}

fn broken(why: &str) -> Exception {
    Exception::new(Code::CannotDecompress, format_args!("a compressed block of the insert is broken: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(method: u8, data: &[u8], plain_bytes: u32) -> Vec<u8> {
        let mut block = vec![0; CHECKSUM_BYTES];
        block.push(method);
        block.extend_from_slice(&u32::try_from(data.len() + HEADER_BYTES).unwrap().to_le_bytes());
        block.extend_from_slice(&plain_bytes.to_le_bytes());
        block.extend_from_slice(data);
        block
    }

    fn lz4(plain: &[u8]) -> Vec<u8> {
        block(METHOD_LZ4, &lz4_flex::block::compress(plain), u32::try_from(plain.len()).unwrap())
    }

    #[test]
    fn blocks_cut_at_any_byte_come_out_whole() {
        let plain = b"row one, row two, row two, row two".repeat(9);
        let body = [lz4(&plain), block(METHOD_NONE, b"tail", 4)].concat();
        for cut in 0..body.len() {
            let mut frames = Frames::new(true);
            let mut out = Vec::new();
            for part in [&body[..cut], &body[cut..]] {
                out.extend_from_slice(&frames.push(Bytes::copy_from_slice(part)).unwrap());
            }
            frames.finish().unwrap();
            assert_eq!(out, [&plain[..], b"tail"].concat(), "cut at {cut}");
        }
    }

    #[test]
    fn a_body_that_ends_inside_a_block_is_an_error() {
        let mut frames = Frames::new(true);
        frames.push(Bytes::from_static(&[0; 20])).unwrap();
        assert_eq!(frames.finish().unwrap_err().code, 271);
    }

    #[test]
    fn broken_blocks_are_errors() {
        let lying_size = {
            let mut bytes = lz4(b"abcabcabcabc");
            bytes[17..21].copy_from_slice(&u32::MAX.to_le_bytes());
            bytes
        };
        for (body, code) in [
            (lying_size, 271),
            (block(METHOD_LZ4, b"\xff\xff\xff", 5), 271),
            (block(METHOD_LZ4, b"", u32::MAX), 271),
            (block(0x90, b"zstd", 9), 89),
        ] {
            assert_eq!(Frames::new(true).push(Bytes::from(body)).unwrap_err().code, code);
        }
    }

    #[test]
    fn without_compression_frames_pass_untouched() {
        let mut frames = Frames::new(false);
        assert_eq!(&frames.push(Bytes::from_static(b"abc")).unwrap()[..], b"abc");
        frames.finish().unwrap();
    }
}
