//! Incidents by mail: one thread for each, with the chart of its moment.
//!
//! Source: RFC 5322 section 3.6.4 (References keep a thread together), RFC 3834 section 5 (`Auto-Submitted`, so that no
//! out-of-office answers).

use crate::alert::chart::Picture;
use crate::alert::notify::Notice;
use crate::alert::notify::NotifyError;
use crate::alert::notify::http::ANSWER_TIMEOUT;
use crate::model::with_causes;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Mailboxes, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

/// Incidents of a digest that a mail lists: as many as one digest can have.
const LISTED_MAX: usize = 500;

/// A channel by mail.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Mailboxes,
}

impl Mailer {
    /// `login` is user and password.
    pub(super) fn new(
        from: &str,
        to: &[String],
        smtp: &str,
        login: Option<(String, String)>,
    ) -> Result<Self, String> {
        let mailbox = |address: &str| -> Result<Mailbox, String> {
            address.parse().map_err(|_| format!("`{address}` is no mail address"))
        };
        let to = to.iter().map(|address| mailbox(address)).collect::<Result<Mailboxes, _>>()?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp).map_err(|_| {
            "`smtp` is no URL such as smtp://127.0.0.1:25, smtp://mail.example.com?tls=required or smtps://mail.example.com"
                .to_owned()
        })?;
        let builder = match login {
            Some((user, password)) => builder.credentials(Credentials::new(user, password)),
            None => builder,
        };
        Ok(Self { transport: builder.timeout(Some(ANSWER_TIMEOUT)).build(), from: mailbox(from)?, to })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), NotifyError> {
        let mail = self.write(notice).map_err(|fault| NotifyError::Settings(with_causes(&fault)))?;
        let sent = tokio::time::timeout(2 * ANSWER_TIMEOUT, self.transport.send(mail)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(fault)) => match fault.status() {
                Some(code) => Err(NotifyError::Refused { status: code.into(), said: with_causes(&fault) }),
                None => Err(NotifyError::Unreachable(with_causes(&fault))),
            },
            Err(_) => Err(NotifyError::Unreachable("the mail server did not take it in time".to_owned())),
        }
    }

    fn write(&self, notice: &Notice) -> Result<lettre::Message, lettre::error::Error> {
        let domain = self.from.email.domain();
        let thread = format!("<{}@{domain}>", notice.key());
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .mailbox(lettre::message::header::To::from(self.to.clone()))
            .subject(notice.subject())
            .message_id(Some(format!("<relaylens-{}@{domain}>", notice.id())))
            .references(thread.clone())
            .in_reply_to(thread);
        let date = std::time::UNIX_EPOCH
            + std::time::Duration::from_secs(u64::try_from(notice.at().seconds()).unwrap_or_default());
        builder = builder.date(date).raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
        let mut text = notice.lines(LISTED_MAX).join("\n") + "\n";
        if let Some(link) = notice.link() {
            text = format!("{text}\n{link}\n");
        }
        let picture = match notice {
            Notice::One(message) => Picture::of(&message.incident).and_then(|picture| picture.png()),
            Notice::Many(_) => None,
        };
        let plain = SinglePart::plain(text);
        let Some(png) = picture else { return builder.singlepart(plain) };
        let image = ContentType::parse("image/png").expect("a media type");
        let image = Attachment::new_inline("chart".to_owned()).body(png, image);
        let html = MultiPart::related().singlepart(SinglePart::html(html(notice))).singlepart(image);
        builder.multipart(MultiPart::alternative().singlepart(plain).multipart(html))
    }
}

fn html(notice: &Notice) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    let lines = notice.lines(LISTED_MAX);
    let paragraphs =
        lines.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect::<Vec<_>>().concat();
    let link =
        notice.link().into_iter().map(|link| format!("<p><a href=\"{0}\">{0}</a></p>\n", escaped(link)));
    let caption = "The day before: what was measured, and the band that was expected.";
    format!(
        "<!doctype html>\n<html><body>\n<h2>{}</h2>\n<p><img src=\"cid:chart\" width=\"640\" height=\"240\" \
         alt=\"Chart of the metric\"><br><small>{caption}</small></p>\n{paragraphs}{}</body></html>\n",
        escaped(&notice.subject()),
        link.collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::notify::message::example;
    use crate::model::alert::{IncidentState, IncidentStep};

    fn mail(step: IncidentStep, state: IncidentState) -> String {
        let to = ["team@example.com".to_owned()];
        let mailer = Mailer::new("relaylens@example.com", &to, "smtp://127.0.0.1:25", None).unwrap();
        String::from_utf8(mailer.write(&Notice::one(example(step, state))).unwrap().formatted()).unwrap()
    }

    #[tokio::test]
    async fn the_mails_of_an_incident_are_one_thread() {
        let fires = mail(IncidentStep::Firing, IncidentState::Firing);
        let ended = mail(IncidentStep::Resolved, IncidentState::Resolved);
        let line = |mail: &str, name: &str| {
            mail.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
        };
        assert_eq!(line(&fires, "References:"), line(&ended, "References:"));
        assert!(line(&fires, "Message-ID:").contains("cdef-2@example.com"), "{fires}");
        assert!(
            fires.contains("Auto-Submitted: auto-generated") && fires.contains("Content-Type: image/png")
        );
    }

    #[tokio::test]
    async fn bad_settings_are_told() {
        let new = |from: &str, smtp: &str| Mailer::new(from, &[], smtp, None).err().unwrap_or_default();
        assert!(new("nobody", "smtp://127.0.0.1").contains("`nobody` is no mail address"));
        assert!(new("a@example.com", "ftp://127.0.0.1").contains("`smtp` is no URL"));
    }
}
