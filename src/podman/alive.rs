//! Whether a container lives: also one that podman starts again each time it ends.

use std::time::{Duration, SystemTime};

use super::inspected::Inspected;
use super::time::parse_time;

/// How long podman may take to start again what has ended: it does so at once, which takes a busy machine some seconds.
const RESTART: Duration = Duration::from_secs(10);

impl Inspected {
    /// Whether a process of it runs, or soon will because podman starts it again: it gives up on what it was asked to stop,
    /// and knows nothing of what ended with the machine.
    #[must_use]
    pub fn is_alive(&self, now: SystemTime) -> bool {
        match self.state.status.as_str() {
            "exited" | "stopped" | "restarting" => self.will_start_again(now),
            "running" | "paused" | "stopping" => true,
            // On its way from one start to the next.
            _ => self.restart_count > 0,
        }
    }

    fn will_start_again(&self, now: SystemTime) -> bool {
        let since = parse_time(&self.state.finished_at).map(|end| now.duration_since(end));
        since.is_some_and(|since| since.unwrap_or_else(|ahead| ahead.duration()) < RESTART)
            && !self.state.stopped_by_user
            && match self.host_config.restart_policy.name.as_str() {
                "always" | "unless-stopped" => true,
                "on-failure" => self.state.exit_code != 0,
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alive_is_told_by_state_policy_and_end() {
        let after = |seconds: u64, state: &str, policy: &str| {
            let text = format!(
                r#"{{"Id": "c", "Name": "x", "State": {state}, "HostConfig": {{"RestartPolicy": {{"Name": "{policy}"}}}}}}"#
            );
            let mut container: Inspected = serde_json::from_str(&text).unwrap();
            container.state.finished_at = "2026-02-13T10:00:00Z".to_owned();
            let end = parse_time(&container.state.finished_at).unwrap();
            container.is_alive(end + Duration::from_secs(seconds))
        };
        let again = |state: &str, policy: &str| after(1, state, policy);
        let (good, bad) = (r#"{"Status": "exited"}"#, r#"{"Status": "exited", "ExitCode": 1}"#);
        assert!(again(good, "always") && again(good, "unless-stopped") && again(bad, "on-failure"));
        assert!(!again(good, "on-failure") && !again(bad, "no") && !again(bad, ""));
        assert!(!again(r#"{"Status": "exited", "StoppedByUser": true}"#, "always"));
        assert!(!again(r#"{"Status": "created"}"#, "always") && again(r#"{"Status": "running"}"#, "no"));
        assert!(!after(60, good, "always"), "it ended with the machine");
    }
}
