//! T
pub(super) fn properties() -> impl Iterator<Item = &'static str> {
    ["ExecStart"].into_iter()
}
