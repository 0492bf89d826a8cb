//! What may still come out of an archive.
//!
//! Way: every decompressor of a tree stands behind a [`Metered`], and all of them draw on one [`Budget`].

use crate::model::RejectReason;
use crate::parse::Reject;
use crate::parse::archive::{Limits, RATIO_FREE_BYTES};
use std::cell::Cell;
use std::io::{self, Read};

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    bytes_in: u64,
    bytes_out: Cell<u64>,
    members: Cell<u32>,
}

impl Budget {
    pub(super) fn new(limits: Limits, bytes_in: usize) -> Self {
        Self { limits, bytes_in: bytes_in as u64, bytes_out: Cell::new(0), members: Cell::new(0) }
    }

    /// Counts bytes that came out.
    fn spend(&self, bytes: usize) -> Result<(), Reject> {
        self.bytes_out.set(self.bytes_out.get().saturating_add(bytes as u64));
        self.left()
    }

    /// Whether bytes may still come out.
    pub(super) fn left(&self) -> Result<(), Reject> {
        let (bytes_out, Limits { bytes_out_max, ratio_max, .. }) = (self.bytes_out.get(), self.limits);
        if bytes_out > bytes_out_max {
            return Err(too_large(format!(
                "it unpacks to more than {bytes_out_max} bytes; if it is honest, raise `reports.unpacked_bytes_max`"
            )));
        }
        if bytes_out > RATIO_FREE_BYTES && bytes_out > self.bytes_in.saturating_mul(ratio_max.into()) {
            return Err(too_large(format!(
                "it unpacks to more than {ratio_max} times its {} bytes; if it is honest, raise `reports.ratio_max`",
                self.bytes_in
            )));
        }
        Ok(())
    }

    /// Counts a member: an entry of a zip or a part of a gzip.
    pub(super) fn member(&self) -> Result<(), Reject> {
        let Limits { members_max, .. } = self.limits;
        if self.members.get() >= members_max {
            return Err(too_large(format!(
                "it has more than {members_max} members; if it is honest, raise `reports.members_max`"
            )));
        }
        self.members.set(self.members.get() + 1);
        Ok(())
    }

    /// Whether an archive may be opened that has `depth` archives around it.
    pub(super) fn deeper(&self, depth: u8) -> Result<(), Reject> {
        let Limits { depth_max, .. } = self.limits;
        if depth < depth_max {
            return Ok(());
        }
        Err(too_large(format!(
            "more than {depth_max} archives stand within each other; if it is honest, raise `reports.depth_max`"
        )))
    }
}

fn too_large(message: String) -> Reject {
    Reject::new(RejectReason::TooLarge, message)
}

/// A reader whose bytes are counted. After a limit it gives the same error again.
#[derive(Debug)]
pub(super) struct Metered<'b, R> {
    inner: R,
    budget: &'b Budget,
}

impl<'b, R: Read> Metered<'b, R> {
    pub(super) const fn new(inner: R, budget: &'b Budget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.budget.left().map_err(io::Error::other)?;
        let bytes = self.inner.read(out)?;
        self.budget.spend(bytes).map_err(io::Error::other)?;
        Ok(bytes)
    }
}
