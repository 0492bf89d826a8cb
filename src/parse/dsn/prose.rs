//! Notices in prose: where the failed recipients stand in a text that keeps to no format, and what is said of each.
//!
//! Way: `dsn` asks for every notice; a delivery-status part outranks the recipients found here, and takes what it lacks
//! itself (the step of the conversation, the reply).
//!
//! The lines are marked by `phrases`. An address is weighed by where it stands:
//!
//! | weight | place |
//! | --- | --- |
//! | `Listed` | begins a line below one that says "could not be delivered to the following …"; or behind a label such as `Unknown user:`; or was refused in a transcript of SMTP |
//! | `Told` | in a sentence that says so, and not as the sender or as somebody to ask; or behind the code in a line of a transcript |
//! | `Alone` | begins a line of a text that speaks of a failure somewhere else |
//!
//! Only the heaviest that there is counts, so that a reply which names an alias adds no recipient. What stands below an
//! address, up to the next one, is said of it.
//! Source: the texts of mail servers, as far as they are told apart at all in `rooms`.
//! Not here: whether the mail is a notice (`dsn`).

mod place;
pub(super) mod said;
#[cfg(test)]
mod tests;

use crate::model::Text;
use crate::parse::dsn::lines::{self, Line};
use crate::parse::dsn::phrases::Marks;
use crate::parse::dsn::status::RECIPIENTS_MAX;
use crate::parse::dsn::transcript::{self, Refused};
use crate::parse::dsn::{address, reply};
use place::Label;

/// How much an address' place tells, see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Alone,
    Told,
    Listed,
}

/// A recipient and what the text says of it.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) address: Text,
    pub(super) original: Text,
    /// On one line; empty when the text says nothing of this one.
    pub(super) said: String,
}

/// What a text tells.
#[derive(Debug)]
pub(super) struct Prose<'t> {
    pub(super) lines: Vec<Line<'t>>,
    /// The text with single blanks for runs of them and for line ends.
    pub(super) flat: String,
    /// All marks of the text.
    pub(super) marks: Marks,
    /// The weight of the recipients; `None` when there are none.
    pub(super) weight: Option<Weight>,
    pub(super) recipients: Vec<Heard>,
    /// Users without a domain that stand where recipients are listed.
    pub(super) bare_users: Vec<Heard>,
}

/// Where a recipient stands.
#[derive(Debug, Clone)]
struct Head {
    line: usize,
    weight: Weight,
    address: Text,
    /// Behind the address in its line, or the whole line of a sentence.
    rest: String,
    /// Where what is said of it goes on.
    below: Below,
}

/// What of the lines below a recipient is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Nothing: the line says all.
    Nothing,
    /// Its paragraph; the next ones when it says nothing, or when only they hold a reply.
    Paragraph,
    /// Its paragraph and the next ones: a sentence only introduces them.
    All,
}

/// Reads a text from which the returned message has been cut. `strangers` are addresses that fail only when nobody
/// else does: whom the notice was sent to, and who sent it.
pub(super) fn read<'t>(text: &'t str, strangers: &[Text]) -> Prose<'t> {
    let (lines, flat, marks) = lines::mark(text);
    let (mut heads, bare_users) = heads(&lines, marks);
    // A transcript tells who failed where no list does; else it only tells why.
    let mut refused = transcript::refused(&lines);
    if !heads.iter().any(|head| head.weight == Weight::Listed) {
        let as_head = |one: Refused| Head {
            line: one.line,
            weight: Weight::Listed,
            address: one.address,
            rest: one.said,
            below: Below::Nothing,
        };
        heads.extend(refused.drain(..).map(as_head));
    }
    let weight = pick(&mut heads, strangers);
    heads.sort_by_key(|head| head.line);
    let mut recipients = said::hear(&lines, &heads);
    for one in &mut recipients {
        if let Some(refused) =
            refused.iter().find(|refused| refused.address == one.address && !reply::has_code(&one.said))
        {
            one.said.clone_from(&refused.said);
        }
    }
    Prose { lines, flat, marks, weight, recipients, bare_users }
}

/// Goes over the lines and weighs every address.
fn heads(lines: &[Line<'_>], page: Marks) -> (Vec<Head>, Vec<Heard>) {
    let mut heads: Vec<Head> = Vec::new();
    let mut bare_users = Vec::new();
    // Whether a line above says that recipients follow, and whether one did.
    let (mut is_open, mut has_head) = (false, false);
    let mut head_indent = 0;
    let mut above: Option<&Line<'_>> = None;
    let mut was_blank = true;
    for (number, line) in lines.iter().enumerate() {
        if line.is_blank() {
            was_blank = true;
            continue;
        }
        let opens = line.marks.has(Marks::FAIL.with(Marks::LIST));
        let about_contact = above.is_some_and(|above| {
            let goes_on = !was_blank || above.text.ends_with(':');
            goes_on && above.marks.has(Marks::CONTACT) && !above.marks.has(Marks::LIST.with(Marks::FAIL))
        });
        let has_address =
            memchr::memchr(b'@', line.text.as_bytes()).is_some() && !transcript::is_spoken(line.text);
        let leading = if has_address { place::leading(line.bare()) } else { None };
        if let Some((found, rest)) = leading.filter(|_| !about_contact) {
            // Deeper lines below a recipient go on with what is said of it.
            let is_inside = has_head && !was_blank && line.indent() > head_indent;
            if !is_inside {
                let weight = if is_open || follows_reason(above) { Weight::Listed } else { Weight::Alone };
                if weight == Weight::Listed || page.has(Marks::FAIL.with(Marks::REASON)) {
                    heads.push(Head {
                        line: number,
                        weight,
                        address: found.normal(),
                        rest: rest.to_owned(),
                        below: Below::Paragraph,
                    });
                    (has_head, head_indent) = (true, line.indent());
                }
            }
        } else if has_address {
            let inside = has_head && !was_blank;
            in_sentence(lines, number, is_open && !inside, &mut heads);
        } else if is_open && !has_head && bare_users.len() < RECIPIENTS_MAX {
            bare_users.extend(bare_user(line));
        }
        if opens {
            is_open = true;
        } else if leading.is_none() && was_blank && has_head && line.indent() == 0 {
            // A new paragraph that does not go on about failures: the list is over.
            (is_open, has_head) = (is_open && line.marks.has(Marks::REASON), false);
        }
        if heads.len() >= RECIPIENTS_MAX {
            break;
        }
        (above, was_blank) = (Some(line), false);
    }
    (heads, bare_users)
}

/// `The user's account is disabled.` right above an address speaks of it.
fn follows_reason(above: Option<&Line<'_>>) -> bool {
    above.is_some_and(|above| above.marks.has(Marks::REASON) && !above.text.contains('@'))
}

/// Weighs the addresses of a line that does not begin with one.
fn in_sentence(lines: &[Line<'_>], number: usize, is_open: bool, heads: &mut Vec<Head>) {
    let line = &lines[number];
    let near = sentence_marks(lines, number);
    for found in address::find_all(line.text) {
        let before = line.text[..found.begin].trim_end();
        let weight = match place::label(before) {
            Some(Label::Recipient) => Some(Weight::Listed),
            Some(Label::To) if is_open || near.has(Marks::FAIL.with(Marks::REASON)) => Some(Weight::Told),
            Some(Label::To) => Some(Weight::Alone),
            Some(Label::Other) => None,
            None if near.has(Marks::CONTACT) && !near.has(Marks::FAIL.with(Marks::REASON)) => None,
            None if place::is_stranger_by(before) => None,
            None if place::is_short_telling(before, &line.text[found.end..]) => Some(Weight::Listed),
            None => near.has(Marks::FAIL.with(Marks::REASON)).then_some(Weight::Told),
        };
        if let Some(weight) = weight {
            let below = if weight == Weight::Told { Below::All } else { Below::Paragraph };
            heads.push(Head {
                line: number,
                weight,
                address: found.normal(),
                rest: line.text.to_owned(),
                below,
            });
        }
    }
}

/// The marks of a line and of what its sentence goes on to above and below.
fn sentence_marks(lines: &[Line<'_>], number: usize) -> Marks {
    let mut marks = lines[number].marks;
    if let Some(above) = number.checked_sub(1).map(|above| &lines[above])
        && !above.is_blank()
        && !above.text.ends_with(['.', ';', '!'])
    {
        marks = marks.with(above.marks);
    }
    if let Some(below) = lines.get(number + 1)
        && !lines[number].text.ends_with(['.', ';', '!'])
    {
        marks = marks.with(below.marks);
    }
    marks
}

/// A user without a domain in a list of recipients: `    bob (user not found)`.
fn bare_user(line: &Line<'_>) -> Option<Heard> {
    const USER_BYTES_MAX: usize = 64;
    let bare = line.bare().trim_start_matches(['*', '-', ' ', '\t']);
    let is_set_off = bare.len() < line.text.len();
    let user = bare.split([' ', '\t', ':', '(']).next()?;
    let behind = &bare[user.len()..];
    let rest = behind.trim_start();
    let is_user = (2..=USER_BYTES_MAX).contains(&user.len())
        && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte));
    // Two blanks divide columns.
    let is_whole = rest.is_empty()
        || rest.starts_with(['(', ':'])
        || rest.starts_with("...")
        || behind.starts_with("  ");
    (is_set_off && is_user && is_whole).then(|| Heard {
        address: Text::from(user).to_lowercase(),
        original: Text::default(),
        said: reply::unfold(rest),
    })
}

/// Keeps the heaviest heads, without those who fail only when nobody else does.
fn pick(heads: &mut Vec<Head>, strangers: &[Text]) -> Option<Weight> {
    let is_stranger = |head: &Head| strangers.contains(&head.address);
    for weight in [Weight::Listed, Weight::Told, Weight::Alone] {
        if heads.iter().any(|head| head.weight == weight && !is_stranger(head)) {
            heads.retain(|head| head.weight == weight && !is_stranger(head));
            return Some(weight);
        }
        // One who wrote to himself fails only where he is listed.
        if weight == Weight::Listed && heads.iter().any(|head| head.weight == weight) {
            heads.retain(|head| head.weight == weight);
            return Some(weight);
        }
    }
    heads.clear();
    None
}
