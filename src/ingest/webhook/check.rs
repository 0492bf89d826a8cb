//! Whether a webhook is genuine: the one door to the checks of all providers.
//!
//! Way: `webhook` asks [`Check::admit`] before it takes the body in, and [`Check::verify`] once it has it.

use crate::ingest::webhook::certificate::Certificates;
use crate::ingest::webhook::refusal::Refusal;
use crate::ingest::webhook::secret::SecretCheck;
use crate::ingest::webhook::seen::Mark;
use crate::ingest::webhook::signed::Keys;
use crate::ingest::webhook::sns::{Envelope, SnsUrl, shown};
use crate::model::Timestamp;
use axum::http::HeaderMap;

/// How far a signed time may lie ahead of ours, in seconds: what clocks that nobody sets drift apart.
const AHEAD_SECONDS_MAX: i64 = 300;

/// How one provider's webhooks are checked.
pub(super) enum Check {
    Sns(SnsCheck),
    Signed { provider: &'static str, keys: Keys, tolerance_seconds: u32 },
    Secret(SecretCheck),
}

pub(super) struct SnsCheck {
    pub(super) topics: Vec<String>,
    pub(super) certificates: Certificates,
    pub(super) tolerance_seconds: u32,
}

/// A genuine message.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// What it is remembered by, and until when; none for a message that is bound to no time.
    pub(super) mark: Option<(Mark, Timestamp)>,
    /// The subscription that it asks us to confirm.
    pub(super) subscribe: Option<SnsUrl>,
}

impl Check {
    /// What the head of a request tells already.
    pub(super) fn admit(&self, headers: &HeaderMap, url_token: Option<&str>) -> Result<(), Refusal> {
        match self {
            Self::Secret(check) => check.verify(headers, url_token),
            Self::Sns(_) | Self::Signed { .. } => Ok(()),
        }
    }

    /// Checks a request that [`Check::admit`] let pass.
    pub(super) async fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        match self {
            Self::Secret(_) => Ok(Verified::default()),
            Self::Signed { provider, keys, tolerance_seconds } => {
                let signed = keys.verify(headers, body)?;
                let mark = match signed.at {
                    Some(at) => Some((signed.mark, in_time(provider, at, now, *tolerance_seconds)?)),
                    None => None,
                };
                Ok(Verified { mark, subscribe: None })
            }
            Self::Sns(check) => check.verify(body, now).await,
        }
    }

    /// Confirms the subscription that a message asked for. It is one of our topics, as its signature tells.
    pub(super) async fn confirm(&self, url: &SnsUrl) -> Result<(), Refusal> {
        match self {
            Self::Sns(check) => check.certificates.confirm(url).await.map_err(Refusal::NotConfirmed),
            Self::Signed { .. } | Self::Secret(_) => Ok(()),
        }
    }
}

impl SnsCheck {
    async fn verify(&self, body: &[u8], now: Timestamp) -> Result<Verified, Refusal> {
        let envelope = Envelope::read(body)?;
        // what costs nothing comes before anybody is asked for a certificate
        if !self.topics.contains(&envelope.topic_arn) {
            return Err(Refusal::ForeignTopic(shown(&envelope.topic_arn)));
        }
        let until = in_time("ses", envelope.at()?, now, self.tolerance_seconds)?;
        let certificate_url = envelope.certificate_url()?;
        let subscribe = envelope.subscribe_url()?;
        let certificate =
            self.certificates.get(&certificate_url, now).await.map_err(Refusal::NoCertificate)?;
        certificate.check_time(now).map_err(Refusal::BadCertificate)?;
        let mark = envelope.verify(&certificate)?;
        Ok(Verified { mark: Some((mark, until)), subscribe })
    }
}

/// Refuses a message that was signed too long ago, or in the future. Returns until when it would be taken.
fn in_time(
    provider: &'static str,
    at: Timestamp,
    now: Timestamp,
    tolerance_seconds: u32,
) -> Result<Timestamp, Refusal> {
    let age_seconds = now.seconds().saturating_sub(at.seconds());
    if age_seconds > i64::from(tolerance_seconds) {
        return Err(Refusal::Stale { provider, age_seconds, tolerance_seconds });
    }
    if age_seconds < -AHEAD_SECONDS_MAX {
        return Err(Refusal::FromTheFuture { ahead_seconds: age_seconds.saturating_neg() });
    }
    Ok(Timestamp::from_seconds(at.seconds().saturating_add(i64::from(tolerance_seconds))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_in_its_time_alone() {
        let at =
            |second| in_time("resend", Timestamp::from_seconds(second), Timestamp::from_seconds(1000), 60);
        assert_eq!(at(940).unwrap(), Timestamp::from_seconds(1000));
        assert_eq!(at(1300).unwrap(), Timestamp::from_seconds(1360));
        assert_eq!(at(939).unwrap_err().code(), "stale");
        assert_eq!(at(1301).unwrap_err().code(), "from_the_future");
        assert_eq!(at(i64::MIN).unwrap_err().code(), "stale");
        assert_eq!(at(i64::MAX).unwrap_err().code(), "from_the_future");
    }
}
