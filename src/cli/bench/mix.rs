//! What made-up mail is made of: who sends, who receives, and what receivers answer.
//!
//! Way: `mail` draws from these tables.
//! Source: MX hosts are those that the providers publish; the replies have the forms of the examples in
//! `classify/rules/*.toml`, which name their sources. Shares and rates are what a mid-sized European sender sees,
//! rounded. Addresses and sending hosts are those of documentation (RFC 2606, RFC 5737).

use crate::model::EnhancedCode;

/// A receiver. Shares are parts per thousand of all messages.
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) mx: &'static [&'static str],
    /// Median time from injection to delivery at the first attempt, in milliseconds.
    pub(super) latency_ms: f64,
    /// What it says when it takes a message; `{id}` is made up.
    pub(super) taken: &'static str,
}

const QUEUED: &str = "OK queued as {id}";

pub(super) const PROVIDERS: &[Provider] = &[
    provider(
        "google",
        400.0,
        &["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com", "aspmx.l.google.com"],
        900.0,
        "OK {id} - gsmtp",
    ),
    provider(
        "microsoft365",
        130.0,
        &[
            "example-com.mail.protection.outlook.com",
            "example-net.mail.protection.outlook.com",
            "example-org.mail.protection.outlook.com",
        ],
        2_400.0,
        "Queued mail for delivery -> 250 2.1.5",
    ),
    provider(
        "outlook",
        110.0,
        &["outlook-com.olc.protection.outlook.com", "hotmail-com.olc.protection.outlook.com"],
        2_100.0,
        "Queued mail for delivery -> 250 2.1.5",
    ),
    provider(
        "yahoo",
        90.0,
        &["mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net", "mta7.am0.yahoodns.net"],
        1_400.0,
        "ok dirdel",
    ),
    provider("icloud", 60.0, &["mx01.mail.icloud.com", "mx02.mail.icloud.com"], 1_900.0, QUEUED),
    provider(
        "gmx",
        36.0,
        &["mx00.gmx.net", "mx01.gmx.net", "mx-ha03.web.de"],
        1_100.0,
        "Requested mail action okay, completed: id={id}",
    ),
    provider(
        "comcast",
        20.0,
        &["mx1a1.comcast.net", "mx2h1.comcast.net"],
        1_700.0,
        "{id} message accepted for delivery",
    ),
    provider("orange", 18.0, &["smtp-in.orange.fr"], 3_200.0, "{id} mail accepted for delivery"),
    provider("t-online", 15.0, &["mx00.t-online.de", "mx01.t-online.de"], 1_500.0, "Message accepted."),
    provider("laposte", 12.0, &["smtpz4.laposte.net"], 2_800.0, QUEUED),
    provider("free", 10.0, &["mx1.free.fr", "mx2.free.fr"], 2_600.0, QUEUED),
    provider("libero", 10.0, &["smtp-in.libero.it"], 2_200.0, QUEUED),
    provider("mailru", 9.0, &["mxs.mail.ru"], 2_000.0, "OK id={id}"),
    provider("yandex", 8.0, &["mx.yandex.ru"], 1_800.0, QUEUED),
    provider("proton", 8.0, &["mail.protonmail.ch", "mailsec.protonmail.ch"], 2_300.0, QUEUED),
    provider("zoho", 7.0, &["mx.zoho.com", "mx2.zoho.com"], 2_500.0, "Message received"),
    provider(
        "fastmail",
        7.0,
        &["in1-smtp.messagingengine.com", "in2-smtp.messagingengine.com"],
        900.0,
        QUEUED,
    ),
    provider(
        "ionos",
        6.0,
        &["mx00.ionos.de", "mx01.ionos.de"],
        1_300.0,
        "Requested mail action okay, completed: id={id}",
    ),
    provider("ovh", 6.0, &["mx1.mail.ovh.net", "mx2.mail.ovh.net"], 1_600.0, QUEUED),
    provider("sfr", 5.0, &["smtp-in.sfr.fr"], 2_900.0, QUEUED),
    provider("strato", 5.0, &["smtpin.rzone.de"], 1_200.0, "queued as {id}"),
    provider(
        "godaddy",
        5.0,
        &["smtp.secureserver.net", "mailstore1.secureserver.net"],
        3_000.0,
        "{id} mail accepted for delivery",
    ),
    provider("rackspace", 4.0, &["mx1.emailsrvr.com", "mx2.emailsrvr.com"], 1_500.0, QUEUED),
    provider("bluewin", 3.0, &["mxbw.bluewin.ch"], 1_700.0, "{id} mail accepted for delivery"),
    provider(
        "others",
        16.0,
        &["mx1.host.example", "mx2.host.example", "mail.shop.example", "mx.school.example"],
        2_000.0,
        QUEUED,
    ),
];

const fn provider(
    name: &'static str,
    share: f64,
    mx: &'static [&'static str],
    latency_ms: f64,
    taken: &'static str,
) -> Provider {
    Provider { name, share, mx, latency_ms, taken }
}

/// What a receiver says when it does not take a message. `{ip}`, `{to}` and `{id}` are filled in.
pub(super) struct Refusal {
    /// A provider's name, or `*` for what many servers say.
    pub(super) provider: &'static str,
    pub(super) is_temporary: bool,
    pub(super) share: f64,
    pub(super) code: u16,
    pub(super) enhanced: Option<EnhancedCode>,
    pub(super) text: &'static str,
}

/// A receiver's own replies weigh more than the common ones, which every provider gives too.
pub(super) const REFUSALS: &[Refusal] = &[
    refusal(
        "google",
        60.0,
        550,
        Some((1, 1)),
        "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. Learn more at https://support.google.com/mail/?p=NoSuchUser {id} - gsmtp",
    ),
    refusal(
        "google",
        12.0,
        550,
        Some((2, 1)),
        "The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser {id} - gsmtp",
    ),
    refusal(
        "google",
        14.0,
        552,
        Some((2, 2)),
        "The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm {id} - gsmtp",
    ),
    refusal(
        "google",
        10.0,
        550,
        Some((7, 1)),
        "[{ip}] Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. {id} - gsmtp",
    ),
    refusal(
        "google",
        6.0,
        550,
        Some((7, 26)),
        "Your email has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM. {id} - gsmtp",
    ),
    refusal(
        "google",
        40.0,
        452,
        Some((2, 2)),
        "The recipient's inbox is out of storage space. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaTemp {id} - gsmtp",
    ),
    refusal(
        "google",
        60.0,
        421,
        Some((7, 28)),
        "Gmail has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited. https://support.google.com/mail/?p=UnsolicitedRateLimitError {id} - gsmtp",
    ),
    refusal(
        "google",
        30.0,
        450,
        Some((2, 1)),
        "The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered. Please resend your message at a later time. https://support.google.com/mail/?p=ReceivingRate {id} - gsmtp",
    ),
    refusal(
        "outlook",
        50.0,
        550,
        Some((5, 0)),
        "Requested action not taken: mailbox unavailable (S2017062302). [{id}.eurprd01.prod.outlook.com 2025-01-01T00:00:00.000Z 08DD00000000000]",
    ),
    refusal(
        "outlook",
        25.0,
        550,
        Some((7, 1)),
        "Unfortunately, messages from [{ip}] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).",
    ),
    refusal(
        "outlook",
        70.0,
        451,
        Some((7, 650)),
        "The mail server [{ip}] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://postmaster.live.com (S775)",
    ),
    refusal(
        "outlook",
        30.0,
        451,
        Some((7, 652)),
        "The mail server [{ip}] has exceeded the maximum number of connections. (S3115)",
    ),
    refusal(
        "microsoft365",
        50.0,
        550,
        Some((4, 1)),
        "Recipient address rejected: Access denied. [{id}.eurprd01.prod.outlook.com 2025-01-01T00:00:00.000Z 08DD00000000000]",
    ),
    refusal(
        "microsoft365",
        20.0,
        550,
        Some((1, 10)),
        "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
    ),
    refusal(
        "microsoft365",
        8.0,
        550,
        Some((7, 606)),
        "Access denied, banned sending IP [{ip}]. To request removal from this list please visit https://sender.office.com/ and follow the directions. (AS16012607)",
    ),
    refusal(
        "microsoft365",
        80.0,
        451,
        Some((7, 500)),
        "Server busy. Please try again later from [{ip}]. (AS77712344)",
    ),
    refusal("microsoft365", 20.0, 432, Some((3, 2)), "STOREDRV.Deliver; recipient thread limit exceeded"),
    refusal(
        "yahoo",
        50.0,
        554,
        None,
        "30 Sorry, your message to {to} cannot be delivered. This mailbox is disabled (554.30).",
    ),
    refusal(
        "yahoo",
        15.0,
        553,
        Some((7, 1)),
        "[BL21] Connections will not be accepted from {ip}, because the ip is in Spamhaus's list; see http://postmaster.yahoo.com/550-bl23.html",
    ),
    refusal(
        "yahoo",
        90.0,
        421,
        Some((7, 0)),
        "[TSS04] Messages from {ip} temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
    ),
    refusal("icloud", 30.0, 550, Some((1, 6)), "recipient no longer on server: {to}"),
    refusal(
        "icloud",
        10.0,
        554,
        Some((7, 1)),
        "[CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137",
    ),
    refusal(
        "icloud",
        60.0,
        421,
        Some((7, 1)),
        "Messages to {to} deferred due to excessive volume. Try again later - https://support.apple.com/en-us/HT204137",
    ),
    refusal(
        "gmx",
        15.0,
        550,
        None,
        "Requested action not taken: mailbox unavailable Reject due to policy restrictions. For explanation visit https://postmaster.gmx.net/en/error-messages?ip={ip}&c=hi",
    ),
    refusal(
        "gmx",
        20.0,
        552,
        None,
        "Requested mail action aborted: exceeded storage allocation Quota exceeded.",
    ),
    refusal("comcast", 30.0, 550, Some((1, 1)), "<{to}> recipient mailbox unallocated"),
    refusal(
        "comcast",
        60.0,
        421,
        Some((1, 0)),
        "{ip} Throttled - try again later. Please see http://postmaster.comcast.net/smtp-error-codes.php#RL000001",
    ),
    refusal(
        "orange",
        25.0,
        550,
        Some((1, 1)),
        "Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]",
    ),
    refusal(
        "orange",
        90.0,
        421,
        None,
        "{id} ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR005_104 [104]",
    ),
    refusal(
        "t-online",
        20.0,
        554,
        None,
        "IP={ip} - A problem occurred. (Ask your postmaster for help or to contact postmaster@example.net to clarify.) (BL)",
    ),
    refusal(
        "mailru",
        25.0,
        550,
        None,
        "Message was not accepted -- invalid mailbox. Local mailbox {to} is unavailable: user not found",
    ),
    refusal(
        "*",
        22.0,
        550,
        Some((1, 1)),
        "<{to}>: Recipient address rejected: User unknown in virtual mailbox table",
    ),
    refusal("*", 6.0, 552, Some((2, 2)), "<{to}>: Quota exceeded (mailbox for user is full)"),
    refusal(
        "*",
        5.0,
        554,
        Some((7, 1)),
        "Service unavailable; Client host [{ip}] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/{ip}",
    ),
    refusal("*", 3.0, 550, Some((7, 1)), "Message rejected as spam by content filter {id}"),
    refusal(
        "*",
        12.0,
        450,
        Some((7, 1)),
        "<{to}>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/host.example.html",
    ),
    refusal("*", 8.0, 452, Some((3, 1)), "Insufficient system storage"),
    refusal("*", 6.0, 421, Some((7, 0)), "Rate limited, try again later"),
];

/// A reply with a code of 4xx is temporary, and its enhanced code (subject, detail) begins with the same digit.
const fn refusal(
    provider: &'static str,
    share: f64,
    code: u16,
    enhanced: Option<(u16, u16)>,
    text: &'static str,
) -> Refusal {
    let is_temporary = code < 500;
    let class = if is_temporary { 4 } else { 5 };
    let enhanced = match enhanced {
        Some((subject, detail)) => Some(EnhancedCode { class, subject, detail }),
        None => None,
    };
    Refusal { provider, is_temporary, share, code, enhanced, text }
}

/// Tenants with their part of the mail and their domains (indexes into [`DOMAINS`]).
pub(super) const TENANTS: &[(&str, f64, &[usize])] = &[
    ("acme", 40.0, &[0, 1]),
    ("beta", 22.0, &[2, 3]),
    ("corvid", 14.0, &[4]),
    ("delta", 9.0, &[5]),
    ("ember", 6.0, &[6]),
    ("fjord", 4.0, &[7]),
    ("glade", 3.0, &[8]),
    ("heron", 2.0, &[9]),
];

pub(super) const DOMAINS: &[&str] = &[
    "news.acme.example",
    "acme.example",
    "mail.beta.example",
    "beta.example",
    "corvid.example",
    "delta.example",
    "ember.example",
    "fjord.example",
    "glade.example",
    "heron.example",
];

/// A stream, its part of the mail, its pool, and the last bytes of the pool's addresses.
pub(super) struct Stream {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) pool: &'static str,
    pub(super) ips: &'static [u8],
    /// Whether its messages belong to campaigns.
    pub(super) has_campaigns: bool,
}

pub(super) const STREAMS: &[Stream] = &[
    Stream { name: "marketing", share: 60.0, pool: "bulk", ips: &[10, 11, 12, 13], has_campaigns: true },
    Stream { name: "notifications", share: 25.0, pool: "shared", ips: &[20, 21], has_campaigns: true },
    Stream { name: "transactional", share: 15.0, pool: "fast", ips: &[30, 31], has_campaigns: false },
];

/// Campaigns that begin each day, over all tenants.
pub(super) const CAMPAIGNS_A_DAY: u64 = 50;

/// Parts of all messages that end their first attempt deferred or refused; the rest is delivered by it.
pub(super) const DEFERRED: f64 = 0.055;
pub(super) const REFUSED: f64 = 0.052;

/// Part of the deferred messages that each further attempt delivers.
pub(super) const RECOVERED_EACH: f64 = 0.45;

/// Attempts after which a message expires: with pauses that double from five minutes, after about ten hours.
pub(super) const ATTEMPTS_MAX: u16 = 8;

/// Part of the delivered messages that their recipients call spam.
pub(super) const COMPLAINED: f64 = 0.000_4;
