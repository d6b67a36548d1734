//! What has changed since a unit was sealed: a pure comparison of two seals.

use std::fmt;
use std::path::PathBuf;

use super::seal::{Observed, ObservedFile};
use crate::digest::Sha256;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Another file wins.
    Moved {
        /// The file that won.
        from: Option<PathBuf>,
        /// The file that wins.
        to: Option<PathBuf>,
    },
    /// It is masked, or is no longer.
    Masked {
        /// Whether it is now.
        now: bool,
    },
    /// A link has another target, has become a file, or the other way round.
    Link {
        /// The file.
        path: PathBuf,
        /// The link's text when it was sealed.
        from: Option<PathBuf>,
        /// The link's text now.
        to: Option<PathBuf>,
    },
    /// The unit file's text is another one.
    Text {
        /// The file.
        path: PathBuf,
        /// The sealed digest.
        from: Option<Sha256>,
        /// The digest now.
        to: Option<Sha256>,
    },
    /// What the generator made it from is another file, or has another content.
    Source {
        /// The file.
        path: PathBuf,
    },
    /// A drop-in that was not there.
    DropInAdded(PathBuf),
    /// A drop-in that is gone.
    DropInGone(PathBuf),
    /// A drop-in with another text or target.
    DropInChanged(PathBuf),
    /// A losing copy that was not there.
    Shadowed(PathBuf),
    /// A losing copy that is gone.
    NotShadowed(PathBuf),
    /// A link that pulls it in and was not there.
    PulledIn(PathBuf),
    /// A link that pulled it in and is gone.
    NotPulledIn(PathBuf),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string())
        };
        let target = |link: &Option<PathBuf>| {
            link.as_ref().map_or_else(
                || "a regular file".to_owned(),
                |target| format!("a link to {}", target.display()),
            )
        };
        let digest = |digest: &Option<Sha256>| {
            digest.map_or_else(|| "no text".to_owned(), |digest| format!("sha256 {}…", digest.short()))
        };
        match self {
            Self::Moved { from, to } => write!(f, "the unit file was {} and is {}", file(from), file(to)),
            Self::Masked { now: true } => f.write_str("it is masked now"),
            Self::Masked { now: false } => f.write_str("it is no longer masked"),
            Self::Link { path, from, to } => {
                write!(f, "{} was {} and is {}", path.display(), target(from), target(to))
            }
            Self::Text { path, from, to } => {
                write!(f, "the text of {} changed ({} to {})", path.display(), digest(from), digest(to))
            }
            Self::Source { path } => write!(f, "its source {} changed", path.display()),
            Self::DropInAdded(path) => write!(f, "the drop-in {} is new", path.display()),
            Self::DropInGone(path) => write!(f, "the drop-in {} is gone", path.display()),
            Self::DropInChanged(path) => write!(f, "the drop-in {} changed", path.display()),
            Self::Shadowed(path) => write!(f, "the losing copy {} is new", path.display()),
            Self::NotShadowed(path) => write!(f, "the losing copy {} is gone", path.display()),
            Self::PulledIn(path) => write!(f, "{} pulls it in now", path.display()),
            Self::NotPulledIn(path) => write!(f, "{} pulled it in and is gone", path.display()),
        }
    }
}

/// How `now` differs from `sealed`.
#[must_use]
pub fn changes(sealed: &Observed, now: &Observed) -> Vec<Change> {
    let mut found = Vec::new();
    if sealed.masked != now.masked {
        found.push(Change::Masked { now: now.masked });
    }
    let path = |file: &Option<ObservedFile>| file.as_ref().map(|file| file.path.clone());
    match (&sealed.fragment, &now.fragment) {
        (Some(was), Some(is)) if was.path == is.path => {
            if was.link != is.link {
                found.push(Change::Link {
                    path: is.path.clone(),
                    from: was.link.clone(),
                    to: is.link.clone(),
                });
            }
            if was.sha256 != is.sha256 && !now.masked {
                found.push(Change::Text { path: is.path.clone(), from: was.sha256, to: is.sha256 });
            }
        }
        (None, None) => {}
        (was, is) => found.push(Change::Moved { from: path(was), to: path(is) }),
    }
    if sealed.source != now.source
        && let Some(path) = path(&now.source).or_else(|| path(&sealed.source))
    {
        found.push(Change::Source { path });
    }
    for was in &sealed.drop_ins {
        match now.drop_ins.iter().find(|is| is.path == was.path) {
            None => found.push(Change::DropInGone(was.path.clone())),
            Some(is) if is != was => found.push(Change::DropInChanged(was.path.clone())),
            Some(_) => {}
        }
    }
    let known = |path: &PathBuf| sealed.drop_ins.iter().any(|was| was.path == *path);
    let added = now.drop_ins.iter().filter(|is| !known(&is.path));
    found.extend(added.map(|is| Change::DropInAdded(is.path.clone())));
    found.extend(now.shadowed.difference(&sealed.shadowed).cloned().map(Change::Shadowed));
    found.extend(sealed.shadowed.difference(&now.shadowed).cloned().map(Change::NotShadowed));
    found.extend(now.pulled_in_by.difference(&sealed.pulled_in_by).cloned().map(Change::PulledIn));
    found.extend(sealed.pulled_in_by.difference(&now.pulled_in_by).cloned().map(Change::NotPulledIn));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::UnitName;
    use std::collections::BTreeSet;

    fn file(path: &str, link: Option<&str>, text: &str) -> ObservedFile {
        ObservedFile {
            path: path.into(),
            link: link.map(PathBuf::from),
            sha256: Some(Sha256::of(text.as_bytes())),
        }
    }

    fn sample() -> Observed {
        Observed {
            version: 1,
            unit: UnitName::parse("a.service").unwrap(),
            time: String::new(),
            masked: false,
            fragment: Some(file("/u/a.service", Some("/store/a"), "a")),
            source: Some(file("/q/a.container", None, "q")),
            drop_ins: vec![file("/u/a.service.d/x.conf", None, "x")],
            shadowed: BTreeSet::from(["/etc/a.service".into()]),
            pulled_in_by: BTreeSet::from(["/u/default.target.wants/a.service".into()]),
        }
    }

    #[test]
    fn each_change_is_one_and_the_time_is_none() {
        type Edit = fn(&mut Observed);
        let cases: [(Edit, &[&str]); 9] = [
            (|o| o.time = "later".to_owned(), &[]),
            (|o| o.fragment = None, &["the unit file was /u/a.service and is no file"]),
            (
                |o| o.fragment = Some(file("/u/a.service", None, "a")),
                &["/u/a.service was a link to /store/a and is a regular file"],
            ),
            (
                |o| o.fragment = Some(file("/u/a.service", Some("/store/a"), "b")),
                &["the text of /u/a.service changed (sha256 ca978112ca1bbdca… to sha256 3e23e8160039594a…)"],
            ),
            (|o| o.source = Some(file("/q/a.container", None, "r")), &["its source /q/a.container changed"]),
            (
                |o| o.drop_ins = vec![file("/u/a.service.d/y.conf", None, "x")],
                &["the drop-in /u/a.service.d/x.conf is gone", "the drop-in /u/a.service.d/y.conf is new"],
            ),
            (
                |o| o.drop_ins = vec![file("/u/a.service.d/x.conf", None, "y")],
                &["the drop-in /u/a.service.d/x.conf changed"],
            ),
            (|o| o.shadowed.clear(), &["the losing copy /etc/a.service is gone"]),
            (|o| o.pulled_in_by.clear(), &["/u/default.target.wants/a.service pulled it in and is gone"]),
        ];
        for (edit, expected) in cases {
            let mut now = sample();
            edit(&mut now);
            let told: Vec<String> = changes(&sample(), &now).iter().map(ToString::to_string).collect();
            assert_eq!(told, expected);
        }
    }
}
