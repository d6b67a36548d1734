//! What has to be there for podman to do what we ask of it.

/// The first podman that has `compose`.
pub const OLDEST: (u32, u32) = (4, 7);

/// Programs that rootless podman runs, and what fails without them.
pub const HELPERS: &[(&str, &str)] = &[
    ("newuidmap", "rootless containers cannot start without it (package uidmap, or shadow)"),
    ("newgidmap", "rootless containers cannot start without it (package uidmap, or shadow)"),
    ("systemd-run", "health checks never run without it"),
];

/// Whether a program's version is older than this one. A version that cannot be read is not held against the program:
/// what it answers is judged.
#[must_use]
pub fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut numbers = version.split(['.', '-', '~', ' ']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < than,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_12s_podman_is_too_old() {
        for (version, old) in [
            ("4.3.1", true),
            ("4.7.0", false),
            ("5.4.2", false),
            ("4.7-dev", false),
            ("4", true),
            ("?", false),
        ] {
            assert_eq!(is_older(version, OLDEST), old, "{version}");
        }
    }
}
