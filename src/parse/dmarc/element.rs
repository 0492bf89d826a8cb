//! The elements of a report and where they stand.
//!
//! Source: the schemas of RFC 9990 appendix A and RFC 7489 appendix C; the latter's names for draft versions.

macro_rules! elements {
    ($($parent:ident { $($child:ident = $name:literal),+ $(,)? })+) => {
        /// An element that a report is made of, by its place: `dkim` in the row and in the results are two.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Element {
            /// Where the root element stands.
            Document,
            /// Any other element, with all that is in it.
            Unknown,
            $($($child),+),+
        }

        impl Element {
            /// The element of this name within this one.
            #[inline]
            pub(super) fn child(self, name: &str) -> Option<Self> {
                match self {
                    $(Self::$parent => match name { $($name => Some(Self::$child),)+ _ => None },)+
                    _ => None,
                }
            }

            #[inline]
            pub(super) const fn name(self) -> &'static str {
                match self {
                    Self::Document | Self::Unknown => "",
                    $($(Self::$child => $name),+),+
                }
            }

            /// Whether the element holds text and no elements.
            #[inline]
            pub(super) const fn is_leaf(self) -> bool {
                !matches!(self, Self::Unknown $(| Self::$parent)+)
            }
        }
    };
}

elements! {
    Document { Feedback = "feedback" }
    Feedback {
        Record = "record", Version = "version", Metadata = "report_metadata", Policy = "policy_published",
    }
    Metadata {
        OrgName = "org_name", Email = "email", ExtraContactInfo = "extra_contact_info", ReportId = "report_id",
        DateRange = "date_range", Error = "error", Generator = "generator",
    }
    DateRange { Begin = "begin", End = "end" }
    Policy {
        PolicyDomain = "domain", P = "p", Sp = "sp", Np = "np", Pct = "pct", Adkim = "adkim", Aspf = "aspf",
        Fo = "fo", Testing = "testing", DiscoveryMethod = "discovery_method",
    }
    Record { Row = "row", Identifiers = "identifiers", AuthResults = "auth_results" }
    Row { SourceIp = "source_ip", Count = "count", Evaluated = "policy_evaluated" }
    Evaluated { Disposition = "disposition", EvaluatedDkim = "dkim", EvaluatedSpf = "spf", Reason = "reason" }
    Reason { ReasonType = "type", ReasonComment = "comment" }
    Identifiers { HeaderFrom = "header_from", EnvelopeFrom = "envelope_from", EnvelopeTo = "envelope_to" }
    AuthResults { Dkim = "dkim", Spf = "spf" }
    Dkim {
        DkimDomain = "domain", DkimSelector = "selector", DkimResult = "result", DkimHumanResult = "human_result",
    }
    Spf { SpfDomain = "domain", SpfScope = "scope", SpfResult = "result", SpfHumanResult = "human_result" }
}

/// The name of the schema for one that reporters of drafts write instead.
pub(super) fn schema_name(name: &str) -> &str {
    match name {
        "identities" => "identifiers",
        name => name,
    }
}
