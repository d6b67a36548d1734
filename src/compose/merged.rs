//! The merged files, as podman-compose logs them, and the hash that it takes of them.

use serde_json::Value;

use crate::digest::Sha256;

/// What podman-compose prints before the merged files, as JSON, when it is given more than one and `--verbose` (1.3).
pub(super) const MERGED: &str = "** merged:";

/// The JSON object after [`MERGED`].
pub(super) fn merged(log: &str) -> Option<Value> {
    let (_, rest) = log.rsplit_once(MERGED)?;
    serde_json::Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()
}

/// podman-compose (1.3) takes the SHA-256 of the merged files as JSON without blanks, before it adds the directory as the
/// last key.
pub(super) fn project_hash(log: &str) -> Option<String> {
    let (_, rest) = log.rsplit_once(MERGED)?;
    let start = rest.find('{')?;
    let (mut text, mut depth, mut in_string, mut escaped) = (String::new(), 0_usize, false, false);
    for c in rest.get(start..)?.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => in_string = true,
                '{' => depth += 1,
                '}' => depth = depth.checked_sub(1)?,
                _ if c.is_ascii_whitespace() => continue,
                _ => {}
            }
        }
        text.push(c);
        if depth == 0 && !in_string {
            let (files, _) = text.rsplit_once(",\"_dirname\":")?;
            return Some(Sha256::of(format!("{files}}}").as_bytes()).to_string());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_merged_files_are_found_in_what_podman_compose_logs() {
        let log = "INFO:podman_compose:using podman\nDEBUG:podman_compose: ** merged:\n{\n  \"services\": {}\n}\nweb\n";
        assert_eq!(merged(log), Some(serde_json::json!({"services": {}})));
        assert_eq!(merged("nothing"), None);
    }

    #[test]
    fn the_hash_of_a_project_is_that_of_what_podman_compose_hashes() {
        // hashlib.sha256(json.dumps({"services": {"a": {"x": "\"} b, {", "y": []}}}, separators=(",", ":")).encode())
        let hashed = r#"{"services":{"a":{"x":"\"} b, {","y":[]}}}"#;
        let log = "x ** merged:\n{\n  \"services\": {\n    \"a\": {\n      \"x\": \"\\\"} b, {\",\n      \"y\": []\n    }\n  },\n  \"_dirname\": \"/a b\"\n}\nweb\n";
        assert_eq!(project_hash(log), Some(Sha256::of(hashed.as_bytes()).to_string()));
        assert_eq!(project_hash("** merged:\n{\"services\""), None);
    }
}
