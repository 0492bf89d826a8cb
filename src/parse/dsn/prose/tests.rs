//! Texts in, recipients and what is said of them out.

use crate::model::Text;
use crate::parse::dsn::prose::{Weight, read};

#[track_caller]
fn check(text: &str, weight: Option<Weight>, want: &[(&str, &str)]) {
    let strangers = [Text::from("news@example.org"), Text::from("postmaster@example.com")];
    let prose = read(text, &strangers);
    let got: Vec<_> = prose.recipients.iter().map(|one| (one.address.as_str(), one.said.as_str())).collect();
    assert_eq!((prose.weight, got.as_slice()), (weight, want), "text was:\n{text}");
}

#[test]
fn recipients_are_read_below_the_line_that_announces_them() {
    check(
        "Your message could not be delivered to the following recipients:\n\n  * bob@example.com\n    No such user\n\
         \n  * ann@example.com\n    550 5.2.2 Mailbox full\n\nPlease contact help@example.net.\n",
        Some(Weight::Listed),
        &[("bob@example.com", "No such user"), ("ann@example.com", "550 5.2.2 Mailbox full")],
    );
}

#[test]
fn recipients_share_what_stands_below_them_all() {
    check(
        "The following addresses failed:\n<bob@example.com>\n<ann@example.com>\n\nReason: quota exceeded\n",
        Some(Weight::Listed),
        &[("bob@example.com", "Reason: quota exceeded"), ("ann@example.com", "Reason: quota exceeded")],
    );
}

#[test]
fn labels_name_recipients() {
    check(
        "Unknown user: bob@example.com\n",
        Some(Weight::Listed),
        &[("bob@example.com", "Unknown user: bob@example.com")],
    );
    check(
        "From: news@example.net\nCould not be delivered to: <bob@example.com>\nAs their mailbox is full.\n",
        Some(Weight::Listed),
        &[("bob@example.com", "Could not be delivered to: <bob@example.com> As their mailbox is full.")],
    );
}

#[test]
fn a_sentence_names_its_recipient_and_not_its_sender() {
    check(
        "Your message to bob@example.com was not delivered.\nAsk ann@example.net for help.\n",
        Some(Weight::Told),
        &[(
            "bob@example.com",
            "Your message to bob@example.com was not delivered. Ask ann@example.net for help.",
        )],
    );
    check("The mail from news@example.net was returned to you\n", None, &[]);
}

#[test]
fn aliases_in_a_reply_are_no_recipients() {
    check(
        "could not be delivered to\n  bob@example.com\n    (generated from list@example.com)\n    550 no such user:\n    carl@example.com\n",
        Some(Weight::Listed),
        &[("bob@example.com", "(generated from list@example.com) 550 no such user: carl@example.com")],
    );
}

#[test]
fn ordinary_mail_names_nobody() {
    check("Hello Bob,\n\nplease write to ann@example.com tomorrow.\n", None, &[]);
    check("ann@example.com\nhas the parcel\n", None, &[]);
    check("", None, &[]);
}

#[test]
fn bare_users_are_kept_apart() {
    let prose = read("The message was undeliverable to the following:\n\n\tbob (user not found)\n", &[]);
    assert_eq!(prose.bare_users[0].address, "bob");
    assert_eq!(prose.bare_users[0].said, "(user not found)");
}
