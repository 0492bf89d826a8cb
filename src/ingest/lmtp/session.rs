//! One connection: commands and answers, RFC 5321 section 4 with RFC 2033's differences.

use crate::ingest::Batch;
use crate::ingest::lmtp::{Door, MAIL_BYTES_MAX, Protocol, Stream};
use crate::ingest::places::Place;
use crate::model::Text;
use crate::spool::SpoolError;
use smtp_proto::request::receiver::{DataReceiver, DummyDataReceiver, RequestReceiver};
use smtp_proto::{Error, Request};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Answers that wait to be sent together, in bytes: those of a pipelined envelope fit many times.
const ANSWER_BYTES: usize = 4 << 10;

/// Recipients of one mail, RFC 5321 section 4.5.3.1.8: at least 100 must be taken.
const RECIPIENTS_MAX: usize = 100;

/// Commands that were refused before the connection is closed: a mail server has few, a port scanner many.
const ERRORS_MAX: u32 = 20;

/// Longest envelope address, in bytes: RFC 5321 section 4.5.3.1.3 has 256 for a path.
const PATH_BYTES_MAX: usize = 512;

/// What a command led to.
enum Next {
    Command,
    Data,
    Close,
}

/// The envelope of the mail under way.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
}

pub(super) struct Session {
    stream: Box<dyn Stream>,
    door: Arc<Door>,
    place: Place,
    envelope: Envelope,
    is_greeted: bool,
    errors: u32,
    mails: u32,
    /// What was read and not yet looked at.
    input: Vec<u8>,
    /// Answers to commands that came in one piece go out in one, RFC 2920 section 3.2.
    output: Vec<u8>,
}

/// Why a connection ended.
enum End {
    Io,
    Timeout,
    /// Others wait, and this one was the slowest.
    GaveWay,
    Closed,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Io
    }
}

impl Session {
    pub(super) fn new(stream: Box<dyn Stream>, door: Arc<Door>, place: Place) -> Self {
        Self {
            stream,
            door,
            place,
            envelope: Envelope::default(),
            is_greeted: false,
            errors: 0,
            mails: 0,
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Serves the connection to its end. At shutdown it ends before the next command.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let answer: &[u8] = match self.serve(&mut shutdown).await {
            Err(End::Timeout) => b"421 4.4.2 too slow, closing\r\n",
            Err(End::GaveWay) => b"421 4.3.2 others wait, try again later\r\n",
            Ok(()) | Err(End::Io | End::Closed) => b"",
        };
        self.output.extend_from_slice(answer);
        let _ = timeout(std::time::Duration::from_secs(1), self.stream.write_all(&self.output)).await;
        let _ = timeout(std::time::Duration::from_secs(1), self.stream.shutdown()).await;
    }

    async fn serve(&mut self, shutdown: &mut watch::Receiver<bool>) -> Result<(), End> {
        let name = match self.door.options.protocol {
            Protocol::Lmtp => "LMTP",
            Protocol::Smtp => "ESMTP",
        };
        let greeting = format!("220 {} {name} relaylens\r\n", self.door.options.hostname);
        self.answer(&greeting).await?;
        let mut receiver = RequestReceiver::default();
        loop {
            let bytes = std::mem::take(&mut self.input);
            let mut rest = bytes.iter();
            let mut next = Next::Command;
            while matches!(next, Next::Command) {
                next = match receiver.ingest(&mut rest) {
                    Ok(request) => self.command(request).await?,
                    Err(Error::NeedsMoreData { .. }) => break,
                    Err(Error::ResponseTooLong) => {
                        self.answer("500 5.5.6 line too long\r\n").await?;
                        Next::Close
                    }
                    Err(error) => self.refuse_syntax(&error).await?,
                };
            }
            self.input = rest.as_slice().to_vec();
            match next {
                Next::Close => return Ok(()),
                Next::Data => self.data().await?,
                Next::Command => {
                    self.send_answers().await?;
                    let limit = self.door.options.limits.command_timeout;
                    let stopped = async { shutdown.wait_for(|stop| *stop).await.map(drop) };
                    let read = tokio::select! {
                        read = self.read_more(limit) => Some(read),
                        _ = stopped => None,
                    };
                    let Some(read) = read else {
                        // sent with the end of the connection
                        return self.answer("421 4.3.2 shutting down\r\n").await;
                    };
                    read?;
                }
            }
        }
    }

    async fn command(&mut self, request: Request<Cow<'_, str>>) -> Result<Next, End> {
        let is_lmtp = self.door.options.protocol == Protocol::Lmtp;
        let answer = match request {
            Request::Lhlo { .. } if is_lmtp => self.greet(true),
            Request::Ehlo { .. } if !is_lmtp => self.greet(true),
            Request::Helo { .. } if !is_lmtp => self.greet(false),
            Request::Mail { from } => self.mail_from(&from.address, from.size),
            Request::Rcpt { to } => self.rcpt_to(&to.address),
            Request::Data if self.envelope.recipients.is_empty() => {
                Cow::Borrowed("503 5.5.1 no valid recipients\r\n")
            }
            Request::Data => {
                self.answer("354 end with a dot on a line by itself\r\n").await?;
                self.send_answers().await?;
                return Ok(Next::Data);
            }
            Request::Rset => {
                self.envelope = Envelope::default();
                Cow::Borrowed("250 2.0.0 forgotten\r\n")
            }
            Request::Noop { .. } => Cow::Borrowed("250 2.0.0 well\r\n"),
            Request::Vrfy { .. } => Cow::Borrowed("252 2.1.5 not told\r\n"),
            Request::Quit => {
                self.answer("221 2.0.0 bye\r\n").await?;
                return Ok(Next::Close);
            }
            _ => Cow::Borrowed("502 5.5.1 not known here\r\n"),
        };
        let is_error = answer.starts_with('5');
        self.answer(&answer).await?;
        self.note_error(is_error).await
    }

    async fn refuse_syntax(&mut self, error: &Error) -> Result<Next, End> {
        let answer = match error {
            Error::InvalidSenderAddress => "501 5.1.7 no such form of a sender\r\n",
            Error::InvalidRecipientAddress => "501 5.1.3 no such form of a recipient\r\n",
            Error::UnsupportedParameter { .. } => "555 5.5.4 a parameter is not known here\r\n",
            Error::SyntaxError { .. } | Error::InvalidParameter { .. } => "501 5.5.4 syntax\r\n",
            _ => "500 5.5.1 not known here\r\n",
        };
        self.answer(answer).await?;
        self.note_error(true).await
    }

    async fn note_error(&mut self, is_error: bool) -> Result<Next, End> {
        self.errors += u32::from(is_error);
        if self.errors >= ERRORS_MAX {
            self.answer("421 4.7.0 too many errors\r\n").await?;
            return Ok(Next::Close);
        }
        Ok(Next::Command)
    }

    fn greet(&mut self, is_extended: bool) -> Cow<'static, str> {
        self.is_greeted = true;
        self.envelope = Envelope::default();
        let name = &self.door.options.hostname;
        Cow::Owned(if is_extended {
            format!(
                "250-{name}\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n\
                 250 SIZE {MAIL_BYTES_MAX}\r\n"
            )
        } else {
            format!("250 {name}\r\n")
        })
    }

    fn mail_from(&mut self, address: &str, size: usize) -> Cow<'static, str> {
        if !self.is_greeted {
            return Cow::Borrowed("503 5.5.1 greet first\r\n");
        }
        if self.envelope.sender.is_some() {
            return Cow::Borrowed("503 5.5.1 a mail is under way\r\n");
        }
        if size > MAIL_BYTES_MAX {
            self.note_refused("552 a mail is announced that is too large");
            return Cow::Owned(format!("552 5.3.4 larger than {MAIL_BYTES_MAX} bytes\r\n"));
        }
        if self.mails >= self.door.options.limits.mails_max {
            return Cow::Borrowed("451 4.3.2 connect anew\r\n");
        }
        match clean_path(address) {
            Some(sender) => {
                self.envelope.sender = Some(sender);
                Cow::Borrowed("250 2.1.0 ok\r\n")
            }
            None => Cow::Borrowed("501 5.1.7 no such form of a sender\r\n"),
        }
    }

    fn rcpt_to(&mut self, address: &str) -> Cow<'static, str> {
        if self.envelope.sender.is_none() {
            return Cow::Borrowed("503 5.5.1 MAIL first\r\n");
        }
        if self.envelope.recipients.len() >= RECIPIENTS_MAX {
            return Cow::Borrowed("452 4.5.3 too many recipients\r\n");
        }
        let Some(recipient) = clean_path(address).filter(|recipient| !recipient.is_empty()) else {
            return Cow::Borrowed("501 5.1.3 no such form of a recipient\r\n");
        };
        if !self.door.options.takes(&recipient) {
            self.note_refused("550 mail for an address that is not among `recipients`");
            return Cow::Borrowed("550 5.7.1 no mail is taken for this address\r\n");
        }
        self.envelope.recipients.push(recipient);
        Cow::Borrowed("250 2.1.5 ok\r\n")
    }

    /// Takes the mail in and answers: once by SMTP, once for each recipient by LMTP.
    async fn data(&mut self) -> Result<(), End> {
        let envelope = std::mem::take(&mut self.envelope);
        self.mails += 1;
        let limit = self.door.options.limits.mail_timeout;
        let taken = timeout(limit, self.take_mail(&envelope)).await.map_err(|_| End::Timeout)??;
        let answer = match taken {
            Taken::Mail(mail, room) => self.store(mail, room).await,
            Taken::TooLarge => Cow::Owned(format!("552 5.3.4 larger than {MAIL_BYTES_MAX} bytes\r\n")),
            Taken::NoRoom => Cow::Borrowed("452 4.3.1 busy, try again later\r\n"),
        };
        if answer.starts_with('2') {
            self.door.status.note_taken(1, self.door.intake.now());
            self.place.came_further();
        } else {
            self.note_refused(answer.trim_end());
        }
        let times = match self.door.options.protocol {
            Protocol::Lmtp => envelope.recipients.len(),
            Protocol::Smtp => 1,
        };
        self.answer(&answer.repeat(times)).await
    }

    /// `words` name no address: the page of sources shows them.
    fn note_refused(&self, words: &str) {
        self.door.status.note_refused(self.door.intake.now(), words);
    }

    async fn store(&self, mail: Vec<u8>, room: OwnedSemaphorePermit) -> Cow<'static, str> {
        let intake = &self.door.intake;
        let batch = Batch {
            source: self.door.source.clone(),
            received: intake.now(),
            file: Text::default(),
            offset: 0,
            payload: mail.into(),
        };
        let accepted = intake.accept(&batch).await;
        drop(room);
        match accepted {
            Ok(_) => Cow::Borrowed("250 2.0.0 kept\r\n"),
            Err(SpoolError::Full { .. }) => {
                intake.note_turned_away();
                Cow::Borrowed("452 4.3.1 the spool is full, try again later\r\n")
            }
            Err(error) => {
                intake.note_turned_away();
                tracing::error!(%error, door = %self.door.source, "a mail could not be spooled");
                Cow::Borrowed("451 4.3.0 cannot keep it now, try again later\r\n")
            }
        }
    }

    /// Reads up to the dot. What is too large or finds no room is read and let go, so that its answer is understood.
    async fn take_mail(&mut self, envelope: &Envelope) -> Result<Taken, End> {
        let mut mail = head_of(envelope);
        let Ok(mut room) = self.door.room.clone().try_acquire_many_owned(reckoned(mail.len())) else {
            return self.let_go(&DataReceiver::new(), Taken::NoRoom).await;
        };
        let mut receiver = DataReceiver::new();
        loop {
            let bytes = std::mem::take(&mut self.input);
            let Ok(more) = self.door.room.clone().try_acquire_many_owned(reckoned(bytes.len())) else {
                self.input = bytes;
                return self.let_go(&receiver, Taken::NoRoom).await;
            };
            room.merge(more);
            let mut rest = bytes.iter();
            let is_whole = receiver.ingest(&mut rest, &mut mail);
            self.input = rest.as_slice().to_vec();
            if mail.len() > MAIL_BYTES_MAX {
                drop((mail, room));
                return if is_whole {
                    Ok(Taken::TooLarge)
                } else {
                    self.let_go(&receiver, Taken::TooLarge).await
                };
            }
            if is_whole {
                return Ok(Taken::Mail(mail, room));
            }
            self.read_more(self.door.options.limits.command_timeout).await?;
        }
    }

    /// Reads on to the dot and keeps nothing.
    async fn let_go(&mut self, receiver: &DataReceiver, taken: Taken) -> Result<Taken, End> {
        let mut rest = DummyDataReceiver::new_data(receiver);
        loop {
            let bytes = std::mem::take(&mut self.input);
            let mut left = bytes.iter();
            let is_whole = rest.ingest(&mut left);
            self.input = left.as_slice().to_vec();
            if is_whole {
                return Ok(taken);
            }
            self.read_more(self.door.options.limits.command_timeout).await?;
        }
    }

    async fn read_more(&mut self, limit: std::time::Duration) -> Result<(), End> {
        let begin = self.input.len();
        self.input.resize(begin + READ_BYTES, 0);
        let read = tokio::select! {
            biased;
            read = timeout(limit, self.stream.read(&mut self.input[begin..])) => {
                read.map_err(|_| End::Timeout).and_then(|read| Ok(read?))
            }
            () = self.place.lost() => Err(End::GaveWay),
        };
        self.input.truncate(begin + read.as_ref().copied().unwrap_or(0));
        match read? {
            0 => Err(End::Closed),
            _ => Ok(()),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), End> {
        self.output.extend_from_slice(text.as_bytes());
        if self.output.len() > ANSWER_BYTES { self.send_answers().await } else { Ok(()) }
    }

    async fn send_answers(&mut self) -> Result<(), End> {
        let answers = std::mem::take(&mut self.output);
        let limit = self.door.options.limits.command_timeout;
        timeout(limit, self.stream.write_all(&answers)).await.map_err(|_| End::Timeout)??;
        Ok(())
    }
}

enum Taken {
    Mail(Vec<u8>, OwnedSemaphorePermit),
    TooLarge,
    NoRoom,
}

/// A mail's part of the common room. The count of a semaphore has 32 bits, a mail is far smaller.
fn reckoned(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The envelope as the topmost fields of the mail.
fn head_of(envelope: &Envelope) -> Vec<u8> {
    let mut head = format!("Return-Path: <{}>\r\n", envelope.sender.as_deref().unwrap_or_default());
    for recipient in &envelope.recipients {
        head.push_str("Delivered-To: ");
        head.push_str(recipient);
        head.push_str("\r\n");
    }
    head.into_bytes()
}

/// An address that can stand in a header field; `None` when it cannot.
fn clean_path(address: &str) -> Option<String> {
    let is_clean = address.len() <= PATH_BYTES_MAX && !address.chars().any(char::is_control);
    is_clean.then(|| address.to_owned())
}
