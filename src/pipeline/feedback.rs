//! Mail that came back: bounces, delays, complaints, answers of machines become events.
//!
//! Way: `assemble` hands over a mail as it came; `parse::mail` says what it is; the events made of it are held with
//! their [`Clues`] until the batch is cut, then `attribute` finds the message that each is about.
//! Not here: reports on a period (`reports`), what a failure means (`classify`).

use crate::model::{
    BounceOrigin, Clarity, Complaint, ComplaintRecipient, Event, EventId, EventType, ItemCounts, Keyring,
    MailHead, Mark, MarkCheck, NamedBy, Notice, NoticeAction, NoticeRecipient, ReturnedMessage, SourceKind,
    Text, Timestamp, domain_of,
};
use crate::parse::mail::{self, Content, Mail};
use crate::parse::{Item, Reject};
use crate::pipeline::assemble::{Assembler, Tally};
use crate::pipeline::attribute::{Clues, MarkPlace};
use crate::pipeline::draft::{Draft, HeldEvent, HeldItem, HeldReports, minute_of};
use crate::pipeline::kept::{self, kept};
use crate::pipeline::known::Seen;
use crate::pipeline::reports::{BARE_REPORT, add_wanted, bytes_of};
use crate::spool::Entry;
use crate::store::MailEntry;
use crate::suppression::rules::LIST_TAG;
use crate::suppression::unsubscribe::Leaving;
use std::collections::HashSet;

/// How far the date of a mail may lie ahead of its arrival before it is not believed, in seconds.
const AHEAD_S_MAX: i64 = 86_400;

/// By what our own marks are known.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// Without keys no mark is looked for.
    pub keys: Option<Keyring>,
    /// How long a mark counts.
    pub days: u16,
    /// The domain of our return paths, by which a reference in a header leads to its message.
    pub domain: Option<Text>,
    /// Keys of unsubscribe links; without any, no request by mail is known as genuine by its token.
    pub unsubscribe_keys: Option<Keyring>,
}

/// An event with what leads to its message.
struct Found {
    event: Event,
    clues: Clues,
}

impl Assembler {
    pub(super) fn add_mail(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        item: &Item<'_>,
        tally: &mut Tally,
    ) -> Result<(), Reject> {
        let mail = mail::read(item.bytes)?;
        let kind = mail.kind();
        let head = &mail.head;
        let feedback_loop = self.verdicts.get(&entry.seq).and_then(|verdict| verdict.feedback_loop.clone());
        let context =
            || Context { feedback_loop: feedback_loop.clone(), ..Context::new(head, item, &self.marks) };
        let found = match mail.content {
            Content::Notice(notice) => context().notice(&notice),
            Content::Complaint(complaint) => context().complaint(&complaint),
            Content::AutoReply => vec![context().answer(EventType::Autoreply)],
            Content::Challenge => vec![context().answer(EventType::Challenge)],
            Content::Reports(parts) => {
                let kept = kept(item, kind.name(), head, kept::REPORT_BYTES_MAX);
                return self.add_parts(draft, entry, kept, &bytes_of(&parts), tally);
            }
            Content::DmarcFailure(report) => {
                let kept = kept(item, kind.name(), head, kept::FEEDBACK_BYTES_MAX);
                self.add_failure(draft, entry, kept, (head, &mail.warnings), report, tally);
                return Ok(());
            }
            Content::Unsubscribe => vec![context().unsubscribe()],
            Content::Other => Vec::new(),
            Content::Broken(_, reject) => return Err(reject),
        };
        if found.is_empty() {
            tally.counts.no_event += 1;
            return Ok(());
        }
        let kept = kept(item, kind.name(), head, kept::FEEDBACK_BYTES_MAX);
        self.hold(draft, entry, found, kept, tally);
        Ok(())
    }

    /// Reads a mail again, for those of its reports that the store did not know.
    pub(super) fn settle_reports(
        &mut self,
        draft: &mut Draft,
        HeldReports { entry, keys }: HeldReports,
        known: &HashSet<u128>,
    ) {
        let wanted: HashSet<u128> = keys.difference(known).copied().collect();
        let mut counts = ItemCounts { duplicate: 1, ..ItemCounts::default() };
        let mut stored = 0;
        let item = Item { source: &entry.source, bytes: &entry.payload, offset: 0, received: entry.received };
        let read = (entry.source.kind == SourceKind::Mail).then(|| mail::read(item.bytes).ok()).flatten();
        let (kind, head, parts) = match &read {
            Some(mail @ Mail { content: Content::Reports(parts), head, .. }) => {
                (mail.kind().name(), head, bytes_of(parts))
            }
            _ => (BARE_REPORT, &MailHead::default(), vec![item.bytes]),
        };
        let kept = kept(&item, kind, head, kept::REPORT_BYTES_MAX);
        if !wanted.is_empty() {
            let origin = self.origin(&entry, &kept);
            stored = add_wanted(&self.report_options, &origin, &parts, &mut draft.batch, &wanted).stored;
        }
        if stored > 0 {
            draft.keep_mail(kept);
            counts = ItemCounts { stored: 1, ..ItemCounts::default() };
        }
        draft.count(&entry.source, minute_of(&entry), &counts, stored);
    }

    fn hold(
        &mut self,
        draft: &mut Draft,
        entry: &Entry,
        found: Vec<Found>,
        mail: MailEntry,
        tally: &mut Tally,
    ) {
        let mut events = Vec::with_capacity(found.len());
        for Found { mut event, clues } in found {
            event.mail_id = mail.mail_id;
            match self.see(&mut event, entry) {
                Seen::Known => {}
                seen => {
                    events.push(HeldEvent { event, clues: Some(clues), is_unsure: seen == Seen::Unsure });
                }
            }
        }
        if events.is_empty() {
            tally.counts.duplicate += 1;
            return;
        }
        draft.hold(HeldItem::new(entry, events, Some(mail)));
    }
}

/// What the events of one mail share.
struct Context<'a> {
    head: &'a MailHead,
    item: &'a Item<'a>,
    marks: &'a Marks,
    /// Made of what does not change on the way: the same mail through two doors is one.
    identity: EventId,
    time: Timestamp,
    /// The sender, if it is genuine and known to run a feedback loop.
    feedback_loop: Option<Text>,
}

impl<'a> Context<'a> {
    fn new(head: &'a MailHead, item: &'a Item<'a>, marks: &'a Marks) -> Self {
        // A server on the way adds to the head, never to the body.
        let identity = EventId::of([
            b"feedback".as_slice(),
            head.message_id.as_bytes(),
            head.from.as_bytes(),
            body_of(item.bytes),
        ]);
        let ahead = Timestamp(item.received.0.saturating_add(AHEAD_S_MAX * 1_000_000));
        let time = head.date.filter(|date| *date <= ahead && date.0 > 0).unwrap_or(item.received);
        Self { head, item, marks, identity, time, feedback_loop: None }
    }

    fn notice(&self, notice: &Notice) -> Vec<Found> {
        notice.recipients.iter().map(|recipient| self.notice_of(notice, recipient)).collect()
    }

    fn notice_of(&self, notice: &Notice, recipient: &NoticeRecipient) -> Found {
        let event_type = match recipient.action {
            NoticeAction::Failed => EventType::Bounced,
            NoticeAction::Delayed => EventType::DelayedNotice,
            NoticeAction::Delivered | NoticeAction::Relayed | NoticeAction::Expanded => {
                EventType::DeliveredNotice
            }
        };
        let sent_to = recipient.sent_to();
        let event = Event {
            event_id: self.event_id(event_type, &recipient.final_recipient),
            bounce_origin: BounceOrigin::Async,
            mx_host: recipient.remote_mta.clone(),
            reply: recipient.reply.clone(),
            relay_dsn: recipient.status_field,
            reporting_mta: notice.reporting_mta.clone(),
            envid: notice.envid.clone(),
            feedback_type: Text::const_new(notice.format),
            ..self.event(event_type, sent_to.clone(), &notice.returned)
        };
        let recipients = [sent_to.clone(), recipient.final_recipient.clone()];
        let clues = self.clues(&notice.returned, [&notice.envid], recipients);
        Found { event, clues }
    }

    /// One event for each recipient that the report names surely, else one that names none.
    fn complaint(&self, complaint: &Complaint) -> Vec<Found> {
        let event_type =
            if complaint.feedback_type.is_complaint() { EventType::Complained } else { EventType::NotSpam };
        let is_sure = |recipient: &&ComplaintRecipient| {
            recipient.clarity == Clarity::Clear
                && (recipient.named_by != NamedBy::ReturnedTo || complaint.recipients.len() == 1)
        };
        let sure: Vec<&ComplaintRecipient> = complaint.recipients.iter().filter(is_sure).collect();
        if sure.is_empty() {
            return vec![self.complaint_of(event_type, complaint, None)];
        }
        sure.into_iter().map(|recipient| self.complaint_of(event_type, complaint, Some(recipient))).collect()
    }

    fn complaint_of(
        &self,
        event_type: EventType,
        complaint: &Complaint,
        recipient: Option<&ComplaintRecipient>,
    ) -> Found {
        let address = recipient.map(|recipient| recipient.address.clone()).unwrap_or_default();
        let mut returned = complaint.returned.clone();
        if !complaint.original_mail_from.is_empty() {
            returned.return_path.clone_from(&complaint.original_mail_from);
        }
        let mut event = Event {
            event_id: self.event_id(event_type, &address),
            feedback_type: Text::const_new(complaint.feedback_type.name()),
            user_agent: complaint.user_agent.clone(),
            reporting_mta: complaint.reporting_mta.clone(),
            reported_ip: complaint.source_ip,
            envid: complaint.original_envelope_id.clone(),
            ..self.event(event_type, address.clone(), &returned)
        };
        // Whose user it was is told by a hidden recipient, too.
        if let (true, Some(hidden)) = (address.is_empty(), complaint.recipients.first()) {
            event.recipient_domain = domain_of(&hidden.address).into();
            event.meta.push((Text::const_new("hidden_recipient"), hidden.clarity.name().into()));
        }
        if complaint.incidents > 1 {
            event.meta.push((Text::const_new("incidents"), complaint.incidents.to_string().into()));
        }
        let mut clues = self.clues(&returned, [&complaint.original_envelope_id], [address]);
        clues.feedback_loop.clone_from(&self.feedback_loop);
        Found { event, clues }
    }

    fn answer(&self, event_type: EventType) -> Found {
        let from = crate::model::normalize_address(&self.head.from);
        let returned =
            ReturnedMessage { message_id: self.head.in_reply_to.clone(), ..ReturnedMessage::default() };
        let event = Event {
            event_id: self.event_id(event_type, &from),
            ..self.event(event_type, from.clone(), &returned)
        };
        let clues = self.clues(&returned, [], [from]);
        Found { event, clues }
    }

    /// A request by mail. The token of our link in the subject proves who leaves what; without one, it is an answer
    /// like any other.
    fn unsubscribe(&self) -> Found {
        let token = self.head.subject.split_ascii_whitespace().next_back().unwrap_or_default();
        let keys = self.marks.unsubscribe_keys.as_ref();
        let leaving = keys.and_then(|keys| Leaving::read(token, keys, self.item.received).ok());
        let Some(Leaving { address, tenant, stream, list }) = leaving else {
            return self.answer(EventType::Unsubscribed);
        };
        let mut event = Event {
            event_id: self.event_id(EventType::Unsubscribed, &address),
            tenant,
            stream,
            feedback_type: Text::const_new("mailto"),
            ..self.event(EventType::Unsubscribed, address.clone(), &ReturnedMessage::default())
        };
        if !list.is_empty() {
            event.tags.push((Text::const_new(LIST_TAG), list));
        }
        let clues = Clues { recipients: vec![address], has_signed_link: true, ..Clues::default() };
        Found { event, clues }
    }

    fn event(&self, event_type: EventType, recipient: Text, returned: &ReturnedMessage) -> Event {
        Event {
            event_type,
            event_time: self.time,
            recipient_domain: domain_of(&recipient).into(),
            recipient,
            message_id: returned.message_id.clone(),
            env_from: returned.return_path.clone(),
            env_from_domain: domain_of(&returned.return_path).into(),
            header_from_domain: domain_of(&returned.from).into(),
            ..Event::default()
        }
    }

    fn event_id(&self, event_type: EventType, recipient: &str) -> EventId {
        EventId::of([&self.identity.0.to_be_bytes(), event_type.name().as_bytes(), recipient.as_bytes()])
    }

    fn clues<const E: usize, const R: usize>(
        &self,
        returned: &ReturnedMessage,
        envids: [&Text; E],
        recipients: [Text; R],
    ) -> Clues {
        let mut clues = Clues { queue_ids: returned.queue_ids.clone(), ..Clues::default() };
        let given = |text: &&Text| !text.is_empty();
        clues.message_ids.extend([&returned.message_id].into_iter().filter(given).cloned());
        clues.envids.extend(envids.into_iter().filter(given).cloned());
        for recipient in recipients {
            if !recipient.is_empty() && !clues.recipients.contains(&recipient) {
                clues.recipients.push(recipient);
            }
        }
        self.look_for_mark(returned, &mut clues);
        clues
    }

    /// Checks the first mark of ours that the mail bears, in the address that it came to or in what it returns.
    fn look_for_mark(&self, returned: &ReturnedMessage, clues: &mut Clues) {
        let Some(keys) = &self.marks.keys else { return };
        let addresses = [&self.head.delivered_to, &self.head.to, &returned.return_path];
        let references = [&returned.relaylens_ref, &returned.cfbl_feedback_id];
        let of_address = |address: &&Text| Some((Mark::of_return_path(address)?, Some((*address).clone())));
        let of_reference = |text: &&Text| Some((Mark::of_reference(text)?, None));
        let found =
            addresses.iter().find_map(of_address).or_else(|| references.iter().find_map(of_reference));
        let Some((mark, return_path)) = found else { return };
        let check = |recipient: &str| mark.check(keys, recipient, self.item.received, self.marks.days);
        let checks = clues.recipients.iter().map(|recipient| check(recipient));
        // The best one: a notice may name the recipient by two addresses.
        let best = checks.chain([check("")]).min();
        // A complaint that hides its recipient cannot be checked against him, which speaks neither for nor against it.
        clues.mark = best.filter(|check| *check != MarkCheck::Wrong || !clues.recipients.is_empty());
        clues.mark_place = if return_path.is_some() { MarkPlace::ReturnPath } else { MarkPlace::Header };
        let of_path = |path: Text| domain_of(&crate::model::normalize_address(&path)).into();
        let domain = return_path.map(of_path).or_else(|| self.marks.domain.clone());
        clues.return_paths.extend(domain.map(|domain| mark.return_path(&domain)));
    }
}

/// What follows the head.
fn body_of(mail: &[u8]) -> &[u8] {
    let end = |gap: &[u8]| memchr::memmem::find(mail, gap).map(|at| at + gap.len());
    let at = match (end(b"\r\n\r\n"), end(b"\n\n")) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other).unwrap_or(0),
    };
    &mail[at..]
}
