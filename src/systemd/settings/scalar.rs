//! Single values as systemd reads them. `None` is what it would ignore with a warning.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

/// `yes`, `off`, `1`, … (systemd.syntax(7)).
pub(super) fn flag(text: &str) -> Option<bool> {
    let is_any = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is_any(&["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else if is_any(&["0", "no", "n", "false", "f", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// An access mode or mask.
pub(super) fn octal(text: &str) -> Option<i64> {
    i64::from_str_radix(text, 8).ok().filter(|mode| (0..=0o7777).contains(mode))
}

/// A size with the suffixes K, M, G, T, P, E to the base 1024, or `infinity`; a percentage depends on the machine.
pub(super) fn bytes(text: &str) -> Option<u64> {
    if text == "infinity" {
        return Some(u64::MAX);
    }
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G', 'T', 'P', 'E', 'B']) {
        None => (text, 0),
        Some(number) => {
            let place = "BKMGTPE".find(text.get(number.len()..)?)?;
            (number, 10 * u32::try_from(place).ok()?)
        }
    };
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(1_u64.checked_shl(shift)?)
}

/// A share of processor time such as `20%`, in microseconds per second.
pub(super) fn quota(text: &str) -> Option<u64> {
    let percent: u64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    percent.checked_mul(10_000).filter(|micros| *micros > 0)
}

/// `SIGTERM`, `TERM` or 15.
pub(super) fn signal(text: &str) -> Option<i32> {
    let named = |name: &str| name.parse::<Signal>().ok().map(|signal| signal as i32);
    named(text).or_else(|| named(&format!("SIG{text}"))).or_else(|| {
        let number: i32 = text.parse().ok()?;
        Signal::try_from(number).ok().map(|signal| signal as i32)
    })
}

/// The names of exit statuses in systemd.exec(5), those of systemd's own processes excepted.
const EXIT_STATUSES: &[(&str, i64)] = &[
    ("SUCCESS", 0),
    ("FAILURE", 1),
    ("INVALIDARGUMENT", 2),
    ("NOTIMPLEMENTED", 3),
    ("NOPERMISSION", 4),
    ("NOTINSTALLED", 5),
    ("NOTCONFIGURED", 6),
    ("NOTRUNNING", 7),
    ("USAGE", 64),
    ("DATAERR", 65),
    ("NOINPUT", 66),
    ("NOUSER", 67),
    ("NOHOST", 68),
    ("UNAVAILABLE", 69),
    ("SOFTWARE", 70),
    ("OSERR", 71),
    ("OSFILE", 72),
    ("CANTCREAT", 73),
    ("IOERR", 74),
    ("TEMPFAIL", 75),
    ("PROTOCOL", 76),
    ("NOPERM", 77),
    ("CONFIG", 78),
];

/// An exit status or a signal, as `SuccessExitStatus=` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Status(i64),
    Signal(i64),
}

pub(super) fn ending(word: &str) -> Option<Ending> {
    let named = EXIT_STATUSES.iter().find(|(name, _)| *name == word).map(|(_, status)| *status);
    let status = named.or_else(|| word.parse().ok().filter(|status| (0..=255).contains(status)));
    status.map(Ending::Status).or_else(|| signal(word).map(|number| Ending::Signal(i64::from(number))))
}

/// The kinds of namespaces and their bits (clone(2)).
const NAMESPACES: &[(&str, u64)] = &[
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("net", 0x4000_0000),
    ("mnt", 0x0002_0000),
    ("pid", 0x2000_0000),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];

/// Which namespaces may be made, as bits: `RestrictNamespaces=` names those that may, or with `~` those that may not.
/// Without a restriction the manager reports all bits, or all that it knows.
pub(super) fn namespaces(text: &str) -> Option<u64> {
    let all = NAMESPACES.iter().fold(0, |all, (_, bit)| all | bit);
    if let Some(restricted) = flag(text) {
        return Some(if restricted { 0 } else { all });
    }
    let (inverted, list) = text.strip_prefix('~').map_or((false, text), |list| (true, list));
    let mut bits = 0;
    for word in list.split_ascii_whitespace() {
        bits |= NAMESPACES.iter().find(|(name, _)| *name == word)?.1;
    }
    Some(if inverted { all & !bits } else { bits })
}

/// All kinds of namespaces that [`namespaces`] knows.
pub(super) fn known_namespaces(bits: u64) -> u64 {
    bits & NAMESPACES.iter().fold(0, |all, (_, bit)| all | bit)
}

/// Address families and whether they are the allowed ones, after all assignments (systemd.exec(5)).
pub(super) fn address_families<'a>(values: impl Iterator<Item = &'a str>) -> (bool, BTreeSet<String>) {
    let mut allowed = None;
    let mut families = BTreeSet::new();
    for value in values {
        if value == "none" {
            allowed = Some(true);
            families.clear();
            continue;
        }
        let (inverted, list) = value.strip_prefix('~').map_or((false, value), |list| (true, list));
        let is_allow_list = *allowed.get_or_insert(!inverted);
        for word in list.split_ascii_whitespace() {
            if is_allow_list == inverted {
                families.remove(word);
            } else {
                families.insert(word.to_owned());
            }
        }
    }
    (allowed.unwrap_or(false), families)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_systemd_reads_them() {
        assert_eq!((flag("On"), flag("n"), flag("maybe")), (Some(true), Some(false), None));
        assert_eq!((octal("0077"), octal("8"), octal("-7")), (Some(0o77), None, None));
        assert_eq!((bytes("2G"), bytes("12"), bytes("10%")), (Some(2 << 30), Some(12), None));
        assert_eq!((bytes("infinity"), bytes("1K"), bytes("G")), (Some(u64::MAX), Some(1024), None));
        assert_eq!((quota("150%"), quota("2")), (Some(1_500_000), None));
        assert_eq!(
            (signal("TERM"), signal("SIGKILL"), signal("2"), signal("x")),
            (Some(15), Some(9), Some(2), None)
        );
        assert_eq!(ending("TEMPFAIL"), Some(Ending::Status(75)));
        assert_eq!(ending("SIGTERM"), Some(Ending::Signal(15)));
        assert_eq!(
            (namespaces("yes"), namespaces("user"), namespaces("x")),
            (Some(0), Some(0x1000_0000), None)
        );
    }

    #[test]
    fn address_families_add_up() {
        let of = |values: &[&str]| {
            let (allowed, families) = address_families(values.iter().copied());
            (allowed, families.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(&["AF_UNIX", "AF_INET AF_INET6", "~AF_INET"]), (true, "AF_INET6 AF_UNIX".to_owned()));
        assert_eq!(of(&["~AF_PACKET"]), (false, "AF_PACKET".to_owned()));
        assert_eq!(of(&["none"]), (true, String::new()));
    }
}
