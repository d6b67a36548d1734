//! Calendar events (systemd.time(7)) in the form in which the manager reports them.

use std::fmt::Write as _;
use std::time::Duration;

const WEEKDAYS: &[(&str, &str)] = &[
    ("Mon", "Monday"),
    ("Tue", "Tuesday"),
    ("Wed", "Wednesday"),
    ("Thu", "Thursday"),
    ("Fri", "Friday"),
    ("Sat", "Saturday"),
    ("Sun", "Sunday"),
];

const SHORTHANDS: &[(&str, &str)] = &[
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("midnight", "*-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("anually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
];

/// The normal form of a calendar event, such as `*-*-* 04:00:00` for `04:00`. `None` for what is malformed, and for
/// what is too rare to be read here: time zones other than UTC, `~`, ranges with steps, years, fractions of seconds.
#[must_use]
pub fn normalize(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some((_, normal)) = SHORTHANDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Some((*normal).to_owned());
    }
    let mut parts: Vec<&str> = text.split_ascii_whitespace().collect();
    let zone = parts.pop_if(|last| last.eq_ignore_ascii_case("UTC")).map(|_| " UTC").unwrap_or_default();
    let time = parts.pop_if(|last| last.contains(':'));
    let date = parts.pop_if(|last| last.contains('-'));
    let days = parts.pop();
    if !parts.is_empty() || (time.is_none() && date.is_none() && days.is_none()) {
        return None;
    }
    let days = days.map_or(Some(String::new()), weekdays)?;
    let date = date.map_or(Some("*-*-*".to_owned()), |date| {
        let fields: Vec<&str> = date.split('-').collect();
        match fields.as_slice() {
            [month, day] | ["*", month, day] => {
                Some(format!("*-{}-{}", field(month, 1, 12)?, field(day, 1, 31)?))
            }
            _ => None,
        }
    })?;
    let time = time.map_or(Some("00:00:00".to_owned()), |time| {
        let fields: Vec<&str> = time.split(':').collect();
        let [hour, minute, rest @ ..] = fields.as_slice() else {
            return None;
        };
        let second = match rest {
            [] => "0",
            [second] => second,
            _ => return None,
        };
        Some(format!("{}:{}:{}", field(hour, 0, 23)?, field(minute, 0, 59)?, field(second, 0, 59)?))
    })?;
    Some(format!("{days}{date} {time}{zone}"))
}

/// The longest time between two events of a calendar event, rounded up to an hour, a day, a week, a month, or a year.
/// `None` where [`normalize`] says none.
#[must_use]
pub fn longest_pause(text: &str) -> Option<Duration> {
    let normal = normalize(text)?;
    let mut parts: Vec<&str> = normal.split(' ').filter(|part| *part != "UTC").collect();
    let hour = parts.pop()?.split(':').next()?;
    let mut date = parts.pop()?.split('-').skip(1);
    let (month, day) = (date.next()?, date.next()?);
    let hours = match (month, day, parts.is_empty(), hour) {
        ("*", "*", true, "*") => 1,
        ("*", "*", true, _) => 24,
        ("*", "*", false, _) => 7 * 24,
        ("*", ..) => 31 * 24,
        _ => 366 * 24,
    };
    Some(Duration::from_secs(hours * 60 * 60))
}

/// One field: `*`, or numbers, ranges `a..b` and repetitions `a/n`, separated by commas; in ascending order.
fn field(text: &str, lowest: u32, highest: u32) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let number = |text: &str| -> Option<u32> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|value| digits && (lowest..=highest).contains(value))
    };
    let mut items = Vec::new();
    for item in text.split(',') {
        let (start, end, step) = if let Some((start, step)) = item.split_once('/') {
            let start = if start == "*" { lowest } else { number(start)? };
            (start, None, Some(step.parse::<u32>().ok().filter(|step| *step > 0)?))
        } else if let Some((start, end)) = item.split_once("..") {
            (number(start)?, Some(number(end)?), None)
        } else {
            (number(item)?, None, None)
        };
        items.push((start, end, step));
    }
    items.sort_unstable();
    items.dedup();
    let mut normal = String::new();
    for (index, (start, end, step)) in items.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let end = end.map(|end| format!("..{end:02}")).unwrap_or_default();
        let step = step.map(|step| format!("/{step}")).unwrap_or_default();
        write!(normal, "{comma}{start:02}{end}{step}").ok()?;
    }
    Some(normal)
}

/// Days of the week, followed by a space: `Mon..Wed,Sat,Sun `; empty for all of them.
fn weekdays(text: &str) -> Option<String> {
    let day = |word: &str| {
        WEEKDAYS
            .iter()
            .position(|(short, long)| short.eq_ignore_ascii_case(word) || long.eq_ignore_ascii_case(word))
    };
    let mut days = [false; 7];
    for item in text.split(',') {
        let (first, last) = match item.split_once("..") {
            Some((first, last)) => (day(first)?, day(last)?),
            None => (day(item)?, day(item)?),
        };
        if first > last {
            return None;
        }
        days.get_mut(first..=last)?.fill(true);
    }
    if days.iter().all(|set| *set) {
        return Some(String::new());
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, _) in days.iter().enumerate().filter(|(_, set)| **set) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == index => *last = index,
            _ => runs.push((index, index)),
        }
    }
    let name = |index: usize| WEEKDAYS.get(index).map_or("", |(short, _)| *short);
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => name(first).to_owned(),
            1 => format!("{},{}", name(first), name(last)),
            _ => format!("{}..{}", name(first), name(last)),
        })
        .collect();
    Some(format!("{} ", runs.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_never_told_too_short() {
        for (text, hours) in [
            ("*:0/15", 1),
            ("hourly", 1),
            ("04:00", 24),
            ("*-*-* 04,16:00:00 UTC", 24),
            ("Sun 05:00", 7 * 24),
            ("Mon..Fri 04:00", 7 * 24),
            ("monthly", 31 * 24),
            ("quarterly", 366 * 24),
        ] {
            assert_eq!(longest_pause(text), Some(Duration::from_secs(hours * 3600)), "{text}");
        }
        assert_eq!(longest_pause("*-*~01"), None);
    }
    use std::process::Command;

    fn systemd_says(text: &str) -> Option<String> {
        let output = Command::new("systemd-analyze").args(["calendar", "--", text]).output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .find_map(|line| line.trim().strip_prefix("Normalized form: ").map(str::to_owned))
    }

    #[test]
    fn normal_forms_are_those_of_systemd_analyze() {
        for text in [
            "04:00",
            "*-*-* 04:00:00",
            "daily",
            "Hourly",
            "weekly",
            "monthly",
            "quarterly",
            "semiannually",
            "minutely",
            "yearly",
            "*:0/15",
            "*-*-* *:00/10:30",
            "Mon..Fri 8:30",
            "Sat,Sun 10:00",
            "Sun",
            "mon,tue,wed,fri 1:2:3",
            "*-1,7-01 3:00",
            "10-15",
            "Mon *-*-1..7 5:00 UTC",
            "Mon..Sun 4:00",
            "8..17:0",
            "*:5,1,3",
            "*:*:0/20",
            "Monday 0:00",
        ] {
            assert_eq!(normalize(text), systemd_says(text), "{text}");
        }
    }

    #[test]
    fn what_is_malformed_or_rare_has_no_normal_form() {
        for text in
            ["", "soon", "25:00", "4:61", "Foo 4:00", "4:00 Europe/Berlin", "2030-01-01", "*-*~1", "a b c d"]
        {
            assert_eq!(normalize(text), None, "{text}");
        }
    }
}
