//! `/dmarc/reports/{key}`: one report with its records, how far it is believed, and as it came.

use crate::store::query::{DmarcRecordRow, DmarcReportHead};
use crate::web::SharedSite;
use crate::web::error::PageError;
use crate::web::format;
use crate::web::pages::dmarc::raw::{RawReport, report_in};
use crate::web::pages::dmarc::{apart, records, share_text};
use crate::web::parts::{Layout, NavPage, Table};
use askama::Template;
use axum::extract::Path;
use axum::response::Html;

/// Records on the page; larger reports are exported.
const RECORDS_MAX: u32 = 500;

#[derive(Template)]
#[template(path = "pages/dmarc_report.html")]
struct ReportPage {
    layout: Layout,
    title: String,
    standing: String,
    is_apart: bool,
    facts: Vec<(&'static str, String)>,
    /// What the reporter says went wrong there, and what was odd in reading.
    errors: Vec<String>,
    warnings: Vec<String>,
    records: Table,
    records_note: String,
    mail_href: Option<String>,
    raw: Option<RawReport>,
}

pub(super) async fn show(site: SharedSite, Path(key): Path<String>) -> Result<Html<String>, PageError> {
    let head = site.store().dmarc_report(&key).await?.ok_or(PageError::NotFound("such report"))?;
    let (rows, mail) = tokio::try_join!(
        site.store().dmarc_report_records(&head.report_key, 0, RECORDS_MAX),
        site.store().mail(&head.mail_id),
    )?;
    let has_mail = mail.is_some();
    let report_id = head.report_id.clone();
    // Unpacking takes longer than other pages may wait; without an answer there is nothing to show.
    let unpacked = tokio::task::spawn_blocking(move || report_in(&mail?.bytes, &report_id)).await;
    let raw = unpacked.unwrap_or_default();
    let layout = Layout::plain(&site, NavPage::Dmarc, "DMARC report");
    Ok(Html(page(layout, &head, &rows, has_mail, raw).render()?))
}

fn page(
    layout: Layout,
    head: &DmarcReportHead,
    rows: &[DmarcRecordRow],
    has_mail: bool,
    raw: Option<RawReport>,
) -> ReportPage {
    let is_apart = head.standing != "counted";
    let standing = if is_apart {
        format!("{}, kept apart: {}", head.standing, apart::reason(&head.standing).replace('`', ""))
    } else {
        "counted".to_owned()
    };
    ReportPage {
        layout,
        title: format!("{} on {}", head.reporter, head.policy_domain),
        standing,
        is_apart,
        facts: facts(head),
        errors: head.errors.clone(),
        warnings: head.warnings.clone(),
        records: records::table(rows, false),
        records_note: if rows.len() < RECORDS_MAX as usize {
            String::new()
        } else {
            format!("The first {RECORDS_MAX} of {} records", format::count(head.records))
        },
        mail_href: has_mail.then(|| format!("/mails/{}", head.mail_id)),
        raw,
    }
}

fn facts(head: &DmarcReportHead) -> Vec<(&'static str, String)> {
    let time = |unix: u32| {
        if unix == 0 { String::new() } else { format!("{} UTC", format::minute(i64::from(unix))) }
    };
    let authenticity = match (head.authenticity.as_str(), head.evidence.as_str()) {
        (verdict, "") => verdict.to_owned(),
        (verdict, evidence) => format!("{verdict}: {evidence}"),
    };
    let tags = [
        ("p", head.p.clone()),
        ("sp", head.sp.clone()),
        ("np", head.np.clone()),
        ("pct", head.pct.map(|pct| pct.to_string()).unwrap_or_default()),
        ("adkim", head.adkim.clone()),
        ("aspf", head.aspf.clone()),
        ("fo", head.fo.clone()),
        ("t", head.testing.clone()),
    ];
    let tags = tags.into_iter().filter(|(_, value)| !value.is_empty());
    let policy = tags.map(|(tag, value)| format!("{tag}={value}")).collect::<Vec<_>>().join(" ");
    let share = |part| format!("{} ({})", format::count(part), share_text(part, head.messages));
    let all = [
        ("From", time(head.begin_unix)),
        ("To", time(head.end_unix)),
        ("Messages", format::count(head.messages)),
        ("Aligned", share(head.dmarc_aligned)),
        ("Aligned by DKIM", share(head.dkim_aligned)),
        ("Aligned by SPF", share(head.spf_aligned)),
        ("Records", format::count(head.records)),
        ("Read to its end", if head.is_complete { "yes" } else { "no, it was cut off" }.to_owned()),
        ("Policy", policy),
        ("Policy found by", head.discovery_method.clone()),
        ("Authenticity of the mail", authenticity),
        ("Organisation", head.org_name.clone()),
        ("Reply address", head.email.clone()),
        ("Contact", head.contact.clone()),
        ("Report ID", head.report_id.clone()),
        ("Version", head.version.clone()),
        ("Generator", head.generator.clone()),
        ("Came in", format!("{} UTC", format::instant_us(head.received_time_us))),
        ("Source", format!("{}:{}", head.source_kind, head.source)),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> DmarcReportHead {
        DmarcReportHead {
            reporter: "receiver.example".to_owned(),
            policy_domain: "shop.example".to_owned(),
            messages: 10,
            dmarc_aligned: 9,
            standing: "forged".to_owned(),
            authenticity: "fail".to_owned(),
            evidence: "dkim=fail".to_owned(),
            errors: vec!["quota exceeded".to_owned()],
            warnings: vec!["`pct` is 101".to_owned()],
            mail_id: "m".to_owned(),
            ..DmarcReportHead::default()
        }
    }

    fn html(has_mail: bool, raw: Option<RawReport>) -> String {
        page(Layout::bare("Report"), &head(), &[], has_mail, raw).render().unwrap()
    }

    #[test]
    fn a_report_says_how_far_it_is_believed() {
        let html = html(false, None);
        for told in
            ["forged, kept apart", "fail: dkim=fail", "quota exceeded", "`pct` is 101", "9 (90.0\u{202f}%)"]
        {
            assert!(html.contains(told), "{told}: {html}");
        }
        assert!(html.contains("no, it was cut off"));
        assert!(!html.contains("/mails/"), "its mail is gone");
    }

    #[test]
    fn the_raw_report_is_shown_and_not_run() {
        let raw = RawReport { text: "<script>alert(1)</script>".to_owned(), is_cut: true };
        let html = html(true, Some(raw));
        assert!(html.contains("&#60;script&#62;alert") && html.contains("/mails/m"), "{html}");
    }
}
