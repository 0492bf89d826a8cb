//! Classifies events, with a memory: most replies of a relay are of few kinds.
//!
//! Way: `pipeline` holds one [`Classifier`] and hands it every event; the reader of delivery status notifications
//! asks it by [`Classifier::classify`].
//! Not here: the rules (`rules`), the table of kinds (`bounce`), the providers (`provider`).

use crate::classify::bounce::{Facts, Outcome, ReplyView, Verdict};
use crate::classify::provider::{LOCAL, ProviderTable};
use crate::classify::rules::BounceRules;
use crate::classify::{reply, template};
use crate::model::{BounceOrigin, BounceType, Event, EventType, SmtpStage, Text};
use lru::LruCache;
use std::num::NonZeroUsize;

/// Verdicts remembered. A relay with every large provider sees some thousand kinds of replies; an entry has about
/// 100 bytes.
pub const CACHE_ENTRIES: NonZeroUsize = NonZeroUsize::new(16 * 1024).expect("not zero");

/// What a verdict depends on: the rules look at nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    provider: Text,
    format: Text,
    facts: Facts,
    stage: SmtpStage,
    template_hash: u64,
}

/// Rules, providers and the verdicts given so far.
#[derive(Debug)]
pub struct Classifier {
    providers: ProviderTable,
    rules: BounceRules,
    cache: LruCache<CacheKey, Verdict>,
    /// Kept for its memory: the template under work.
    template: String,
}

impl Classifier {
    /// With the shipped providers and these rules. `cache_entries` bounds the memory, see [`CACHE_ENTRIES`].
    pub fn new(rules: BounceRules, cache_entries: NonZeroUsize) -> Self {
        let cache = LruCache::new(cache_entries);
        Self { providers: ProviderTable::shipped(), rules, cache, template: String::new() }
    }

    pub fn rules(&self) -> &BounceRules {
        &self.rules
    }

    pub fn providers(&self) -> &ProviderTable {
        &self.providers
    }

    /// Classifies one reply.
    pub fn classify(&mut self, view: &ReplyView<'_>) -> Verdict {
        self.look_up(view).0
    }

    /// Fills in what `classify` is to say about an event: `mailbox_provider`, `response_tmpl` and, for an event
    /// with a failure to explain ([`EventType::has_bounce_class`]), `bounce_reason` and `bounce_type`.
    pub fn apply(&mut self, event: &mut Event) {
        self.set_provider(event);
        if !event.event_type.has_bounce_class() {
            if !event.reply.text.is_empty() {
                self.template.clear();
                template::write_template(
                    &reply::fold(&event.reply.text, event.reply.code).text,
                    &mut self.template,
                );
                event.response_tmpl = template::template_hash(&self.template);
            }
            return;
        }
        let view = ReplyView {
            code: event.reply.code,
            enhanced: event.reply.enhanced,
            relay_dsn: event.relay_dsn,
            text: &event.reply.text,
            provider: &event.mailbox_provider,
            stage: event.reply.stage,
            outcome: outcome_of(event.event_type),
            // of a notice, the reader has put its form there
            format: if event.bounce_origin == BounceOrigin::Async { &event.feedback_type } else { "" },
        };
        let (verdict, template_hash) = self.look_up(&view);
        if !event.reply.text.is_empty() {
            event.response_tmpl = template_hash;
        }
        event.bounce_reason = Some(verdict.reason);
        event.bounce_type = match verdict.bounce_type {
            // The relay's own door is no receiver: what it refuses there is a matter of the sender's own side.
            BounceType::Block if event.event_type == EventType::Rejected => BounceType::Admin,
            bounce_type => bounce_type,
        };
    }

    fn set_provider(&self, event: &mut Event) {
        if event.event_type == EventType::DeliveredLocal {
            event.mailbox_provider = LOCAL.into();
        } else if !(event.recipient_domain.is_empty() && event.mx_host.is_empty()) {
            event.mailbox_provider = self.providers.find(&event.mx_host, &event.recipient_domain).into();
        }
    }

    /// The verdict and the hash of the reply's template.
    fn look_up(&mut self, view: &ReplyView<'_>) -> (Verdict, u64) {
        let folded = reply::fold(view.text, view.code);
        let facts = Facts::of(view, &folded);
        self.template.clear();
        template::write_template(&folded.text, &mut self.template);
        let template_hash = template::template_hash(&self.template);
        let (provider, format) = (view.provider.into(), view.format.into());
        let key = CacheKey { provider, format, facts, stage: view.stage, template_hash };
        if let Some(verdict) = self.cache.get(&key) {
            return (*verdict, template_hash);
        }
        let verdict = self.rules.verdict(view, &facts, &self.template);
        self.cache.put(key, verdict);
        (verdict, template_hash)
    }
}

const fn outcome_of(event_type: EventType) -> Outcome {
    match event_type {
        EventType::Deferred => Outcome::Deferred,
        EventType::Bounced | EventType::Rejected => Outcome::Failed,
        EventType::Expired => Outcome::Expired,
        _ => Outcome::Unknown,
    }
}
