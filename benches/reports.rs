//! Records a second and peak memory of the report reader, next to `mail-auth`, to a floor and to parsedmarc.
//!
//! All get whole mails and read each of them to its sums: small reports (gzip, 20 records) and large ones (zip, 50,000
//! records, 37 MB of XML), on one core, in turns; the best round of each counts. The floor does only what nobody can leave
//! out: MIME decoding, unpacking, one pass of quick-xml.
//!
//! Run it with `cargo bench --bench reports`. Reports of another origin are read from the folders `small` and `large` of
//! `RELAYLENS_BENCH_REPORTS`; `RELAYLENS_BENCH_PYTHON` names a Python in which parsedmarc is installed.
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use base64::Engine;
use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::{Compression, Crc, GzBuilder, write::DeflateEncoder};
use mail_parser::{MessageParser, MimeHeaders};
use relaylens::parse::archive::Limits;
use relaylens::parse::report::{self, ReportEnd};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const SMALL: Shape = Shape { name: "small", reports: 2_000, records: 20, is_zip: false };
const LARGE: Shape = Shape { name: "large", reports: 5, records: 50_000, is_zip: true };

/// What parsedmarc is given of each: it needs half a minute for more.
const PARSEDMARC_SMALL: usize = 200;
const PARSEDMARC_LARGE: usize = 1;

struct Shape {
    name: &'static str,
    reports: u64,
    records: u64,
    is_zip: bool,
}

/// One program under measure: a mail in, its number of records out.
struct Reader {
    name: &'static str,
    read: fn(&[u8]) -> u64,
}

const READERS: [Reader; 3] = [
    Reader { name: "relaylens", read: relaylens },
    Reader { name: "mail-auth", read: mail_auth },
    Reader { name: "floor", read: floor },
];

fn relaylens(mail: &[u8]) -> u64 {
    let message = MessageParser::default().parse(mail).expect("the mails are well-formed");
    let parts = report::parts(&message);
    let ends = parts.iter().flat_map(|part| report::visit(&part.bytes, &Limits::default(), &mut ()));
    ends.map(|end| match end.expect("the reports are well-formed") {
        ReportEnd::Dmarc(report) => report.record.totals.records,
        ReportEnd::Tls(_) => 0,
    })
    .sum()
}

fn mail_auth(mail: &[u8]) -> u64 {
    let report =
        mail_auth::report::Report::parse_rfc5322(mail, 1 << 30).expect("the reports are well-formed");
    report.records().len() as u64
}

fn floor(mail: &[u8]) -> u64 {
    let message = MessageParser::default().parse(mail).expect("the mails are well-formed");
    let part = message.attachment(0).expect("the report is attached");
    let packed = part.contents();
    let mut xml = Vec::new();
    if part.content_type().and_then(|is| is.subtype()) == Some("zip") {
        // One entry, its local header of 30 bytes, and its name.
        let data = 30 + usize::from(u16::from_le_bytes([packed[26], packed[27]]));
        DeflateDecoder::new(&packed[data..]).read_to_end(&mut xml).expect("the archives are well-formed");
    } else {
        GzDecoder::new(packed).read_to_end(&mut xml).expect("the archives are well-formed");
    }
    let (mut reader, mut records) = (quick_xml::Reader::from_reader(xml.as_slice()), 0);
    loop {
        match reader.read_event().expect("the reports are well-formed") {
            quick_xml::events::Event::Eof => return records,
            quick_xml::events::Event::End(end) if end.name().into_inner() == "record" => records += 1,
            _ => {}
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--peak") {
        return peak_child(
            &arguments.next().unwrap_or_default(),
            Path::new(&arguments.next().unwrap_or_default()),
        );
    }
    let made = tempfile::tempdir().expect("a folder for the mails");
    let given = std::env::var_os("RELAYLENS_BENCH_REPORTS").map(PathBuf::from);
    for shape in [SMALL, LARGE] {
        let folder = given.as_deref().unwrap_or(made.path()).join(shape.name);
        if given.is_none() {
            make_mails(&shape, &folder);
        }
        let mails: Vec<Vec<u8>> =
            mails_of(&folder).iter().map(|path| std::fs::read(path).expect("a mail")).collect();
        let speeds = speeds(&mails);
        println!(
            "\n{}: {} mails, {} bytes",
            shape.name,
            mails.len(),
            mails.iter().map(Vec::len).sum::<usize>()
        );
        for (reader, speed) in READERS.iter().zip(&speeds) {
            let ratio = speeds[0] / speed;
            println!("  {:10} {speed:>9.0} records/s   relaylens is {ratio:.2} times it", reader.name);
        }
        parsedmarc(&shape, &folder, speeds[0]);
    }
    let folder = given.as_deref().unwrap_or(made.path()).join(LARGE.name);
    println!("\npeak memory above the mail, large");
    for reader in &READERS {
        println!("  {:10} {:>6.1} MB", reader.name, peak(reader.name, &folder));
    }
}

/// Records a second of each reader: all in turns, the best round of each.
fn speeds(mails: &[Vec<u8>]) -> [f64; READERS.len()] {
    let mut best = [(0, Duration::MAX); READERS.len()];
    for _ in 0..ROUNDS {
        for (reader, (records, best)) in READERS.iter().zip(&mut best) {
            let begin = Instant::now();
            *records = mails.iter().map(|mail| (reader.read)(mail)).sum();
            *best = (*best).min(begin.elapsed());
        }
    }
    assert!(
        best.iter().all(|(records, _)| *records == best[0].0),
        "all must read the same records: {best:?}"
    );
    #[expect(clippy::cast_precision_loss, reason = "some 100,000 records")]
    best.map(|(records, best)| records as f64 / best.as_secs_f64())
}

fn mails_of(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of the mails");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of the folder").path()).collect();
    paths.sort();
    paths
}

/// Reads the mails in a process of its own, one at a time, and tells how far its memory rose above what it had with one
/// mail in it, in MB.
fn peak(reader: &str, folder: &Path) -> f64 {
    let program = std::env::current_exe().expect("the path of this program");
    let output =
        Command::new(program).args(["--peak", reader]).arg(folder).output().expect("this program, again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse::<f64>().expect("the child prints kilobytes") / 1000.0
}

fn peak_child(name: &str, folder: &Path) {
    let reader = READERS.iter().find(|reader| reader.name == name).expect("a reader of this name");
    let mut most = 0;
    for path in mails_of(folder) {
        let mail = std::fs::read(path).expect("a mail");
        let before = memory_kb("VmRSS:");
        assert!((reader.read)(&mail) > 0, "the mail has records");
        most = most.max(memory_kb("VmHWM:").saturating_sub(before));
    }
    println!("{most}");
}

fn memory_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the kernel tells it");
    line.trim().trim_end_matches(" kB").parse().expect("kilobytes")
}

const PARSEDMARC: &str = "
import sys, time, parsedmarc
mails = [open(path, 'rb').read() for path in sys.argv[1:]]
begin, records = time.perf_counter(), 0
for mail in mails:
    records += len(parsedmarc.parse_report_email(mail, offline=True)['report']['records'])
print(records / (time.perf_counter() - begin))
";

fn parsedmarc(shape: &Shape, folder: &Path, ours: f64) {
    let Some(python) = std::env::var_os("RELAYLENS_BENCH_PYTHON") else { return };
    let count = if shape.is_zip { PARSEDMARC_LARGE } else { PARSEDMARC_SMALL };
    let mails = mails_of(folder).into_iter().take(count);
    let output = Command::new(python).args(["-c", PARSEDMARC]).args(mails).output().expect("Python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().parse::<f64>() {
        Ok(speed) => {
            println!(
                "  {:10} {speed:>9.0} records/s   relaylens is {:.0} times it",
                "parsedmarc",
                ours / speed
            );
        }
        Err(_) => println!("  parsedmarc failed: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// `SplitMix64`: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[usize::try_from(self.below(texts.len() as u64)).unwrap_or_default()]
    }
}

fn make_mails(shape: &Shape, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder for the mails");
    for index in 0..shape.reports {
        let mut numbers = Numbers(index * 2 + u64::from(shape.is_zip));
        let xml = report_xml(&mut numbers, shape.records);
        let packed = if shape.is_zip { zip(xml.as_bytes()) } else { gzip(xml.as_bytes()) };
        std::fs::write(folder.join(format!("{index:06}.eml")), mail(shape, &packed))
            .expect("a mail is written");
    }
}

fn report_xml(numbers: &mut Numbers, records: u64) -> String {
    let domain =
        numbers.one_of(&["example.com", "example.net", "mail.example.com", "xn--mnchen-3ya.example"]);
    let (begin, id) = (1_767_225_600 + 86_400 * numbers.below(300), numbers.below(u64::MAX));
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<feedback>\n  <version>1.0</version>\n  <report_metadata>\n    \
         <org_name>receiver.example</org_name>\n    <email>noreply-dmarc@receiver.example</email>\n    \
         <report_id>{id:020}</report_id>\n    <date_range>\n      <begin>{begin}</begin>\n      <end>{}</end>\n    \
         </date_range>\n  </report_metadata>\n  <policy_published>\n    <domain>{domain}</domain>\n    <adkim>r</adkim>\n    \
         <aspf>r</aspf>\n    <p>none</p>\n    <sp>none</sp>\n    <pct>100</pct>\n    <fo>0</fo>\n  </policy_published>\n",
        begin + 86_399
    );
    for _ in 0..records {
        write_record(&mut xml, numbers, domain).expect("a String takes all");
    }
    xml + "</feedback>\n"
}

fn write_record(xml: &mut String, numbers: &mut Numbers, domain: &str) -> std::fmt::Result {
    let ip = if numbers.percent(12) {
        format!(
            "2001:db8:{:x}:{:x}::{:x}",
            numbers.below(65_536),
            numbers.below(65_536),
            numbers.below(65_536)
        )
    } else {
        let [a, b, c] = [0; 3].map(|_: u64| numbers.below(256));
        format!("{}.{a}.{b}.{c}", numbers.one_of(&["40", "52", "104", "192", "203"]))
    };
    let count = if numbers.percent(60) { 1 } else { 1 + numbers.below(1_000) };
    let dkim = if numbers.percent(85) { "pass" } else { "fail" };
    let spf = if numbers.percent(80) { "pass" } else { "fail" };
    write!(
        xml,
        "  <record>\n    <row>\n      <source_ip>{ip}</source_ip>\n      <count>{count}</count>\n      <policy_evaluated>\n        \
         <disposition>none</disposition>\n        <dkim>{dkim}</dkim>\n        <spf>{spf}</spf>\n"
    )?;
    if numbers.percent(6) {
        let reason =
            numbers.one_of(&["forwarded", "mailing_list", "local_policy", "trusted_forwarder", "other"]);
        write!(
            xml,
            "        <reason>\n          <type>{reason}</type>\n          <comment>arc=pass &amp; looks ok</comment>\n        \
             </reason>\n"
        )?;
    }
    xml.push_str("      </policy_evaluated>\n    </row>\n    <identifiers>\n");
    if numbers.percent(30) {
        writeln!(xml, "      <envelope_to>rcpt{}.example</envelope_to>", numbers.below(500))?;
    }
    if numbers.percent(60) {
        writeln!(xml, "      <envelope_from>bounce.{domain}</envelope_from>")?;
    }
    write!(xml, "      <header_from>{domain}</header_from>\n    </identifiers>\n    <auth_results>\n")?;
    for index in 0..=u64::from(numbers.percent(25)) {
        let signer = if index == 0 { domain.to_owned() } else { format!("esp{}.example", numbers.below(40)) };
        let selector = numbers.one_of(&["s1", "s2", "k1", "selector1", "20230601", "mxvault"]);
        let result = numbers.one_of(&["pass", "pass", "pass", "fail", "permerror", "neutral"]);
        write!(
            xml,
            "      <dkim>\n        <domain>{signer}</domain>\n        <selector>{selector}</selector>\n        \
             <result>{result}</result>\n      </dkim>\n"
        )?;
    }
    let result = numbers.one_of(&["pass", "pass", "pass", "softfail", "none", "temperror"]);
    write!(
        xml,
        "      <spf>\n        <domain>bounce.{domain}</domain>\n        <scope>mfrom</scope>\n        <result>{result}</result>\n      \
         </spf>\n    </auth_results>\n  </record>\n"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().filename("report.xml").write(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes all")
}

/// A zip archive with one entry (APPNOTE.TXT 4.3).
fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes all");
    let (mut crc, name) = (Crc::new(), b"report.xml");
    crc.update(bytes);
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("far below 4 GB").to_le_bytes();
    let mut entry = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
    entry.extend([crc.sum().to_le_bytes(), size(&packed), size(bytes)].concat());
    entry.extend([10, 0, 0, 0]);
    let mut archive = [b"PK\x03\x04", entry.as_slice(), name, &packed].concat();
    let directory = [b"PK\x01\x02\x14\x00", entry.as_slice(), &[0; 14], name].concat();
    let place = [size(&directory), size(&archive)].concat();
    archive.extend([&directory, b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &place, &[0, 0]].concat());
    archive
}

fn mail(shape: &Shape, packed: &[u8]) -> String {
    let (kind, end) = if shape.is_zip { ("zip", "zip") } else { ("gzip", "xml.gz") };
    let mut mail = format!(
        "From: noreply-dmarc@receiver.example\r\nTo: rua@collector.example\r\nDate: Thu, 01 Oct 2026 00:00:00 +0000\r\n\
         Subject: Report Domain: example.com Submitter: receiver.example Report-ID: <1>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         This is a DMARC aggregate report.\r\n\r\n--b\r\nContent-Type: application/{kind}\r\n\
         Content-Disposition: attachment; filename=\"receiver.example!example.com!1767225600!1767311999.{end}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    for line in base64::prelude::BASE64_STANDARD.encode(packed).as_bytes().chunks(76) {
        mail.push_str(str::from_utf8(line).unwrap_or_default());
        mail.push_str("\r\n");
    }
    mail + "--b--\r\n"
}
