//! Archives as they come, and as they are forged.

use super::*;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use std::io::Write;

/// A member as `each` saw it: its path, its bytes, and how it ended.
type Seen = (String, Vec<u8>, Result<(), io::Error>);

fn unpack_with(bytes: &[u8], limits: &Limits) -> (Vec<Seen>, Vec<Reject>) {
    let mut seen: Vec<Seen> = Vec::new();
    let rejects = unpack(bytes, limits, &mut |member, source| {
        let mut content = Vec::new();
        let end = source.read_to_end(&mut content).map(drop);
        seen.push((member.name.to_string(), content, end));
    });
    (seen, rejects)
}

/// The path and bytes of each member; all must end well.
#[track_caller]
fn check(bytes: &[u8], expect: &[(&str, &[u8])]) {
    let (seen, rejects) = unpack_with(bytes, &Limits::default());
    assert_eq!(rejects, []);
    let seen: Vec<_> = seen
        .iter()
        .map(|(name, content, end)| {
            assert!(end.is_ok(), "{name}: {end:?}");
            (name.as_str(), content.as_slice())
        })
        .collect();
    assert_eq!(seen, expect);
}

/// Nothing comes out, for the one reason.
#[track_caller]
fn check_refused(bytes: &[u8], limits: &Limits, reason: RejectReason, words: &str) {
    let (seen, rejects) = unpack_with(bytes, limits);
    assert_eq!(seen.len(), 0);
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    assert_eq!(rejects[0].reason, reason);
    assert!(rejects[0].message.contains(words), "{}", rejects[0].message);
}

/// The member comes with what could be read of it, and ends in an error.
#[track_caller]
fn check_broken(bytes: &[u8], expect: &[u8], words: &str) {
    let (seen, rejects) = unpack_with(bytes, &Limits::default());
    assert_eq!(rejects, []);
    let [(_, content, end)] = seen.as_slice() else { panic!("{} members", seen.len()) };
    assert!(expect.starts_with(content), "{} bytes came out", content.len());
    let error = end.as_ref().unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(content).unwrap();
    out.finish().unwrap()
}

/// Writes zips, right ones and forged ones.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
}

/// One entry of a zip: what the directory says of it may be a lie.
struct Forged<'c> {
    path: &'c str,
    data: &'c [u8],
    method: u16,
    flags: u16,
    crc: u32,
    bytes: u32,
}

impl<'c> Forged<'c> {
    fn stored(path: &'c str, data: &'c [u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(data);
        Self { path, data, method: 0, flags: 0, crc: crc.sum(), bytes: data.len().try_into().unwrap() }
    }
}

impl Zip {
    fn stored(self, path: &str, content: &[u8]) -> Self {
        self.forged(&Forged::stored(path, content))
    }

    fn deflated(self, path: &str, content: &[u8]) -> Self {
        let mut out = DeflateEncoder::new(Vec::new(), Compression::best());
        out.write_all(content).unwrap();
        let data = out.finish().unwrap();
        self.forged(&Forged { data: &data, method: 8, ..Forged::stored(path, content) })
    }

    fn forged(mut self, entry: &Forged<'_>) -> Self {
        let offset = self.bytes.len();
        let packed = u32::try_from(entry.data.len()).unwrap();
        let mut fields = Vec::new();
        for number in [entry.flags, entry.method, 0, 0] {
            fields.extend(number.to_le_bytes());
        }
        for number in [entry.crc, packed, entry.bytes] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend(u16::try_from(entry.path.len()).unwrap().to_le_bytes());
        fields.extend([0, 0]);
        self.bytes.extend(b"PK\x03\x04\x14\x00");
        self.bytes.extend(&fields);
        self.bytes.extend(entry.path.as_bytes());
        self.bytes.extend(entry.data);
        self.listed(&fields, entry.path, offset)
    }

    fn listed(mut self, fields: &[u8], path: &str, offset: usize) -> Self {
        self.directory.extend(b"PK\x01\x02\x14\x00\x14\x00");
        self.directory.extend(fields);
        self.directory.extend([0; 10]);
        self.directory.extend(u32::try_from(offset).unwrap().to_le_bytes());
        self.directory.extend(path.as_bytes());
        self
    }

    fn finish(self) -> Vec<u8> {
        let Self { mut bytes, directory } = self;
        let offset = u32::try_from(bytes.len()).unwrap();
        bytes.extend(&directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0\0\0\0\0");
        bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }
}

const REPORT: &[u8] = b"<feedback><report_metadata/></feedback>";

#[test]
fn bytes_that_are_no_archive_are_one_member() {
    check(REPORT, &[("", REPORT)]);
    check(b"", &[("", b"")]);
    check(b"PK", &[("", b"PK")]);
}

#[test]
fn a_gzip_is_unpacked_with_all_its_parts() {
    check(&gzip(REPORT), &[("", REPORT)]);
    let (front, back) = REPORT.split_at(10);
    check(&[gzip(front), gzip(back)].concat(), &[("", REPORT)]);
    check(&gzip(b""), &[("", b"")]);
}

#[test]
fn what_stands_behind_a_gzip_is_passed_over() {
    for behind in [&b"\0\0\0\0"[..], b"\r\n", b"\x1f", b"\x1f\x8bxx", b"-- \r\nMailing list footer"] {
        check(&[gzip(REPORT).as_slice(), behind].concat(), &[("", REPORT)]);
    }
}

#[test]
fn every_member_of_a_zip_is_unpacked() {
    let zip = Zip::default().deflated("one.xml", REPORT).stored("two.xml", b"second").stored("empty", b"");
    check(&zip.finish(), &[("one.xml", REPORT), ("two.xml", b"second"), ("empty", b"")]);
}

#[test]
fn two_members_of_the_same_name_are_both_unpacked() {
    let zip = Zip::default().stored("a.xml", b"first").stored("a.xml", b"second");
    check(&zip.finish(), &[("a.xml", b"first"), ("a.xml", b"second")]);
}

#[test]
fn folders_and_what_macos_adds_are_passed_over() {
    let zip = Zip::default()
        .stored("__MACOSX/._a.xml", b"\0\x05")
        .stored("reports/", b"")
        .stored("reports/a.xml", REPORT);
    check(&zip.finish(), &[("reports/a.xml", REPORT)]);
}

#[test]
fn a_comment_and_bytes_behind_a_zip_are_passed_over() {
    let zip = Zip::default().deflated("a.xml", REPORT).finish();
    check(&[zip.as_slice(), b"\r\n-- \r\nfooter"].concat(), &[("a.xml", REPORT)]);
}

#[test]
fn archives_within_each_other_are_unpacked() {
    check(&gzip(&gzip(REPORT)), &[("", REPORT)]);
    check(&Zip::default().stored("a.xml.gz", &gzip(REPORT)).finish(), &[("a.xml.gz", REPORT)]);
    let inner = Zip::default().deflated("a.xml", REPORT).finish();
    check(&gzip(&inner), &[("a.xml", REPORT)]);
    check(&Zip::default().deflated("in.zip", &inner).finish(), &[("in.zip/a.xml", REPORT)]);
}

#[test]
fn too_many_archives_within_each_other_name_the_setting() {
    let bytes = gzip(&gzip(&gzip(REPORT)));
    check_refused(&bytes, &Limits::default(), RejectReason::TooLarge, "`reports.depth_max`");
    let limits = Limits { depth_max: 3, ..Limits::default() };
    assert_eq!(unpack_with(&bytes, &limits).0[0].1, REPORT);
}

#[test]
fn what_of_a_zip_cannot_be_read_is_refused_in_words_and_the_rest_is_read() {
    let encrypted = Forged { flags: 1, ..Forged::stored("secret.xml", REPORT) };
    let bzip2 = Forged { method: 12, ..Forged::stored("b.xml", REPORT) };
    let zip64 = Forged { bytes: u32::MAX, ..Forged::stored("big.xml", REPORT) };
    let zip = Zip::default().forged(&encrypted).forged(&bzip2).forged(&zip64).stored("a.xml", REPORT);
    let (seen, rejects) = unpack_with(&zip.finish(), &Limits::default());
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1, REPORT);
    let messages: Vec<_> = rejects.iter().map(|reject| reject.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`secret.xml`: the entry is encrypted; send it without a password",
            "`b.xml`: the entry is packed by method 12; use deflate",
            "`big.xml`: the entry is a zip64 entry; pack it as a plain zip or as gzip",
        ]
    );
}

#[test]
fn a_zip_without_files_is_refused() {
    let refused = |bytes: &[u8], words| {
        check_refused(bytes, &Limits::default(), RejectReason::MissingField, words);
    };
    refused(&Zip::default().finish(), "holds no file");
    refused(&Zip::default().stored("reports/", b"").finish(), "holds no file");
}

#[test]
fn a_zip_whose_directory_lies_outside_is_refused() {
    let mut zip = Zip::default().deflated("a.xml", REPORT).finish();
    let offset = zip.len() - 6;
    zip[offset..offset + 4].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
    check_refused(&zip, &Limits::default(), RejectReason::Syntax, "outside");
    zip[offset..offset + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check_refused(&zip, &Limits::default(), RejectReason::Syntax, "zip64");
}

#[test]
fn a_lie_about_the_size_of_an_entry_is_told_at_its_end() {
    for bytes in [5, 500] {
        let lie = Forged { bytes, ..Forged::stored("a.xml", REPORT) };
        check_broken(&Zip::default().forged(&lie).finish(), REPORT, "promises");
    }
}

#[test]
fn a_wrong_checksum_is_told_at_the_end() {
    let zip = Zip::default().forged(&Forged { crc: 1, ..Forged::stored("a.xml", REPORT) });
    check_broken(&zip.finish(), REPORT, "checksum");
    let mut bytes = gzip(REPORT);
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    check_broken(&bytes, REPORT, "checksum");
}

#[test]
fn an_archive_cut_anywhere_never_ends_well() {
    let content: Vec<u8> =
        (0..4000_u32).flat_map(|number| (number * 7919).to_string().into_bytes()).collect();
    for whole in [gzip(&content), Zip::default().deflated("a.xml", &content).finish()] {
        for cut in (4..whole.len()).step_by(97) {
            let (seen, rejects) = unpack_with(&whole[..cut], &Limits::default());
            let is_told = !rejects.is_empty() || seen.iter().all(|(_, _, end)| end.is_err());
            assert!(is_told, "cut at {cut} of {}", whole.len());
            assert!(seen.iter().all(|(_, read, _)| content.starts_with(read)));
        }
        let (seen, _) = unpack_with(&whole[..whole.len() * 3 / 4], &Limits::default());
        assert!(seen[0].1.len() > content.len() / 2, "most of what is there comes out");
    }
}

#[test]
fn entries_that_overlap_are_refused() {
    // The trick of Fifield's bomb: one kernel of data, quoted by every entry of the directory.
    let kernel = Forged::stored("a", REPORT);
    let mut zip = Zip::default().forged(&kernel);
    let record = zip.directory.clone();
    for _ in 0..9999 {
        zip.directory.extend(&record);
    }
    check_refused(&zip.finish(), &Limits::default(), RejectReason::Syntax, "overlap");
}

#[test]
fn ten_thousand_members_are_read_and_the_report_is_the_last() {
    let mut zip = Zip::default();
    for number in 0..10_000 {
        zip = zip.deflated(&format!("{number}.txt"), b"nothing");
    }
    let bytes = zip.deflated("report.xml", REPORT).finish();
    let (seen, rejects) = unpack_with(&bytes, &Limits::default());
    assert_eq!(rejects, []);
    assert_eq!(seen.len(), 10_001);
    assert_eq!(seen[10_000].1, REPORT);
}

#[test]
fn members_beyond_the_limit_are_not_lost_in_silence() {
    let limits = Limits { members_max: 2, ..Limits::default() };
    let zip = Zip::default().stored("1", b"1").stored("2", b"2").stored("3", b"3").stored("4", b"4");
    let (seen, rejects) = unpack_with(&zip.finish(), &limits);
    assert_eq!(seen.len(), 2);
    assert_eq!(rejects.len(), 1);
    assert!(rejects[0].message.contains("`reports.members_max`"), "{}", rejects[0].message);
    let (seen, _) = unpack_with(&[gzip(b"1"), gzip(b"2"), gzip(b"3")].concat(), &limits);
    let (_, content, end) = &seen[0];
    assert_eq!(content, b"12");
    assert!(end.as_ref().unwrap_err().to_string().contains("`reports.members_max`"));
}

/// A member that is never collected: how many bytes came out, and why they ended.
fn count_out(bytes: &[u8], limits: &Limits) -> (u64, Vec<Reject>) {
    let (mut out, mut ends) = (0, Vec::new());
    let rejects = unpack(bytes, limits, &mut |_, source| {
        let mut buffer = [0; 4096];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => out += bytes as u64,
                Err(error) => break ends.push(reject_of(error)),
            }
        }
    });
    ends.extend(rejects);
    (out, ends)
}

/// A gzip of so many zeros, in parts of 16 MiB, so that it is made fast.
fn zeros(bytes: usize) -> Vec<u8> {
    const PART_BYTES: usize = 16 << 20;
    gzip(&vec![0; PART_BYTES]).repeat(bytes / PART_BYTES)
}

#[test]
fn a_gzip_bomb_stops_at_the_ratio() {
    let bomb = zeros(1 << 30);
    let (out, ends) = count_out(&bomb, &Limits::default());
    assert!(out <= 200 * bomb.len() as u64, "{out} bytes came out of {}", bomb.len());
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].reason, RejectReason::TooLarge);
    assert!(ends[0].message.contains("`reports.ratio_max`"), "{}", ends[0].message);

    let limits = Limits { ratio_max: 2000, bytes_out_max: 10 << 20, ..Limits::default() };
    let (out, ends) = count_out(&bomb, &limits);
    assert!(out <= 10 << 20);
    assert!(ends[0].message.contains("`reports.unpacked_bytes_max`"), "{}", ends[0].message);
}

#[test]
fn a_zip_of_bombs_shares_one_budget_and_a_bomb_in_a_bomb_is_one() {
    let bomb = zeros(64 << 20);
    let zip = (0..20).fold(Zip::default(), |zip, number| zip.stored(&format!("{number}.gz"), &bomb)).finish();
    let limits = Limits { ratio_max: 100, ..Limits::default() };
    let (out, ends) = count_out(&zip, &limits);
    assert!(out <= 100 * zip.len() as u64, "{out} bytes came out of {}", zip.len());
    // The member in which it happened, and the next, which stands for all the others.
    assert_eq!(ends.len(), 2, "{ends:?}");
    let (out, ends) = count_out(&gzip(&bomb), &Limits::default());
    assert!(out <= RATIO_FREE_BYTES, "{out} bytes came out");
    assert_eq!(ends.len(), 1);
}

#[test]
fn a_small_report_may_repeat_itself() {
    let content = vec![b'a'; usize::try_from(RATIO_FREE_BYTES).unwrap()];
    let packed = gzip(&content);
    assert!(packed.len() * 500 < content.len());
    check(&packed, &[("", &content)]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), mark in 0..4_usize) {
        let mark: &[u8] = [&b""[..], b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"PK\x05\x06"][mark];
        count_out(&[mark, &bytes].concat(), &Limits::default());
    }

    #[test]
    fn a_damaged_zip_makes_no_panic_and_no_second_truth(at in 0..600_usize, byte in proptest::num::u8::ANY) {
        let mut zip = Zip::default().deflated("a.xml", REPORT).stored("in.gz", &gzip(REPORT)).finish();
        let at = 4 + at % (zip.len() - 4);
        zip[at] = byte;
        for (_, content, end) in unpack_with(&zip, &Limits::default()).0 {
            proptest::prop_assert!(end.is_err() || content == REPORT);
        }
    }

    #[test]
    fn what_was_packed_comes_out(content in proptest::collection::vec(proptest::num::u8::ANY, 0..5000)) {
        // A leading letter keeps it from being an archive itself.
        let content = [b"x", content.as_slice()].concat();
        check(&gzip(&content), &[("", &content)]);
        check(&Zip::default().deflated("a", &content).finish(), &[("a", &content)]);
    }
}
